"""Frames: rows of a source as kernel columns, with their sequence and the time when they became known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from headrace.contracts.nested import column_at
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import Column, from_arrow, one_dictionary, to_arrow
from headrace.kernel.typing import Ints
from headrace.types import FLOAT, LogicalType

SEQ, KNOWN = "_seq", "_known_at"


@dataclass(frozen=True)
class Frame:
    """Columns of equal length; ``seq`` and ``known`` are None where the rows do not carry them."""

    length: int
    columns: Mapping[str, Column]
    seq: Ints | None = None
    known: Ints | None = None


def frame(table: pa.Table, names: Sequence[str], contract: type[Contract], what: str) -> Frame:
    """Return the named columns of an Arrow table as a frame.

    Args:
        table: rows; may carry ``_seq`` and ``_known_at`` as lake tables do.
        names: columns to take.
        contract: which types they have.
        what: what the table is, for faults.

    Raises:
        HeadraceError: when a column is missing or cannot be read as its type.
    """
    fields = contract.columns()
    columns = {}
    for name in names:
        if (found := column_at(table, name)) is None:
            cure = nearest(name, table.column_names)
            raise HeadraceError(Fault("HR-FRAME-001", "", f"{what} without column {name!r}", "it", cure))
        columns[name] = typed_column(found, fields[name].type, f"{what}.{name}")
    seq = None if SEQ not in table.column_names else np.asarray(table.column(SEQ).to_numpy(), dtype=np.int64)
    known = None
    if KNOWN in table.column_names:
        known = from_arrow(table.column(KNOWN), LogicalType("timestamp")).values
    return Frame(table.num_rows, columns, seq, known)


_CONVERSIONS = {
    "int": "df[column].astype('Int64')",
    "float": "df[column].astype('float64')",
    "bool": "df[column].astype('boolean')",
    "str": "df[column].astype('string')",
    "timestamp": "pd.to_datetime(df[column], utc=True)",
    "date": "pd.to_datetime(df[column]).dt.date",
    "decimal": "df[column].map(str).map(decimal.Decimal)",
}
"""How a column of pandas becomes one of a type, for cures."""


def typed_column(array: pa.ChunkedArray, kind: LogicalType, what: str) -> Column:
    """Return an Arrow array as a column of a logical type.

    Raises:
        HeadraceError: when a value does not fit the type, or a time has no zone.
    """
    if kind.name == "timestamp" and pa.types.is_timestamp(array.type) and array.type.tz is None:
        cure = "say which: df[column].dt.tz_localize('UTC')"
        raise HeadraceError(Fault("HR-FRAME-002", "", f"{what} holds times without a zone", "times with a zone", cure))
    try:
        if not array.type.equals(kind.arrow()):
            array = array.cast(kind.arrow())
        return from_arrow(array, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).split("\n")[0].split(":")[0][:100]
        found = f"{what} of type {array.type} ({reason})"
        cure = f"convert it: {_CONVERSIONS.get(kind.name, 'df[column].astype(…)')}"
        raise HeadraceError(Fault("HR-FRAME-003", "", found, f"{kind.bare!r}", cure)) from None


def feature_array(column: Column) -> pa.Array:
    """Return a feature as it leaves Headrace: decimals become float64, all else keeps its type."""
    if column.type.name == "decimal" and column.counts is None:
        floats = column.values.astype(np.float64) / 10.0**column.type.scale
        column = Column(FLOAT, floats, column.valid)
    return to_arrow(column)


def joint_codes(events: Iterable[Column], rows: Iterable[Column]) -> tuple[Ints, Ints, int]:
    """Return dense codes of the keys of events and rows, and how many there are; a null in a key gives code 0.

    Where events and rows have the same keys, their codes are the same array.
    """
    pairs = list(zip(events, rows, strict=True))
    same = all(_same(left, right) for left, right in pairs)
    event_codes = row_codes = np.zeros(0, dtype=np.int64)
    size = 0
    for position, (left, right) in enumerate(pairs):
        left_code, right_code, count = _codes(left, right.part(0, 0) if same else right)
        if position == 0:
            event_codes, row_codes, size = left_code, right_code, count
            continue
        there = (event_codes > 0) & (left_code > 0), (row_codes > 0) & (right_code > 0)
        event_codes = np.where(there[0], event_codes * count + left_code, 0)
        row_codes = np.where(there[1], row_codes * count + right_code, 0)
        event_codes, row_codes, size = _dense(event_codes, row_codes)
    return event_codes, event_codes if same else row_codes, size


def _same(left: Column, right: Column) -> bool:
    if left is right:
        return True
    if len(left) != len(right) or not np.array_equal(left.values, right.values):
        return False
    if left.dictionary is not None and not left.dictionary.equals(right.dictionary):
        return False
    if left.valid is None or right.valid is None:
        return left.valid is right.valid
    return np.array_equal(left.valid, right.valid)


def _codes(left: Column, right: Column) -> tuple[Ints, Ints, int]:
    if left.dictionary is not None or right.dictionary is not None:
        left, right = one_dictionary(left, right)
        assert left.dictionary is not None
        codes, size = (left.values + 1, right.values + 1), len(left.dictionary) + 1
    else:
        both = left.values.astype(np.int64, copy=False), right.values.astype(np.int64, copy=False)
        low = min((int(values.min()) for values in both if len(values)), default=0)
        high = max((int(values.max()) for values in both if len(values)), default=0)
        if high - low < 4 * (len(left) + len(right)) + 1024:
            codes, size = (both[0] - low, both[1] - low), high - low + 2
            for one in codes:
                one += 1  # in place: keys may lie at the ends of int64, and another array costs more than the sum
        else:
            first, second, size = _dense(*both, keep_zero=False)
            codes = (first, second)
    made = [
        one if keys.valid is None else np.where(keys.valid, one, 0)
        for keys, one in zip((left, right), codes, strict=True)
    ]
    return made[0], made[1], size


def _dense(left: Ints, right: Ints, keep_zero: bool = True) -> tuple[Ints, Ints, int]:
    """Replace codes by dense ones from 1; where ``keep_zero``, 0 stays 0."""
    encoded = pa.array(np.concatenate([left, right])).dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64) + 1
    if keep_zero:
        codes = np.where(np.concatenate([left, right]) == 0, 0, codes)
    return codes[: len(left)], codes[len(left) :], len(encoded.dictionary) + 1
