"""What a kind of file is: by which endings it is known, and how its columns and its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from headrace.connect.places import File
from headrace.declare import Contract


def _nothing(file: File) -> None:
    pass


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Args:
        name: as faults tell it.
        suffixes: endings of file names.
        columns: file and contract -> the columns as received.
        batches: file, contract, rows of a batch at most -> tables of the contract's columns, in order: text, or types
            that the file itself has; what cannot be read of a row stands in the column ``contracts.MALFORMED``.
        check: refuses what cannot be read, before the first row is; raises HeadraceError.
        rows: how many rows there are, where that is known without reading them.
        packed: whether it may be compressed as a whole, such as ``.csv.gz``.
        errors: by which its library tells of damage.
        through: reads a file to its end, only to see that this can be done; by default all its batches are read.
    """

    name: str
    suffixes: tuple[str, ...]
    columns: Callable[[File, type[Contract]], pa.Schema]
    batches: Callable[[File, type[Contract], int], Iterator[pa.Table]]
    check: Callable[[File], None] = _nothing
    rows: Callable[[File], int | None] = lambda _: None
    packed: bool = True
    errors: tuple[type[Exception], ...] = ()
    through: Callable[[File, type[Contract]], None] | None = None
