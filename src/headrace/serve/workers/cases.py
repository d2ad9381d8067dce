"""Cases of several processes: an id is decided once, whichever process is asked, and whichever of them dies of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.lake.lock import exclusive
from headrace.serve.cases import Cases, same
from headrace.serve.deciding import LATE, Pending
from headrace.serve.drain import journals
from headrace.serve.journal import Journal, identity, segments
from headrace.serve.record import Record, request_of
from headrace.serve.spool import Spool
from headrace.serve.veiled import Veiled
from headrace.serve.workers.claims import Claims, Held
from headrace.serve.workers.part import seated

_PATIENCE_S = 10.0
"""How long an answer of another process is waited for, where the client does not say."""
_SOONEST_S, _LATEST_S = 0.001, 0.05


class SharedCases(Cases):
    """Cases that other processes decide, too.

    Args:
        claims: of all of them.
        spool, journal, lake, veiled: as for one process; the journal is that of this one.
    """

    def __init__(self, claims: Claims, spool: Spool, journal: Journal, lake: Lake, veiled: Veiled) -> None:
        super().__init__(spool, journal.folder, journal.id, lake, veiled)
        self._claims, self._own = claims, journal
        self._folders: dict[str, Path] = {}
        self._undropped: dict[bytes, Held] = {}
        claims.purge(journal.id, journal.last)

    def find(self, case: bytes | None) -> Pending | str | None:
        """Return what waits for its answer here, or the id under which some process has its record."""
        if case is None:
            return None
        if (pending := self._under_way.get(case)) is not None:
            return pending
        if (number := self._recent.get(case)) is not None:
            return f"{self._id}-{number}"
        # claims first: they are let go after the spool knows their cases
        if (held := self._claims.get(case)) is not None and self._is_kept(case, held):
            return _named(held)
        return self._spool.record_of(case)

    def drop(self, some: Mapping[bytes, Held]) -> None:
        """Take back claims of our own that have no record; what a full disk keeps, at the next time."""
        self._undropped.update(some)
        held = dict(self._undropped)
        if not held:
            return
        with contextlib.suppress(HeadraceError):
            self._claims.drop(held)
            for case in held:
                self._undropped.pop(case, None)

    async def elsewhere(self, pending: Pending) -> Record | None:
        """Return the record of a case that another process claimed first, as soon as it is on the disk.

        Returns:
            None where that process died, or could not write it: then whoever asks has to decide.

        Raises:
            HeadraceError: HR-SERVE-013 as for one process, 016 where the deadline passes meanwhile, 020 where
                it takes too long.
        """
        assert pending.case is not None
        service, asked = pending.desk.service.name, request_of(pending.row, pending.desk.types)
        until = pending.deadline or clock.monotonic_s() + _PATIENCE_S
        wait = _SOONEST_S
        while True:
            held = self._claims.get(pending.case)
            if held is not None and not self._is_kept(pending.case, held):
                return None
            if held is None and self._spool.record_of(pending.case) is None:
                return None
            if (record := await asyncio.to_thread(self._there, service, pending.case)) is not None:
                return same(self._veiled.opened(record), asked)
            if held is not None and await asyncio.to_thread(self._abandoned, service, pending.case, held):
                continue
            if clock.monotonic_s() >= until:
                raise HeadraceError(LATE) if pending.deadline else _slow()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LATEST_S)

    def _is_kept(self, case: bytes, held: Held) -> bool:
        """Whether a claim stands; one of our own that was not written, and is not going to be, does not."""
        journal, number = held
        under_way = self._under_way.get(case)
        if self._undropped.get(case) != held and (
            journal != self._id or number <= self._own.last or case in self._recent or (under_way and under_way.number)
        ):
            return True
        self._claims.drop({case: held})
        self._undropped.pop(case, None)
        return False

    def _there(self, service: str, case: bytes) -> Record | None:
        held = self._claims.get(case)
        record_id = self._spool.record_of(case) if held is None else _named(held)
        return None if record_id is None else self._record(service, record_id)

    def _in_journal(self, folder: Path, id: str, wanted: set[int]) -> dict[str, Record]:
        found = super()._in_journal(folder, id, wanted)
        if id != self._id:
            for record_id in found:
                _flush(folder, int(record_id.rpartition("-")[2]))
        return found

    def _record(self, service: str, record_id: str) -> Record | None:
        (record,) = self._records([(service, record_id)])
        return record

    def _abandoned(self, service: str, case: bytes, held: Held) -> bool:
        """Whether the process that claimed a case has died without its record; then the claim is taken back."""
        folder = self._folder(held[0])
        if folder is None or held[0] == self._id:
            return False
        try:
            with exclusive(seated(folder), wait_s=0):
                if self._record(service, _named(held)) is None:
                    self._claims.drop({case: held})
                return True
        except HeadraceError:
            return False  # it lives

    def _folder(self, id: str) -> Path | None:
        if id not in self._folders:
            self._folders = {identity(folder): folder for folder in journals(self._journal.parent)}
        return self._folders.get(id)


def _named(held: Held) -> str:
    return f"{held[0]}-{held[1]}"


def _flush(folder: Path, number: int) -> None:
    """What another process has written may not be on the disk yet; what we answer is."""
    path = next((path for path in reversed(segments(folder)) if int(path.stem) <= number), None)
    if path is not None:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(file)
        finally:
            os.close(file)


def _slow() -> HeadraceError:
    found = "an id that another process of this service is deciding, for too long"
    return HeadraceError(Fault("HR-SERVE-020", "", found, "its answer", "ask again with the same id"))
