"""Claims: which process has, or is about to have, the record of a case; a case is decided by the first that claims it.

A small LMDB environment that all workers write, one transaction for each group of rows that is decided together. It is
not flushed to the disk: records are the truth, and a service that begins anew begins with no claims. What left the
journals for the lake is known to the spool, so claims are let go there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from headrace.online.room import environment, no_room

_NUMBER = struct.Struct(">12sQ")
_MAP_BYTES = 16 << 30
_AT_ONCE = 256
"""Claims that are let go in one transaction: others wait for it."""
_CURE = "stop the service and delete the folder 'workers' of the project's state: it is made anew"

Held = tuple[str, int]
"""Id of a journal, and the number of the record in it."""


class Claims:
    """The claims of all workers.

    Args:
        folder: of the environment.
        settled: case -> id of its record, for cases of which no claim is kept any more.
    """

    def __init__(self, folder: Path, settled: Callable[[bytes], str | None]) -> None:
        self._env = environment(folder, _MAP_BYTES, 0, _CURE, sync=False)
        self._settled = settled

    def close(self) -> None:
        """Let go of the files."""
        self._env.close()

    def forget_readers(self) -> None:
        """Let go of what processes were reading when they were killed."""
        self._env.reader_check()

    def get(self, case: bytes) -> Held | None:
        """Return who has a case, None for nobody."""
        with self._env.begin() as transaction:
            raw = transaction.get(case)
        return None if raw is None else _read(raw)

    def claim(self, cases: Sequence[bytes | None], journal: str, last: int) -> list[bool]:
        """Claim cases for the records that follow a number; return which of them nobody else had.

        Args:
            cases: of a group, in the order of its records; None for a row without a key, which takes a number, too.
            journal: id of the one in which the records will be.
            last: number before that of the first record; those of others take no number.

        Raises:
            HeadraceError: HR-ONLINE-002 when the disk is full; then none is claimed.
        """
        ours, own = [], journal.encode()
        with no_room(), self._env.begin(write=True) as transaction:
            for case in cases:
                free = case is None or (transaction.get(case) is None and self._settled(case) is None)
                ours.append(free)
                if free:
                    last += 1
                    if case is not None:
                        transaction.put(case, _NUMBER.pack(own, last))
        return ours

    def drop(self, held: Mapping[bytes, Held]) -> None:
        """Take claims back that have no record, unless somebody else has them by now."""
        with no_room(), self._env.begin(write=True) as transaction:
            for case, (journal, number) in held.items():
                if transaction.get(case) == (raw := _NUMBER.pack(journal.encode(), number)):
                    transaction.delete(case, raw)

    def purge(self, journal: str, last: int) -> None:
        """Take back the claims of a process that was killed, beyond the last record that it wrote."""
        self._let_go(case for case, (own, number) in self._all() if own == journal and number > last)

    def settle(self, moved: Mapping[str, int]) -> None:
        """Forget claims whose records have left the journals, up to a number of each; the spool knows their cases."""
        self._let_go(case for case, (own, number) in self._all() if number <= moved.get(own, 0))

    def _all(self) -> list[tuple[bytes, Held]]:
        with self._env.begin() as transaction, transaction.cursor() as cursor:
            return [(bytes(case), _read(raw)) for case, raw in cursor]

    def _let_go(self, cases: Iterable[bytes]) -> None:
        every = list(cases)
        for first in range(0, len(every), _AT_ONCE):
            with no_room(), self._env.begin(write=True) as transaction:
                for case in every[first : first + _AT_ONCE]:
                    transaction.delete(case)


def _read(raw: bytes) -> Held:
    journal, number = _NUMBER.unpack(raw)
    return journal.decode(), number
