"""Cursors: by what value of a row an origin is read on from, as one kind of value in a column of Arrow."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from headrace.clock import from_us
from headrace.contracts.json import Refused, value_of
from headrace.contracts.text import MOMENT, OFFSET
from headrace.contracts.written import Literal
from headrace.declare import Field

_MOMENT = re.compile(f"{MOMENT}{OFFSET}")
_NUMBERS = pa.decimal128(38, 9)
_FAR = 2**63
_DIGITS = decimal.Context(prec=38, rounding=decimal.ROUND_FLOOR)
"""Downwards: what is read from there on has the value itself."""
_EPOCH = datetime.date(1970, 1, 1)


_KINDS = {
    "timestamp": ("moment", "local"),
    "date": ("day", "moment", "local"),
    "int": ("number",),
    "float": ("number",),
    "decimal": ("number",),
    "str": ("text", "moment", "local", "day"),
}
"""What a cursor may be by the type of its field: times as the driver gives them, if it has them as times."""
_ALL = ("number", "moment", "local", "day", "text")


class Cursors:
    """The values of a cursor, of the kind that its field has; one of another kind, or that is not there, is null.

    What a field leaves open (times of Python with a zone or without, a cursor that is no field of the contract) the
    last value of an earlier run decides, or the first value.

    Args:
        field: of the contract that is the cursor, if one is.
        since: the last value of an earlier run.
        kind: as which the origin orders its values, where it does: ``moment``, ``number`` or ``text``.
    """

    def __init__(self, field: Field | None, since: Any = None, kind: str | None = None) -> None:
        self._field, self._kind = field, kind
        self._since: Any = None
        self._may_be = (kind,) if kind else _ALL if field is None else _KINDS.get(field.type.name, _ALL)
        if field is not None and field.type.name == "timestamp" and not field.zone:
            self._may_be = ("moment",)  # the contract takes no other
        exact = field is not None and field.type.name in ("float", "decimal")
        self._type: pa.DataType | None = _NUMBERS if exact or isinstance(since, decimal.Decimal) else None
        if len(self._may_be) == 1:
            self._kind = self._may_be[0]
        if since is not None:
            self._since = self.value(since)

    def value(self, given: Any) -> Any:
        """Return a value as an int, Decimal, datetime, date or text; None where it is no cursor."""
        known = given if self._is_text(given) else self._known(given)
        kind = _kind_of(known)
        if self._kind is None and kind in self._may_be:
            self._kind = kind
        return known if kind == self._kind else None

    def is_past(self, value: Any) -> bool:
        """Return whether a row was read by an earlier run; one without a cursor never was, for all that is known."""
        return value is not None and self._since is not None and bool(value < self._since)

    def array(self, values: Sequence[Any]) -> pa.Array:
        """Return values as a column: int64, decimal, timestamp in microseconds, date or text."""
        if self._kind == "number" and self._type != _NUMBERS:
            whole = all(one is None or (isinstance(one, int) and -_FAR <= one < _FAR) for one in values)
            self._type = pa.int64() if whole else _NUMBERS
        if self._kind == "number" and self._type == _NUMBERS:
            values = [None if one is None else _nine(one) for one in values]
            return pa.array(values, _NUMBERS)
        return pa.array(values, pa.int64() if self._kind == "number" else _TYPES.get(self._kind or "", pa.string()))

    def _is_text(self, given: Any) -> bool:
        return self._kind == "text" and isinstance(given, str) and not isinstance(given, Literal)

    def _known(self, given: Any) -> Any:
        if self._field is not None and isinstance(given, str) and not isinstance(given, Literal):
            return _of_field(self._field, given)
        match given:
            case None | bool():
                return None
            case Literal():
                return _of_digits(given)
            case str() | int():
                return _moment(given) if isinstance(given, str) else given
            case float():
                return int(given) if given.is_integer() else _number(repr(float(given)))
            case decimal.Decimal():
                return given if given.is_finite() else None
            case datetime.datetime():
                return None if given.isoformat() == "NaT" else given
            case datetime.date():
                return given
        return None


_TYPES = {
    "moment": pa.timestamp("us", tz="UTC"),
    "local": pa.timestamp("us"),
    "day": pa.date32(),
    "text": pa.string(),
}


def _kind_of(value: Any) -> str | None:
    match value:
        case None:
            return None
        case datetime.datetime():
            return "local" if value.tzinfo is None else "moment"
        case datetime.date():
            return "day"
        case str():
            return "text"
    return "number"


def _of_field(field: Field, text: str) -> Any:
    """Return a text as its field reads it, so that a time is compared as a time."""
    try:
        value = value_of(field, text, True)
    except Refused:
        return None
    match field.type.name:
        case "timestamp":
            return from_us(value)
        case "date":
            return _EPOCH + datetime.timedelta(days=value)
        case "decimal":
            return decimal.Decimal(value).scaleb(-field.type.scale)
    return value


def _of_digits(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() and len(text) < 30 else _number(text)


def _number(text: str) -> decimal.Decimal | None:
    try:
        found = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None
    return found if found.is_finite() else None


def _moment(text: str) -> Any:
    if not _MOMENT.fullmatch(text):
        return text
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return text


def _nine(value: Any) -> decimal.Decimal | None:
    try:
        return decimal.Decimal(value).quantize(decimal.Decimal("1e-9"), context=_DIGITS)
    except decimal.InvalidOperation:  # beyond 38 digits
        return None


def field_of(path: str, fields: Iterable[Field]) -> Field | None:
    """Return the field that a cursor is, by its name or as ``outer.inner``.

    Example:
        >>> field_of("meta.at", [Field(name="meta_at")]).name
        'meta_at'
    """
    return next((one for one in fields if one.name in (path, path.replace(".", "_"))), None)
