"""Columns as the kernel sees them: eight bytes a value, a mask of what is there, and a dictionary for text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.kernel.texts import ascending, coded, joined, looked_up, texts
from headrace.kernel.typing import Bools, Ints
from headrace.types import LogicalType

_DTYPES = {"float": np.dtype(np.float64), "bool": np.dtype(np.bool_)}
_INT = np.dtype(np.int64)


@dataclass(frozen=True)
class Column:
    """Values of one type.

    Args:
        type: logical type.
        values: float64 for float, bool for bool, else int64: the number, the scaled decimal, microseconds or days
            since 1970, or the position in ``dictionary``. What stands where ``valid`` is false means nothing.
        valid: mask of the values that are not null; None where all are there.
        dictionary: distinct texts, in any order (see ``in_order``); only for str and lists of it.
        counts: for lists, how many items each row has; ``values`` then has shape [rows, most items].
    """

    type: LogicalType
    values: NDArray[Any]
    valid: Bools | None = None
    dictionary: pa.StringArray | None = None
    counts: Ints | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mask(self) -> Bools:
        """Which values are not null."""
        return np.ones(len(self.values), dtype=np.bool_) if self.valid is None else self.valid

    def take(self, positions: Ints) -> Column:
        """Return the values at positions; a negative position gives null."""
        there = positions >= 0
        if len(self.values) == 0:
            return replace(self, values=np.zeros(len(positions), self.values.dtype), valid=there)
        safe = np.where(there, positions, 0)
        valid = there if self.valid is None else there & self.valid[safe]
        counts = None if self.counts is None else self.counts[safe]
        return replace(self, values=self.values[safe], valid=None if valid.all() else valid, counts=counts)

    def part(self, start: int, stop: int) -> Column:
        """Return a slice."""
        valid = None if self.valid is None else self.valid[start:stop]
        counts = None if self.counts is None else self.counts[start:stop]
        return replace(self, values=self.values[start:stop], valid=valid, counts=counts)

    def to_python(self) -> list[Any]:
        """Return plain Python values (None for null); times and decimals as in ``to_arrow``."""
        return to_arrow(self).to_pylist()


def dtype_of(kind: LogicalType) -> np.dtype[Any]:
    """Return the NumPy type in which values of a logical type are held."""
    return _DTYPES.get(kind.name, _INT)


def nulls(kind: LogicalType, length: int) -> Column:
    """Return a column of nulls."""
    values = np.zeros(length, dtype=dtype_of(kind))
    return Column(kind, values, np.zeros(length, np.bool_), texts() if kind.name == "str" else None)


def concat(first: Column, second: Column) -> Column:
    """Return one column after another of the same type."""
    if first.dictionary is not None or second.dictionary is not None:
        first, second = one_dictionary(first, second)
    valid = counts = None
    if first.valid is not None or second.valid is not None:
        valid = np.concatenate([first.mask, second.mask])
    if first.counts is not None and second.counts is not None:
        counts = np.concatenate([first.counts, second.counts])
        most = max(first.values.shape[1], second.values.shape[1])
        first, second = _wide(first, most), _wide(second, most)
    values = np.concatenate([first.values, second.values])
    return Column(first.type, values, valid, first.dictionary, counts)


def _wide(column: Column, items: int) -> Column:
    missing = items - column.values.shape[1]
    return replace(column, values=np.pad(column.values, ((0, 0), (0, missing)))) if missing else column


def one_dictionary(first: Column, second: Column) -> tuple[Column, Column]:
    """Return two columns of text with the same dictionary; codes of the first stay as they are."""
    here, there = (texts() if one.dictionary is None else one.dictionary for one in (first, second))
    if here.equals(there):
        return first, second
    lookup, joint = joined(here, there)
    return replace(first, dictionary=joint), _recoded(second, lookup, joint)


def in_order(column: Column) -> Column:
    """Return a column of text whose codes are in the order of its texts, by code point."""
    if column.dictionary is None:
        return column
    rank, dictionary = ascending(column.dictionary)
    return column if dictionary is column.dictionary else _recoded(column, rank, dictionary)


def _recoded(column: Column, lookup: Ints, dictionary: pa.StringArray) -> Column:
    there = column.mask if column.counts is None else column.mask[:, None]
    return replace(column, values=looked_up(lookup, np.where(there, column.values, 0)), dictionary=dictionary)


def from_arrow(array: pa.Array | pa.ChunkedArray, kind: LogicalType) -> Column:
    """Return an Arrow array of the type that ``kind.arrow()`` names as a column."""
    valid = None if array.null_count == 0 else array.is_valid().to_numpy(zero_copy_only=False)
    if kind.name == "str":
        codes, dictionary = coded(array)
        return Column(kind, codes, valid, dictionary)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # an empty chunked array stays chunked
        array = pa.array([], type=kind.arrow())
    match kind.name:
        case "float" | "int" | "bool":
            values = array.cast(kind.arrow())
            return Column(kind, _filled(values, False if kind.name == "bool" else 0), valid)
        case "decimal":
            return Column(kind, _unscaled(array, kind), valid)
        case "list":
            return _from_lists(array, kind, valid)
        case "timestamp":
            array = array.cast(pa.timestamp("us", tz="UTC"))
    days_or_us = array.cast(pa.int32()).cast(pa.int64()) if kind.name == "date" else array.cast(pa.int64())
    return Column(kind, _filled(days_or_us, 0), valid)


def _filled(array: pa.Array, nothing: int) -> NDArray[Any]:
    """Return values as they lie in memory, where that can be; nulls become ``nothing``."""
    filled = pc.fill_null(array, nothing) if array.null_count else array
    values: NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return values


def _from_lists(array: pa.Array, kind: LogicalType, valid: Bools | None) -> Column:
    assert kind.item is not None
    counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    items = from_arrow(array.flatten(), kind.item)
    values = np.zeros((len(array), counts.max(initial=0)), dtype=items.values.dtype)
    values[np.arange(values.shape[1])[None, :] < counts[:, None]] = items.values
    return Column(kind, values, valid, items.dictionary, counts)


def _unscaled(array: pa.Array, kind: LogicalType) -> Ints:
    """Read the low words of decimal128 as they lie in memory: precision <= 18 always fits one."""
    array = array.cast(kind.arrow())
    words = np.frombuffer(array.buffers()[1], dtype=np.int64)
    values = words[2 * array.offset : 2 * (array.offset + len(array)) : 2].copy()
    if array.null_count:
        values[~array.is_valid().to_numpy(zero_copy_only=False)] = 0
    return values


def to_arrow(column: Column) -> pa.Array:
    """Return a column as an Arrow array of ``column.type.arrow()``."""
    if column.counts is not None:
        return _lists(column)
    # Arrow wants a bit for each value that is there; int64 and float64 it shares as they lie
    bits = None if column.valid is None else pa.py_buffer(np.packbits(column.valid, bitorder="little"))
    if column.type.name in ("int", "float", "timestamp"):
        values = pa.py_buffer(np.ascontiguousarray(column.values))
        return pa.Array.from_buffers(column.type.arrow(), len(column), [bits, values])
    mask = None if column.valid is None else ~column.valid
    match column.type.name:
        case "str":
            assert column.dictionary is not None
            return column.dictionary.take(pa.array(column.values, type=pa.int64(), mask=mask))
        case "decimal":
            words = np.empty((len(column), 2), dtype=np.int64)
            words[:, 0] = column.values
            words[:, 1] = column.values >> 63
            return pa.Array.from_buffers(column.type.arrow(), len(column), [bits, pa.py_buffer(words)])
        case "date":
            return pa.array(column.values.astype(np.int32), type=pa.int32(), mask=mask).cast(pa.date32())
    return pa.array(column.values, type=column.type.arrow(), mask=mask)


def _lists(column: Column) -> pa.Array:
    counts = column.counts
    assert counts is not None
    assert column.type.item is not None
    inside = np.arange(column.values.shape[1])[None, :] < counts[:, None]
    items = to_arrow(Column(column.type.item, column.values[inside], None, column.dictionary))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), items)
    if column.valid is None:
        return lists
    return pc.if_else(pa.array(column.valid), lists, pa.scalar(None, type=lists.type))


def held(column: Column, row: int) -> Any:
    """Return one value as the kernel holds it: scaled decimals, microseconds, days; None for null."""
    if column.valid is not None and not column.valid[row]:
        return None
    if column.counts is not None:
        assert column.type.item is not None
        count = int(column.counts[row])
        items = Column(column.type.item, column.values[row, :count], None, column.dictionary)
        return [held(items, i) for i in range(count)]
    value = column.values[row].item()
    return column.dictionary[value].as_py() if column.dictionary is not None else value


def all_held(column: Column) -> list[Any]:
    """Return all values as ``held`` does."""
    if column.counts is not None:
        return [held(column, row) for row in range(len(column))]
    values: list[Any] = column.values.tolist()
    if column.dictionary is not None:
        words = column.dictionary.to_pylist()
        values = [words[value] if words else None for value in values]
    if column.valid is None:
        return values
    return [value if there else None for value, there in zip(values, column.valid.tolist(), strict=True)]
