"""Cases: an id is decided once; who asks again gets the decision that is on record, who asks otherwise is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.serve import record as serve_record
from headrace.serve.commit import Committer
from headrace.serve.deciding import LATE, Pending
from headrace.serve.drain import table_of
from headrace.serve.fields import Row
from headrace.serve.journal import Frame, frames_from
from headrace.serve.record import Context, Record, is_context, request_of
from headrace.serve.spool import Spool
from headrace.serve.veiled import Veiled

_AT_HAND = 16_384
"""Records that are kept in memory for those who ask again: about as many megabytes."""
_packed = msgspec.msgpack.Encoder().encode


def case_of(service: str, keys: Sequence[str], row: Row, secret: bytes = b"") -> bytes | None:
    """Return the name of a case: a digest of the service and the row's key; None where the contract has no key.

    With a ``secret`` nobody else can tell whether it is that of a key that he guesses.
    """
    if not keys:
        return None
    return hashlib.blake2b(_packed([service, *(row[name] for name in keys)]), digest_size=16, key=secret).digest()


class Cases:
    """What was decided, on record or on its way there; asked by the one thread that decides.

    Args:
        spool: with the numbers of all cases that are in the lake.
        journal: folder of the records that may not be there yet.
        id: of the journal.
        lake: with the records that are.
        veiled: turns the pseudonyms of a record back.
    """

    def __init__(self, spool: Spool, journal: Path, id: str, lake: Lake, veiled: Veiled) -> None:
        self._spool, self._journal, self._id, self._lake, self._veiled = spool, journal, id, lake, veiled
        self._under_way: dict[bytes, Pending] = {}
        self._recent: dict[bytes, int] = {}
        self._kept: dict[int, tuple[Context, bytes]] = {}
        self._lookups: Committer[tuple[str, str], Record | None] = Committer(self._records, "lookups")

    def close(self) -> None:
        """Finish what is being looked up."""
        self._lookups.close()

    def begin(self, pending: Pending) -> None:
        """Note a row that is being decided, until it is on record."""
        case = pending.case
        if case is not None:
            self._under_way[case] = pending
            pending.answer.add_done_callback(lambda _: self._end(case, pending))

    def under_way(self, case: bytes | None) -> Pending | None:
        """Return the row of a case that is being decided."""
        return None if case is None else self._under_way.get(case)

    def _end(self, case: bytes, pending: Pending) -> None:
        del self._under_way[case]
        if pending.number and (pending.answer.cancelled() or pending.answer.exception() is None):
            self._recent[case] = pending.number
            if pending.kept is not None:
                self._kept[pending.number] = pending.kept
                if len(self._kept) > _AT_HAND:
                    del self._kept[next(iter(self._kept))]

    def settle(self, last: int) -> None:
        """Forget cases up to a number: they are in the spool by now."""
        for case in [case for case, number in self._recent.items() if number <= last]:
            del self._recent[case]

    def find(self, case: bytes | None) -> Pending | str | None:
        """Return what waits for its answer, or the id of its record; None for a case that is new."""
        if case is None:
            return None
        if (pending := self._under_way.get(case)) is not None:
            return pending
        if (number := self._recent.get(case)) is not None:
            return f"{self._id}-{number}"
        return self._spool.record_of(case)

    async def known(self, found: Pending | str, service: str, request: str) -> Record | None:
        """Return the record of a case that was found; None where there is none, or not any more.

        Args:
            found: from ``find``.
            service: its name.
            request: the row as a record holds it.

        Raises:
            HeadraceError: HR-SERVE-013 when the case was decided with another row, and what is wrong with this row
                where it is the one that is waited for; HR-PRIVACY-002 where a key of its pseudonyms is not at hand.
        """
        if isinstance(found, Pending):
            try:
                await asyncio.shield(found.answer)
            except HeadraceError as error:
                # what was wrong with another row of that id, or that its time was up, says nothing of this one
                if error.faults[0].code == LATE.code or request_of(found.row, found.desk.types) != request:
                    return None
                raise
            found = found.record_id
        record = self._at_hand(found)
        if record is None:
            record = await asyncio.wrap_future(self._lookups.submit((service, found)))
        return None if record is None else same(self._veiled.opened(record), request)

    def _at_hand(self, record_id: str) -> Record | None:
        """The record of a case that was decided a while ago: nothing has to be read for it."""
        id, _, number = record_id.rpartition("-")
        kept = self._kept.get(int(number)) if id == self._id else None
        return None if kept is None else serve_record.kept(int(number), *kept).record(id)

    def _records(self, wanted: Sequence[tuple[str, str]]) -> list[Record | None]:
        """Return records that are asked for together: to look for one costs the same as for many."""
        by_journal: dict[str, set[int]] = {}
        for _, record_id in wanted:
            id, _, number = record_id.rpartition("-")
            by_journal.setdefault(id, set()).add(int(number))
        found: dict[str, Record] = {}
        for id, numbers in by_journal.items():
            if (folder := self._folder(id)) is not None:
                found |= self._in_journal(folder, id, numbers)
        for service in {service for service, record_id in wanted if record_id not in found}:
            far = [record_id for of, record_id in wanted if of == service and record_id not in found]
            found |= self._in_lake(service, far)
        return [found.get(record_id) for _, record_id in wanted]

    def _folder(self, id: str) -> Path | None:
        return self._journal if id == self._id else None

    def _in_journal(self, folder: Path, id: str, wanted: set[int]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        while wanted:
            seen, frames = min(wanted), list[Frame]()
            for number, payload in frames_from(folder, seen):
                seen = max(seen, number)
                if number in wanted or is_context(payload):
                    frames.append((number, payload))
            found |= {f"{id}-{one.number}": one.record(id) for one in serve_record.unpacked(frames)}
            wanted = {number for number in wanted if number > seen}
        return found

    def _in_lake(self, service: str, record_ids: Sequence[str]) -> dict[str, Record]:
        table = table_of(service)
        if not self._lake.exists(table):
            return {}
        listed = ", ".join(f"'{one}'" for one in record_ids)
        rows = self._lake.sql(f"select * from {table} where record_id in ({listed})")
        return {record["record_id"]: record for record in serve_record.read(rows)}


def same(record: Record, request: str) -> Record:
    """Return a record if it is that of a request.

    Raises:
        HeadraceError: HR-SERVE-013 when it is one of other values.
    """
    if _given(record["request"]) == _given(request):
        return record
    found = f"an id that was decided before with other values (record {record['record_id']})"
    cure = "send the row as it was to get its decision again; a new case has an id of its own"
    raise HeadraceError(Fault("HR-SERVE-013", "request", found, "one row for one id", cure))


def _given(request: str) -> dict[str, Any]:
    """The fields that have a value: one that was added to the contract since is null in an older row."""
    return {name: value for name, value in json.loads(request).items() if value is not None}
