"""Texts as numbers: an exact table in LMDB, so that a column of text takes eight bytes a value."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from headrace.kernel.column import Column
from headrace.kernel.texts import texts
from headrace.kernel.typing import Bools, Ints
from headrace.online.packed import altered
from headrace.types import LogicalType

_LONGEST = 400
_EIGHT_BYTES = (1 << 64) - 1
_MOST = 1_000_000
"""Texts that are kept in memory beside the table."""


class Texts:
    """The table: text to number, and back. Numbers are given in the order in which texts first appear."""

    def __init__(self, env: Any, database: Any) -> None:
        self._env, self._database = env, database
        self._known: dict[int, str] = {}

    def numbers(self, transaction: Any, wanted: Iterable[str]) -> Ints:
        """Return the numbers of texts, giving new ones where needed; only within a write transaction."""
        found = []
        next_free = struct.unpack(">Q", transaction.get(b"n", b"\0" * 8, db=self._database))[0]
        first_free = next_free
        for text in wanted:
            key = _key(text)
            held = transaction.get(key, db=self._database)
            if held is None:
                held = struct.pack(">Q", next_free)
                transaction.put(key, held, db=self._database)
                transaction.put(b"i" + held, text.encode(), db=self._database)
                next_free += 1
            found.append(struct.unpack(">Q", held)[0])
        if next_free > first_free:
            transaction.put(b"n", struct.pack(">Q", next_free), db=self._database)
        return np.array(found, dtype=np.int64)

    def column(self, kind: LogicalType, numbers: Ints, valid: Bools | None) -> Column:
        """Return numbers as a column of text with its dictionary."""
        there = numbers if valid is None else numbers[valid]
        distinct = np.unique(there)
        found = self.texts(distinct.tolist())
        places = np.minimum(np.searchsorted(distinct, numbers), max(len(found) - 1, 0))
        return Column(kind, places, valid, texts(found))

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """Return the texts of numbers.

        Raises:
            HeadraceError: HR-ONLINE-001 for a text that was altered on disk.
        """
        missing = [number for number in numbers if number not in self._known]
        if missing:
            if len(self._known) >= _MOST:
                self._known = {number: self._known[number] for number in numbers if number in self._known}
            # a text is never taken back, so a later transaction finds what an earlier one named
            with self._env.begin(db=self._database) as transaction:
                for number in missing:
                    self._known[number] = self._text(transaction, number)
        return [self._known[number] for number in numbers]

    def _text(self, transaction: Any, number: int) -> str:
        """Return the text of a number, of which the table must say the same number."""
        held = struct.pack(">Q", number & _EIGHT_BYTES)
        raw = transaction.get(b"i" + held)
        try:
            text = bytes(raw or b"").decode()
        except UnicodeDecodeError:
            raise altered() from None
        if raw is None or transaction.get(_key(text)) != held:
            raise altered()
        return text


def _key(text: str) -> bytes:
    raw = text.encode()
    return b"t" + raw if len(raw) <= _LONGEST else b"h" + hashlib.sha256(raw).digest()
