"""Columns as received, of text or of any Arrow type, to the contract's types; and whether they are there at all."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.alike import is_ascii
from headrace.contracts.names import table_name
from headrace.contracts.nested import read_list, read_struct, read_written
from headrace.contracts.problems import (
    CALENDAR,
    DIGITS,
    LOCAL,
    NOT_FINITE,
    RANGE,
    TYPE,
    Problem,
    Rows,
    blank,
    where,
)
from headrace.contracts.text import Read, digits_text, in_zone, local_text, read_text, safe_cast
from headrace.contracts.years import near
from headrace.declare import Contract, Field
from headrace.declare.fields import is_column
from headrace.errors import Fault, HeadraceError
from headrace.types import MOST_DIGITS, LogicalType

UNKNOWN = "HR-DATA-102"
"""The warning about columns that a contract does not know."""
_NO_ROWS = np.empty(0, np.int64)
_EXACT = 2**53
"""Up to here every whole number is a float of its own."""


class Unfit(HeadraceError):
    """Columns as received that are not those of a contract; ``columns`` says of which each fault is."""

    def __init__(self, columns: Iterable[tuple[str, Fault]]) -> None:
        self.columns = tuple(columns)
        super().__init__(fault for _, fault in self.columns)


def check_columns(contract: type[Contract], schema: pa.Schema, source: str) -> list[Fault]:
    """Return a warning about columns that the contract does not know, and refuse a file that lacks what it promises.

    Args:
        contract: what is expected; where the source has other names than the fields, its ``outside``.
        schema: columns as received; in text files every one is a string.
        source: name of the file, for the place of faults.

    Raises:
        Unfit: HR-DATA-101 a column is missing, 103 has a type that cannot be read as the field's, 104 holds
            times without zone, 105 is there twice.
    """
    fields, faults = contract.fields(), list[tuple[str, Fault]]()
    for name in fields:
        meant = contract.field_of(name)
        if schema.names.count(name) > 1:
            cure = "rename or remove one of them: which is meant cannot be known"
            found = f"the column {_shown(contract, name)} twice"
            faults.append((meant, Fault("HR-DATA-105", source, found, "each column once", cure)))
        elif name not in schema.names:
            if fields[name].may_lack:
                continue
            faults.append((meant, _missing(contract, name, schema, source)))
        else:
            column = _shown(contract, name)
            faults += [(meant, one) for one in _unreadable(fields[name], schema.field(name).type, source, column)]
    if faults:
        raise Unfit(faults)
    more = [name for name in schema.names if name not in fields and not name.startswith("#")]
    return [_ignored(more, contract, source)] if more else []


def _shown(contract: type[Contract], column: str) -> str:
    """A column, and the field that it becomes where that is called otherwise."""
    field = contract.field_of(column)
    return column if field == column else f"{column!r} for {field}"


def read_column(field: Field, raw: pa.Array) -> Read:
    """Return a column in a field's type, null where a value cannot be read as it, and the problems of those."""
    if pat.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pat.is_null(raw.type):
        return pa.nulls(len(raw), field.type.arrow()), []
    values, problems = _of_text(field, raw) if is_text(raw.type) else _READERS[field.type.name](field, raw)
    if field.type.name not in ("timestamp", "date"):
        return values, problems
    values, far = near(field, values)
    return values, problems + far


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are text."""
    return bool(pat.is_string(kind) or pat.is_large_string(kind) or pat.is_string_view(kind))


def _of_text(field: Field, raw: pa.Array) -> Read:
    text, broken = _utf8(raw)
    values, problems = read_written(field, text) if field.type.nested else read_text(field, text)
    return values, _problems((TYPE, field.name, "is not valid UTF-8", broken, False)) + problems


def _utf8(raw: pa.Array) -> tuple[pa.Array, Rows]:
    """Parquet does not promise that its strings are UTF-8, and nothing behind this line expects anything else."""
    if is_ascii(raw):
        return raw, _NO_ROWS
    return safe_cast(pc.cast(raw, pa.binary()), pa.string())


def _missing(contract: type[Contract], name: str, schema: pa.Schema, source: str) -> Fault:
    unknown = [column for column in schema.names if column not in contract.fields()]
    close = difflib.get_close_matches(name, unknown, n=1)
    field, alike = contract.field_of(name), _alike(name, unknown)
    if alike or (close and field != name):
        cure = f"write columns={{{field!r}: {alike or close[0]!r}}} in the declaration of what is read"
    elif close:
        cure = f"rename the column {close[0]} to {name}"
    else:
        cure = "add the column, or take the field out of the contract"
    if contract.fields()[name].type.nullable:
        cure += f"; or write {field}: … = None in it, where files may lack it"
    if len(schema.names) == 1 and any(mark in schema.names[0] for mark in ";\t|"):
        cure = "separate the fields by commas"
    found = f"no column {_shown(contract, name)}"
    return Fault("HR-DATA-101", source, found, f"every field of {contract.name}", cure)


def _alike(name: str, columns: Iterable[str]) -> str:
    """The column that is called the same but for blanks, marks and capitals: ``Customer ID`` of ``customer_id``."""
    letters = _letters(name)
    return next((one for one in columns if letters and _letters(one) == letters), "")


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _ignored(names: Sequence[str], contract: type[Contract], source: str) -> Fault:
    one = len(names) == 1
    found = f"the column{'' if one else 's'} {', '.join(names)}"
    cure = f"nothing, {'it is' if one else 'they are'} ignored"
    read_from = {contract.field_of(column): column for column in contract.fields()}
    taken = [f"{name} is read from {read_from[name]!r}" for name in names if name in read_from]
    odd = {table_name(name) or "a field for it": name for name in names if not is_column(name)}
    if taken:
        cure += f": {'; '.join(taken)}"
    elif odd:
        cure += f"; or declare {'it' if one else 'them'} in the contract, and say columns={odd!r}"
    else:
        cure += f"; or declare {names[0] if one else 'them'} in the contract"
    return Fault(UNKNOWN, source, found, f"the fields of {contract.name}", cure, "warning")


def readable(field: Field, kind: pa.DataType) -> bool:
    """Return whether a type can be read as a field's, tried on no rows."""
    return _readable(field.type, field.zone, field.inner, kind)


@functools.lru_cache(1024)
def _readable(logical: LogicalType, zone: str, inner: tuple[Field, ...], kind: pa.DataType) -> bool:
    try:
        read_column(Field(type=logical, zone=zone, inner=inner), pa.array([], kind))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, KeyError):
        return False
    return True


def _unreadable(field: Field, kind: pa.DataType, source: str, column: str) -> list[Fault]:
    """What a type cannot become is the file's fault, not a row's."""
    if pat.is_timestamp(kind) and kind.tz is None and field.type.name == "timestamp" and not field.zone:
        helper = f"hr.{field.role}" if field.role else "hr.field"
        found, cure = f"times without zone in {column}", f'{helper}(zone="UTC") in the contract, if they are UTC'
        return [Fault("HR-DATA-104", source, found, "times with a zone", cure)]
    if not readable(field, kind):
        found, cure = f"{kind} in {column}", "declare the type that it has there, or give the column this one"
        return [Fault("HR-DATA-103", source, found, f"{field.type!r}, or what can be read as it", cure)]
    return []


def _problems(*found: tuple[str, str, str, Rows, bool]) -> list[Problem]:
    return [Problem(code, name, text, rows, shown) for code, name, text, rows, shown in found if len(rows)]


def _refuse(kind: pa.DataType) -> Read:
    raise pa.ArrowNotImplementedError(f"no safe way from {kind}")


def _exactly(field: Field, raw: pa.Array, code: str, text: str) -> Read:
    values, bad = safe_cast(raw, field.type.arrow())
    return values, _problems((code, field.name, text, bad, True))


def _finite(field: Field, raw: pa.Array) -> Read:
    """Return a float column with null for NaN and infinities."""
    if pat.is_float16(raw.type):
        raw = pc.cast(raw, pa.float32())
    bad = where(pc.invert(pc.is_finite(raw)))
    return blank(raw, bad), _problems((NOT_FINITE, field.name, "is not a finite number", bad, True))


def _int(field: Field, raw: pa.Array) -> Read:
    if pat.is_integer(raw.type) or pat.is_decimal(raw.type):
        return _exactly(field, raw, RANGE, "is not a whole number of 64 bits")
    if not pat.is_floating(raw.type):
        return _refuse(raw.type)
    finite, problems = _finite(field, raw)
    large = where(pc.greater(pc.abs(finite), float(_EXACT)))
    values, more = _exactly(field, blank(finite, large), TYPE, "is not an int")
    return values, problems + more + _problems((RANGE, field.name, "is too large to be exact as a float", large, True))


def _float(field: Field, raw: pa.Array) -> Read:
    if pat.is_floating(raw.type):
        finite, problems = _finite(field, raw)
        return pc.cast(finite, pa.float64()), problems
    if pat.is_integer(raw.type):
        return _exactly(field, raw, RANGE, "is too large to be exact as a float")
    return _refuse(raw.type)


def _bool(field: Field, raw: pa.Array) -> Read:
    if pat.is_boolean(raw.type):
        return raw, []
    if not pat.is_integer(raw.type):
        return _refuse(raw.type)
    bad = where(pc.and_(raw.is_valid(), pc.invert(pc.is_in(raw, pa.array([0, 1], raw.type)))))
    return pc.cast(blank(raw, bad), pa.bool_()), _problems((TYPE, field.name, "is not a bool", bad, True))


def _timestamp(field: Field, raw: pa.Array) -> Read:
    if not pat.is_timestamp(raw.type):
        return _refuse(raw.type)
    text = "is finer than a microsecond or out of range"
    if raw.type.tz is not None:
        return _exactly(field, raw, CALENDAR, text)
    if not field.zone:
        return _refuse(raw.type)
    clock, finer = safe_cast(raw, pa.timestamp("us"))
    moments, changed = in_zone(field, clock)
    return moments, _problems(
        (CALENDAR, field.name, text, finer, True), (LOCAL, field.name, local_text(field), changed, True)
    )


def _date(field: Field, raw: pa.Array) -> Read:
    if not pat.is_date(raw.type):
        return _refuse(raw.type)
    return _exactly(field, raw, CALENDAR, "is not a date")


def _decimal(field: Field, raw: pa.Array) -> Read:
    if pat.is_floating(raw.type):
        return _decimal_of_float(field, raw)
    if not (pat.is_decimal(raw.type) or pat.is_integer(raw.type)):
        return _refuse(raw.type)
    if pat.is_integer(raw.type):
        raw = pc.cast(raw, pa.decimal128(20, 0))
    return _exactly(field, raw, DIGITS, digits_text(field.type))


def _decimal_of_float(field: Field, raw: pa.Array) -> Read:
    """A float is taken for the decimal number that it prints as: n / 10**scale is that float, for one n only."""
    finite, problems = _finite(field, raw)
    # A float32 prints as fewer digits than the float64 of the same value: 57.16 must not become 57.15999984741211.
    kind = np.float32 if pat.is_float32(finite.type) else np.float64
    numbers = finite.fill_null(0).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        scaled = np.rint(numbers.astype(np.float64) * 10.0**field.type.scale)
    limit = min(10**field.type.precision - 1, _EXACT if kind is np.float64 else 2**24)
    fits = (np.abs(scaled) <= limit) & ((scaled / 10.0**field.type.scale).astype(kind) == numbers)
    units = np.where(fits, scaled, 0).astype(np.int64)
    bad = np.flatnonzero(~fits).astype(np.int64)
    values = blank(_decimals(units, field.type.arrow(), finite), bad)
    return values, problems + _problems((DIGITS, field.name, digits_text(field.type), bad, True))


def _decimals(units: np.ndarray[tuple[int], np.dtype[np.int64]], kind: pa.DataType, like: pa.Array) -> pa.Array:
    """Return scaled integers as decimals (two's complement, low half first), null where another column is."""
    halves = np.empty((len(units), 2), np.int64)
    halves[:, 0], halves[:, 1] = units, units >> 63
    values = pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(halves)])
    return values if like.null_count == 0 else pc.if_else(pc.is_valid(like), values, pa.scalar(None, kind))


def _string(_field: Field, raw: pa.Array) -> Read:
    """Of numbers only those for which no type has room, as their digits."""
    if pat.is_uint64(raw.type) or (pat.is_decimal(raw.type) and raw.type.precision > MOST_DIGITS):
        return pc.cast(raw, pa.string()), []
    return _refuse(raw.type)


def _list(field: Field, raw: pa.Array) -> Read:
    return read_list(field, raw, read_column)


def _struct(field: Field, raw: pa.Array) -> Read:
    return read_struct(field, raw, read_column)


_READERS: dict[str, Callable[[Field, pa.Array], Read]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _string,
    "timestamp": _timestamp,
    "date": _date,
    "decimal": _decimal,
    "list": _list,
    "struct": _struct,
}
