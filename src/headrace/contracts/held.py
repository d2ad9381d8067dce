"""Which keys there are: numbers as they came while they only grow, else hashes in sorted runs behind a filter of bits.

A filter says of most hashes at once that they are new, for two to four bytes a key: only the few others are searched
for in the runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
_WORTH_IT = 100_000
"""Hashes below which runs are searched without a filter."""
_AT_ONCE = 1_000_000


def numbers_of(keys: pa.Table | pa.RecordBatch) -> Numbers | None:
    """Return the keys that are there as whole numbers; None where they are of other types."""
    if keys.num_columns != 1 or not pat.is_int64(keys.schema.types[0]):
        return None
    column = keys.column(0)
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(whole.drop_null().to_numpy(zero_copy_only=False), np.int64)


def ascends(numbers: Numbers) -> bool:
    """Return whether none is below the one before it."""
    return bool(np.all(numbers[1:] >= numbers[:-1]))


class Held:
    """The keys of the rows that are there.

    Args:
        hashes: hashes numbers as it hashes other keys; called once some are not above all before them.
    """

    def __init__(self, hashes: Callable[[Numbers], Hashes]) -> None:
        self._hashes = hashes
        self._highest: int | None = None
        self._numbers: list[Numbers] = []
        self._runs: list[Hashes] = []
        self._bits = np.zeros(0, np.uint8)
        self._shift, self._count = np.uint64(63), 0

    def below(self, number: int) -> bool:
        """Return whether all keys are below a number."""
        return self._highest is None or self._highest < number

    def add_numbers(self, numbers: Numbers) -> None:
        """Hold numbers that are not hashed yet."""
        if len(numbers):
            self._numbers.append(numbers.copy())  # a view would keep all columns of a batch that came as one buffer
            self.reaches(int(numbers.max()))

    def reaches(self, number: int) -> None:
        """Say how high a key is that is held by its hash."""
        self._highest = number if self._highest is None else max(self._highest, number)

    def add(self, ordered: Hashes) -> None:
        """Hold hashes, which ascend."""
        if not len(ordered):
            return
        self._runs.append(ordered)
        # Runs of about the same length become one, so that there are few, and no hash is merged often.
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            pair = [self._runs.pop(), self._runs.pop()]
            self._runs.append(np.sort(np.concatenate(pair), kind="stable"))
        self._count += len(ordered)
        if self._count >= _WORTH_IT:
            self._filter(ordered)

    def among(self, ordered: Hashes) -> Hashes:
        """Return those of some hashes, which ascend, that are held."""
        for numbers in self._numbers:
            self.add(np.sort(self._hashes(numbers)))
        self._numbers = []
        asked = ordered[self._maybe(ordered)] if len(self._bits) else ordered
        found = [asked[:0]]
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, asked), len(run) - 1)
            found.append(asked[run[at] == asked])
        return np.concatenate(found)

    def _filter(self, ordered: Hashes) -> None:
        wanted = 1 << (2 * self._count - 1).bit_length()  # bytes: 16 to 32 bits for each hash
        if len(self._bits) < 2 * self._count:
            self._bits, self._shift = np.zeros(wanted, np.uint8), np.uint64(64 - (8 * wanted - 1).bit_length())
            for run in self._runs:
                self._mark(run)
        else:
            self._mark(ordered)

    def _mark(self, run: Hashes) -> None:
        for start in range(0, len(run), _AT_ONCE):
            place, bit = self._places(run[start : start + _AT_ONCE])
            first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
            self._bits[place[first]] |= np.bitwise_or.reduceat(bit, first)

    def _maybe(self, ordered: Hashes) -> npt.NDArray[np.bool_]:
        place, bit = self._places(ordered)
        return np.asarray(self._bits[place] & bit, np.bool_)

    def _places(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.uint8]]:
        """Return the byte and the bit of each hash; of hashes that ascend, bytes do."""
        slots = hashes >> self._shift
        return (slots >> np.uint64(3)).astype(np.int64), np.uint8(1) << (slots & np.uint64(7)).astype(np.uint8)
