"""JSON to values: what each type of a contract takes from JSON, the same in files and in requests."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.clock import DAY_US, from_us, to_us
from headrace.contracts.problems import CALENDAR, DIGITS, EMPTY, ITEM, LOCAL, NAIVE, NOT_FINITE, RANGE, TYPE, WRITTEN
from headrace.contracts.text import DAY, MOMENT, OFFSET
from headrace.contracts.years import days, far_text, years
from headrace.declare import Field
from headrace.kernel.column import Column, dtype_of, to_arrow
from headrace.kernel.texts import coded_few
from headrace.types import LogicalType

ABSENT = "HR-REQUEST-006"
_MOMENT, _DAY = re.compile(f"{MOMENT}{OFFSET}?"), re.compile(DAY)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_EXACT = 2**53
_WIDE = decimal.Context(prec=2000, traps=[decimal.Inexact])
"""Rounds nothing: digits beyond it are refused, unless they are zeros."""


class Refused(Exception):
    """A value that is not of its field's type: code, what was found, what was expected.

    ``name`` is the path of the field where it is within another, such as ``address.city``; ``each`` is all of them,
    where several values within one are wrong.
    """

    def __init__(self, code: str, found: str, expected: str, name: str = "") -> None:
        super().__init__(found)
        self.code, self.found, self.expected, self.name = code, found, expected, name
        self.each: tuple[Refused, ...] = (self,)

    @property
    def of_row(self) -> str:
        """The code by which rows in quarantine tell it: to them a field that is not there is one that is empty."""
        return EMPTY if self.code == ABSENT else self.code

    @property
    def said(self) -> str:
        """What is wrong, without the name of the field, as the reasons of rows in quarantine say it."""
        if self.code in (ABSENT, EMPTY):
            return "is empty and may not be"
        said = self.found.removeprefix(f"{self.name} ")
        return f"is {said}" if self.code == TYPE and said.startswith("of ") else said


def _several(refused: Sequence[Refused]) -> Refused:
    """What is wrong with a value in which several are."""
    first = refused[0]
    whole = Refused(first.code, first.found, first.expected, first.name)
    whole.each = tuple(refused)
    return whole


class Twice(Exception):
    """An object has a field twice; the first argument is its name."""


class NoConstant(Exception):
    """NaN or an infinity, which JSON does not have; the first argument is the word."""


class _Number(str):
    """A JSON number with a point or exponent, kept as it was written until its field is known."""


def parsed(text: str) -> Any:
    """Return what a JSON document holds; numbers with a point or exponent as they are written.

    Raises:
        Twice, NoConstant: for what JSON allows or does not, and nobody can be sure of.
        ValueError, RecursionError: for what is not JSON, or nested too deeply.
    """
    return _DECODER.decode(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Twice(next(name for name in names if names.count(name) > 1))
    return found


def _no_constant(name: str) -> Any:
    raise NoConstant(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_Number, parse_constant=_no_constant)
"""Made once: to make it takes as long as to read a row."""


def value_of(field: Field, value: Any, given: bool) -> Any:
    """Return a JSON value as the kernel holds it: scaled decimals, microseconds, days; None for null.

    Args:
        field: what it is to be.
        value: as ``parsed``.
        given: whether the field was there at all.

    Raises:
        Refused: when it is not of the field's type.
    """
    if value is None:
        if field.type.nullable:
            return None
        if not given:
            raise Refused(ABSENT, f"no field {field.name}", f"{field.type!r}")
        raise Refused(EMPTY, f"{field.name} is null", f"{field.type!r}")
    return _READERS[field.type.name](field, value)


def parsed_value(field: Field, text: str) -> Any:
    """Return the value that a text of JSON is, as ``value_of`` does: what a cell holds that is a list or an object.

    Raises:
        Refused: when it is no JSON, or not of the field's type.
    """
    try:
        value = parsed(text)
    except (Twice, NoConstant, ValueError, RecursionError):
        said = "an object" if field.type.name == "struct" else "a list"
        found = f"{field.name} is no JSON of {said}"
        raise Refused(WRITTEN, found, f"JSON of {said}, each field once", field.name) from None
    try:
        return value_of(field, value, True)
    except Refused as refused:
        refused.name = refused.name or field.name
        raise


def _wrong(field: Field, said: str) -> Refused:
    return Refused(TYPE, f"{field.name} of another JSON type", said)


def _int(field: Field, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(field, "a whole number")
    if not -(2**63) <= value < 2**63:
        raise Refused(RANGE, f"{field.name} does not fit in 64 bits", "a whole number of 64 bits")
    return value


def _float(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | _Number):
        raise _wrong(field, "a number")
    if isinstance(value, int) and abs(value) > _EXACT:
        raise Refused(RANGE, f"{field.name} is too large to be exact as a float", "a number with a point or exponent")
    number = float(value)
    if not math.isfinite(number):
        raise Refused(NOT_FINITE, f"{field.name} is not a finite number", "a number that float64 holds")
    return number


def _bool(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, "true or false")
    return value


def _str(field: Field, value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _wrong(field, "text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused(TYPE, f"{field.name} is not valid Unicode", "text without lone surrogates") from None
    return value


def _decimal(field: Field, value: Any) -> int:
    """Numbers and text alike: in JSON, text is the only way to be sure that no digit is lost on the way."""
    text = str(value)
    said = "a decimal number, best as text such as '12.50'"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(field, said)
    if not _DECIMAL.fullmatch(text):
        raise Refused(TYPE, f"{field.name} is not a decimal number", said)
    try:
        scaled: decimal.Decimal | None = decimal.Decimal(text).scaleb(field.type.scale, _WIDE)
    except decimal.Inexact:
        scaled = None
    if scaled is None or scaled != scaled.to_integral_value() or abs(scaled) >= 10**field.type.precision:
        whole, scale = field.type.precision - field.type.scale, field.type.scale
        expected = f"at most {whole} digits before and {scale} after the point; nothing is rounded"
        raise Refused(DIGITS, f"{field.name} has too many digits", expected)
    return int(scaled)


def _timestamp(field: Field, value: Any) -> int:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _wrong(field, "text such as '2026-01-31T12:00:00Z'")
    found = _MOMENT.fullmatch(value)
    if found is None:
        raise Refused(TYPE, f"{field.name} is not a timestamp", "ISO 8601, at most microseconds")
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise Refused(CALENDAR, f"{field.name} is not a time that exists", "a time of the calendar") from None
    if moment.tzinfo is None:
        moment = _in_zone(field, moment)
    us = to_us(moment)
    _check_year(field, us // DAY_US)
    return us


def _in_zone(field: Field, naive: datetime.datetime) -> datetime.datetime:
    if not field.zone:
        expected = "an offset such as Z or +01:00"
        raise Refused(NAIVE, f"{field.name} has no time zone", expected)
    zone = zoneinfo.ZoneInfo(field.zone)
    early, late = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise Refused(LOCAL, f"{field.name} is no single moment in {field.zone}", "a time with an offset")
    return early


def _date(field: Field, value: Any) -> int:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise _wrong(field, "text such as '2026-01-31'")
    try:
        day = (datetime.date.fromisoformat(value) - datetime.date(1970, 1, 1)).days
    except ValueError:
        raise Refused(CALENDAR, f"{field.name} is not a date that exists", "a day of the calendar") from None
    _check_year(field, day)
    return day


def _check_year(field: Field, day: int) -> None:
    low, high = days(field.role)
    if not low <= day <= high:
        first, last = years(field.role)
        raise Refused(RANGE, f"{field.name} {far_text(field.role)}", f"a time from the year {first} to {last}")


def _list(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(field, "a list")
    item, found, refused = field.item, list[Any](), list[Refused]()
    for one in value:
        if one is None and not item.type.nullable:
            refused.append(Refused(ITEM, f"{field.name} has an item that is null", f"{item.type!r}", field.name))
            continue
        _read(item, one, True, found, refused)
    if refused:
        raise _several(list({(one.name, one.found): one for one in refused}.values()))
    return found


def _struct(field: Field, value: Any) -> dict[str, Any]:
    """Fields that a contract does not name are left out, as those of a row are."""
    if not isinstance(value, dict):
        raise _wrong(field, "an object")
    found, refused = list[Any](), list[Refused]()
    for part, one in zip(field.parts, field.inner, strict=True):
        _read(part, value.get(one.name), one.name in value, found, refused)
    if refused:
        raise _several(refused)
    return {one.name: held for one, held in zip(field.inner, found, strict=True)}


def _read(field: Field, value: Any, given: bool, found: list[Any], refused: list[Refused]) -> None:
    try:
        found.append(value_of(field, value, given))
    except Refused as one:
        one.name = one.name or field.name
        refused += one.each


def array(kind: LogicalType, values: Sequence[Any]) -> pa.Array:
    """Return kernel values as an Arrow array of a type."""
    if not kind.nested:
        return to_arrow(column(kind, values))
    none = [value is None for value in values]
    mask = pa.array(none) if any(none) else None
    if kind.item is not None:
        items = array(kind.item, [item for value in values if value is not None for item in value])
        sizes = [0 if value is None else len(value) for value in values]
        offsets = pa.array(np.cumsum([0, *sizes]).astype(np.int32))
        return pa.ListArray.from_arrays(offsets, items, type=kind.arrow(), mask=mask)
    parts = [array(one, [None if value is None else value[name] for value in values]) for name, one in kind.fields]
    return pa.StructArray.from_arrays(parts, fields=list(kind.arrow()), mask=mask)


def column(kind: LogicalType, values: Sequence[Any]) -> Column:
    """Return kernel values, None for null, as a column."""
    valid = np.array([value is not None for value in values], dtype=np.bool_) if None in values else None
    if kind.name == "str":
        codes, dictionary = coded_few(values)
        return Column(kind, codes, valid, dictionary)
    plain = values if valid is None else [0 if value is None else value for value in values]
    return Column(kind, np.array(plain, dtype=dtype_of(kind)), valid)


def written(value: Any, kind: LogicalType) -> Any:
    """Return a value of the kernel as the JSON that reads as the same value."""
    match kind.name:
        case "decimal":
            if not kind.scale:
                return str(value)
            digits = f"{abs(value):0{kind.scale + 1}}"
            return f"{'-' if value < 0 else ''}{digits[: -kind.scale]}.{digits[-kind.scale :]}"
        case "timestamp":
            return from_us(value).isoformat()
        case "date":
            return (datetime.date(1970, 1, 1) + datetime.timedelta(days=value)).isoformat()
        case "list":
            assert kind.item is not None
            return [None if one is None else written(one, kind.item) for one in value]
        case "struct":
            return {name: None if value[name] is None else written(value[name], one) for name, one in kind.fields}
    return value


def read_back(kind: LogicalType) -> Callable[[Any], Any] | None:
    """Return what makes a value of the kernel of what ``written`` wrote and was parsed; None where it is the same.

    Example:
        >>> from headrace.types import Decimal
        >>> read_back(Decimal(12, 2))("1.50")
        150
    """
    match kind.name:
        case "float":
            return float
        case "decimal":
            return lambda text: int(text.replace(".", ""))
        case "timestamp":
            return lambda text: to_us(datetime.datetime.fromisoformat(text))
        case "date":
            return lambda text: (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days
        case "list":
            assert kind.item is not None
            if (of := read_back(kind.item)) is None:
                return None
            return lambda items: [None if one is None else of(one) for one in items]
        case "struct":
            inner = {name: read_back(one) for name, one in kind.fields}
            return lambda values: {
                name: values[name] if of is None or values[name] is None else of(values[name])
                for name, of in inner.items()
            }
    return None


_READERS: dict[str, Callable[[Field, Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "timestamp": _timestamp,
    "date": _date,
    "decimal": _decimal,
    "list": _list,
    "struct": _struct,
}
