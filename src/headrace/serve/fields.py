"""Requests to rows: one JSON object, every field checked against the contract, all that is wrong told at once."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.clock import to_us
from headrace.contracts.problems import (
    BOUND,
    CALENDAR,
    DIGITS,
    EMPTY,
    LENGTH,
    LOCAL,
    NAIVE,
    NOT_FINITE,
    PATTERN,
    RANGE,
    SET,
    TYPE,
)
from headrace.contracts.rules import broken
from headrace.contracts.years import DAY_US, days, far_text, years
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import Column, dtype_of, to_arrow
from headrace.kernel.texts import coded, texts
from headrace.types import LogicalType

Row = dict[str, Any]
"""A row's fields as the kernel holds them: scaled decimals, microseconds, days; None for null."""

LARGEST = 65_536
"""Bytes of one object; a row of a contract is far smaller."""
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}(:?\d{2})?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_EXACT = 2**53


class _Refused(Exception):
    """A value that is not of its field's type: code, what was found, what was expected."""

    def __init__(self, code: str, found: str, expected: str) -> None:
        self.code, self.found, self.expected = code, found, expected


class _Number(str):
    """A JSON number with a point or exponent, kept as it was written until its field is known."""


class RowReader:
    """Reads JSON objects as rows of a contract.

    Args:
        contract: whose fields are expected.

    Example:
        >>> from headrace.declare import Contract, field
        >>> class Payment(Contract):
        ...     amount: float = field(ge=0)
        >>> RowReader(Payment).read(b'{"amount": 2}')
        {'amount': 2.0}
    """

    def __init__(self, contract: type[Contract]) -> None:
        self.fields = contract.fields()
        self.name = contract.name
        self._ruled = [one for one in self.fields.values() if _has_rules(one)]

    def read(self, body: bytes, place: str = "request") -> Row:
        """Return one row.

        Args:
            body: a JSON object.
            place: where it stands, for faults.

        Raises:
            HeadraceError: HR-REQUEST-001 too large, 002 not JSON, 003 not an object, 004 a field twice, 005 unknown,
                006 missing; HR-DATA-… for values that break the contract. No fault holds a value.
        """
        given = _object(body, place)
        faults = [
            Fault(
                "HR-REQUEST-005", place, f"the unknown field {name[:64]!r}", self._known(), nearest(name, self.fields)
            )
            for name in given
            if name not in self.fields
        ]
        row: Row = {}
        for name, field in self.fields.items():
            try:
                row[name] = _value(field, given.get(name), name in given)
            except _Refused as refused:
                faults.append(Fault(refused.code, place, refused.found, refused.expected, _CURES[refused.code]))
        faults += self._broken(row, place)
        if faults:
            raise HeadraceError(faults)
        return row

    def arrow(self, rows: Sequence[Row]) -> pa.Table:
        """Return rows as a table in the contract's types."""
        columns = {name: array(field.type, [row[name] for row in rows]) for name, field in self.fields.items()}
        return pa.table(columns)

    def _known(self) -> str:
        return f"fields of {self.name}"

    def _broken(self, row: Row, place: str) -> list[Fault]:
        """Bounds, sets, patterns and lengths: the very rules that files are held to."""
        faults = []
        for field in self._ruled:
            if row.get(field.name) is not None:
                one = array(field.type, [row[field.name]])
                faults += [
                    Fault(
                        problem.code, place, f"{field.name} {problem.text}", "the contract kept", _CURES[problem.code]
                    )
                    for problem in broken(field, one, one)
                ]
        return faults


def document(row: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return a row as the JSON object that reads as the very same row."""
    return {name: None if row[name] is None else _written(row[name], field.type) for name, field in fields.items()}


def array(kind: LogicalType, values: Sequence[Any]) -> pa.Array:
    """Return kernel values as an Arrow array of a type."""
    if kind.name == "list":
        assert kind.item is not None
        items = array(kind.item, [item for value in values if value is not None for item in value])
        sizes = [0 if value is None else len(value) for value in values]
        lists = pa.ListArray.from_arrays(pa.array(np.cumsum([0, *sizes]).astype(np.int32)), items)
        return lists if None not in values else pa.array([v if v is not None else None for v in values], kind.arrow())
    return to_arrow(column(kind, values))


def column(kind: LogicalType, values: Sequence[Any]) -> Column:
    """Return kernel values, None for null, as a column."""
    there = np.array([value is not None for value in values], dtype=np.bool_)
    valid = None if there.all() else there
    if kind.name == "str":
        codes, dictionary = coded(texts(values))
        return Column(kind, codes, valid, dictionary)
    plain = [0 if value is None else value for value in values]
    return Column(kind, np.array(plain, dtype=dtype_of(kind)), valid)


def _has_rules(field: Field) -> bool:
    rules = (field.ge, field.gt, field.le, field.lt, field.isin, field.pattern, field.min_length, field.max_length)
    return any(rule is not None for rule in rules)


def _object(body: bytes, place: str) -> dict[str, Any]:
    if len(body) > LARGEST:
        cure = "send less: text in a row of a contract is short"
        raise _refused("HR-REQUEST-001", place, f"{len(body):,} bytes", f"at most {LARGEST:,}", cure)
    try:
        given = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_float=_Number, parse_constant=_no_constant
        )
    except _Twice as twice:
        found, cure = f"the field {twice.args[0][:64]!r} twice", "remove one of them"
        raise _refused("HR-REQUEST-004", place, found, "each field once", cure) from None
    except _Constant as constant:
        found = f"the constant {constant.args[0]}"
        raise _refused("HR-REQUEST-002", place, found, "JSON, which has finite numbers only", "write null") from None
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        cure = "send what a JSON library writes, in UTF-8"
        raise _refused("HR-REQUEST-002", place, f"what is not JSON{where}", "a JSON object", cure) from None
    if not isinstance(given, dict):
        kind = {list: "a list", str: "text", type(None): "null"}.get(type(given), "a single value")
        cure = "send one row as {...}; many events go to /events/STREAM, one object on each line"
        raise _refused("HR-REQUEST-003", place, kind, "a JSON object, one row", cure)
    return given


class _Twice(Exception):
    pass


class _Constant(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


def _no_constant(name: str) -> Any:
    raise _Constant(name)


def _refused(code: str, place: str, found: str, expected: str, cure: str) -> HeadraceError:
    return HeadraceError(Fault(code, place, found, expected, cure))


def _value(field: Field, value: Any, given: bool) -> Any:
    if value is None:
        if field.type.nullable:
            return None
        if not given:
            raise _Refused("HR-REQUEST-006", f"no field {field.name}", f"{field.type!r}")
        raise _Refused(EMPTY, f"{field.name} is null", f"{field.type!r}")
    return _READERS[field.type.name](field, value)


def _wrong(field: Field, said: str) -> _Refused:
    return _Refused(TYPE, f"{field.name} of another JSON type", said)


def _int(field: Field, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(field, "a whole number")
    if not -(2**63) <= value < 2**63:
        raise _Refused(RANGE, f"{field.name} does not fit in 64 bits", "a whole number of 64 bits")
    return value


def _float(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | _Number):
        raise _wrong(field, "a number")
    if isinstance(value, int) and abs(value) > _EXACT:
        raise _Refused(RANGE, f"{field.name} is too large to be exact as a float", "a number with a point or exponent")
    number = float(value)
    if not math.isfinite(number):
        raise _Refused(NOT_FINITE, f"{field.name} is not a finite number", "a number that float64 holds")
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
            raise _Refused(TYPE, f"{field.name} is not valid Unicode", "text without lone surrogates") from None
    return value


def _decimal(field: Field, value: Any) -> int:
    """Numbers and text alike: in JSON, text is the only way to be sure that no digit is lost on the way."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not _DECIMAL.fullmatch(text):
        raise _wrong(field, "a decimal number, best as text such as '12.50'")
    scaled = decimal.Decimal(text).scaleb(field.type.scale, _WIDE)
    if scaled != scaled.to_integral_value() or abs(scaled) >= 10**field.type.precision:
        whole, scale = field.type.precision - field.type.scale, field.type.scale
        expected = f"at most {whole} digits before and {scale} after the point; nothing is rounded"
        raise _Refused(DIGITS, f"{field.name} has too many digits", expected)
    return int(scaled)


_WIDE = decimal.Context(prec=2000)


def _timestamp(field: Field, value: Any) -> int:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _wrong(field, "text such as '2026-01-31T12:00:00Z'")
    found = _MOMENT.fullmatch(value)
    if found is None:
        raise _Refused(TYPE, f"{field.name} is not a timestamp", "ISO 8601, at most microseconds")
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise _Refused(CALENDAR, f"{field.name} is not a time that exists", "a time of the calendar") from None
    if moment.tzinfo is None:
        moment = _in_zone(field, moment)
    us = to_us(moment)
    _check_year(field, us // DAY_US)
    return us


def _in_zone(field: Field, naive: datetime.datetime) -> datetime.datetime:
    if not field.zone:
        expected = "an offset such as Z or +01:00"
        raise _Refused(NAIVE, f"{field.name} has no time zone", expected)
    zone = zoneinfo.ZoneInfo(field.zone)
    early, late = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise _Refused(LOCAL, f"{field.name} is no single moment in {field.zone}", "a time with an offset")
    return early


def _date(field: Field, value: Any) -> int:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise _wrong(field, "text such as '2026-01-31'")
    try:
        day = (datetime.date.fromisoformat(value) - datetime.date(1970, 1, 1)).days
    except ValueError:
        raise _Refused(CALENDAR, f"{field.name} is not a date that exists", "a day of the calendar") from None
    _check_year(field, day)
    return day


def _check_year(field: Field, day: int) -> None:
    low, high = days(field.role)
    if not low <= day <= high:
        first, last = years(field.role)
        raise _Refused(RANGE, f"{field.name} {far_text(field.role)}", f"a time from the year {first} to {last}")


def _list(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(field, "a list")
    assert field.type.item is not None
    item = replace(field, type=field.type.item)
    return [_value(item, one, True) for one in value]


def _written(value: Any, kind: LogicalType) -> Any:
    match kind.name:
        case "decimal":
            return str(decimal.Decimal(value).scaleb(-kind.scale, _WIDE))
        case "timestamp":
            moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=value)
            return moment.isoformat()
        case "date":
            return (datetime.date(1970, 1, 1) + datetime.timedelta(days=value)).isoformat()
        case "list":
            assert kind.item is not None
            return [None if one is None else _written(one, kind.item) for one in value]
    return value


_CURES = {
    "HR-REQUEST-006": "give it; only a field that is declared '| None' may be left out",
    EMPTY: "give a value, or declare the field '| None'",
    TYPE: "write the value as its type is written in JSON",
    NOT_FINITE: "give a finite number, or null where the contract allows it",
    BOUND: "mend the value, or the bound in the contract",
    SET: "give one of the allowed values, or add it to isin= in the contract",
    PATTERN: "mend the value, or pattern= in the contract",
    LENGTH: "mend the value, or its length in the contract",
    NAIVE: 'write the offset, or declare zone="UTC" in the contract if that is what it is',
    CALENDAR: "give the date or time that was meant",
    DIGITS: "round it where it comes from, or widen the type in the contract",
    RANGE: "give a value that the type holds",
    LOCAL: "write the offset: the clocks were changed then",
}
_READERS: dict[str, Callable[[Field, Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "timestamp": _timestamp,
    "date": _date,
    "decimal": _decimal,
    "list": _list,
}
