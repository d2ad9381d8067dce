"""Cases: an id is decided once; who asks again gets the decision that is on record, who asks otherwise is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.serve import record as serve_record
from headrace.serve.drain import table_of
from headrace.serve.fields import Row
from headrace.serve.record import Record
from headrace.serve.spool import Spool


def case_of(service: str, keys: Sequence[str], row: Row) -> bytes | None:
    """Return the name of a case: a digest of the service and the row's key; None where the contract has no key."""
    if not keys:
        return None
    said = json.dumps([service, *(row[name] for name in keys)], separators=(",", ":"))
    return hashlib.sha256(said.encode()).digest()[:16]


@dataclass
class Cases:
    """What was decided, on record or on its way there; asked by the one thread that decides.

    Args:
        spool, lake: where records are.
    """

    spool: Spool
    lake: Lake
    _under_way: dict[bytes, tuple[Record, Future[None]]] = field(default_factory=dict)

    def begin(self, case: bytes | None, record: Record, written: Future[None]) -> None:
        """Note a decision whose record is being written, until it is."""
        if case is not None:
            self._under_way[case] = record, written
            written.add_done_callback(lambda _: self._under_way.pop(case, None))

    async def known(self, case: bytes | None, service: str, request: str) -> Record | None:
        """Return the record of a case that was decided before, once it is on the disk; None for a new one.

        Args:
            case: from ``case_of``.
            service: its name.
            request: the row as a record holds it.

        Raises:
            HeadraceError: HR-SERVE-013 when the case was decided with another row, HR-ONLINE-002 when the record that
                is waited for cannot be written.
        """
        if case is None:
            return None
        if (waiting := self._under_way.get(case)) is not None:  # another thread takes out what is written
            record, written = waiting
            await asyncio.shield(asyncio.wrap_future(written))
            return _same(record, request)
        number = self.spool.number_of(case)
        if number is None:
            return None
        found = self.spool.record(number) or await asyncio.to_thread(self._from_lake, service, number)
        return None if found is None else _same(found, request)

    def _from_lake(self, service: str, number: int) -> Record | None:
        table = table_of(service)
        if not self.lake.exists(table):
            return None
        rows = self.lake.sql(f"select * from {table} where record_id = '{self.spool.id}-{number}'")
        return next(iter(serve_record.read(rows)), None)


def _same(record: Record, request: str) -> Record:
    if _given(record["request"]) == _given(request):
        return record
    found = f"an id that was decided before with other values (record {record['record_id']})"
    cure = "send the row as it was to get its decision again; a new case has an id of its own"
    raise HeadraceError(Fault("HR-SERVE-013", "request", found, "one row for one id", cure))


def _given(request: str) -> dict[str, Any]:
    """The fields that have a value: one that was added to the contract since is null in an older row."""
    return {name: value for name, value in json.loads(request).items() if value is not None}
