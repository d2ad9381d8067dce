"""The types of columns, and durations: what a contract can say about a value, whatever engine holds it."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import numbers
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace.clock import to_us

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS_US = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_DURATION = re.compile(r"\s*(-?\d+)\s*([a-zA-Z]*)\s*")
LONGEST_US = 36_600 * _UNITS_US["d"]
"""No window, delay or hop is longer than this (about a century): edges stay far inside int64."""
_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_LARGEST = 308
"""Powers of ten that float64 can hold, whatever the digits."""


@dataclass(frozen=True)
class LogicalType:
    """The type of a column: int, float, bool, str, timestamp, date, decimal, list or struct.

    ``decimal`` has ``precision`` digits of which ``scale`` stand behind the point (at most 18); ``list`` has an
    ``item`` type; ``struct`` has ``fields``, each a name and a type. ``| None`` makes a type nullable.

    Example:
        >>> Decimal(12, 2) | None
        decimal(12,2) | None
    """

    name: str
    precision: int = 0
    scale: int = 0
    item: LogicalType | None = None
    nullable: bool = False
    fields: tuple[tuple[str, LogicalType], ...] = ()

    def __or__(self, other: object) -> LogicalType:
        if other is None or other is type(None):
            return replace(self, nullable=True)
        return NotImplemented

    __ror__ = __or__

    @property
    def bare(self) -> LogicalType:
        """The same type, not nullable."""
        return replace(self, nullable=False)

    @property
    def numeric(self) -> bool:
        return self.name in ("int", "float", "decimal")

    @property
    def nested(self) -> bool:
        """Whether a value of it holds others: a list or a struct."""
        return self.name in ("list", "struct")

    def __repr__(self) -> str:
        name = self.name
        if name == "decimal":
            name = f"decimal({self.precision},{self.scale})"
        elif name == "list":
            name = f"list[{self.item!r}]"
        elif name == "struct":
            name = f"struct[{', '.join(f'{inner}: {kind!r}' for inner, kind in self.fields)}]"
        return f"{name} | None" if self.nullable else name

    def arrow(self) -> pa.DataType:
        """Return the Arrow type that holds this type in the lake (timestamps are ``timestamp[us, UTC]``)."""
        import pyarrow as pa

        if self.name == "decimal":
            return pa.decimal128(self.precision, self.scale)
        if self.name == "list":
            assert self.item is not None
            return pa.list_(self.item.arrow())
        if self.name == "struct":
            return pa.struct([(inner, kind.arrow()) for inner, kind in self.fields])
        plain: dict[str, pa.DataType] = {
            "int": pa.int64(),
            "float": pa.float64(),
            "bool": pa.bool_(),
            "str": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "date": pa.date32(),
        }
        return plain[self.name]


INT, FLOAT, BOOL, STR = (LogicalType(name) for name in ("int", "float", "bool", "str"))
Timestamp = LogicalType("timestamp")
"""A moment: UTC, int64 microseconds."""
Date = LogicalType("date")
"""A calendar day, without a zone."""


MOST_DIGITS = 18
"""Of a decimal: with them each value is a whole number of 64 bits."""


def Decimal(precision: int, scale: int) -> LogicalType:  # noqa: N802 - reads as a type in a contract
    """Return an exact decimal type of at most 18 digits, held as a scaled int64 by the kernel.

    Raises:
        ValueError: unless 1 <= precision <= 18 and 0 <= scale <= precision.

    Example:
        >>> Decimal(12, 2)
        decimal(12,2)
    """
    whole = isinstance(precision, int) and isinstance(scale, int)
    if not (whole and 1 <= precision <= MOST_DIGITS and 0 <= scale <= precision):
        raise ValueError(f"Decimal({precision!r}, {scale!r}): precision is 1 to 18 and scale 0 to precision")
    return LogicalType("decimal", precision, scale)


@dataclass(frozen=True)
class Domain:
    """What is known of a value before any row is read: its type, and the closed interval that contains it.

    Args:
        type: logical type of the value.
        low, high: bounds, None where there is none; of a decimal in units of its last digit.
    """

    type: LogicalType
    low: float | int | None = None
    high: float | int | None = None

    @property
    def magnitude(self) -> float | int | None:
        """Largest absolute value, None where it is not bounded."""
        if self.low is None or self.high is None:
            return None
        return max(abs(self.low), abs(self.high))


def arrow_schema(columns: Mapping[str, LogicalType]) -> pa.Schema:
    """Return the Arrow schema of columns in the lake."""
    import pyarrow as pa

    return pa.schema([(name, kind.arrow()) for name, kind in columns.items()])


def list_of(item: LogicalType) -> LogicalType:
    """Return the type of a list of items."""
    return LogicalType("list", item=item)


_PYTHON = {
    int: INT,
    float: FLOAT,
    bool: BOOL,
    str: STR,
    datetime.datetime: Timestamp,
    datetime.date: Date,
}


def parse_annotation(annotation: object) -> LogicalType:
    """Return the logical type that an annotation of a contract means.

    Args:
        annotation: ``int``, ``float``, ``bool``, ``str``, ``datetime``, ``date``, a ``LogicalType``, a contract, an
            ``Enum`` or ``Literal`` of texts or whole numbers, ``list[...]``, or one of these ``| None``.

    Raises:
        TypeError: for any other annotation.

    Example:
        >>> parse_annotation(int | None)
        int | None
    """
    if isinstance(annotation, LogicalType):
        return annotation
    if isinstance(annotation, type) and annotation in _PYTHON:
        return _PYTHON[annotation]
    if isinstance(row := getattr(annotation, "row_type", None), LogicalType):
        return row
    if (members := members_of(annotation)) is not None and typing.get_origin(annotation) in (None, typing.Literal):
        return _of_members(annotation, members)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list and len(arguments) == 1:
        return list_of(parse_annotation(arguments[0]))
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in arguments if a is not type(None)]
        if len(rest) == 1 and len(arguments) == 2:
            return parse_annotation(rest[0]) | None
    raise TypeError(f"{annotation!r} is not a type that a contract knows")


def members_of(annotation: object) -> tuple[Any, ...] | None:
    """Return the only values that an annotation allows, or that it allows as items of a list; None where it names none.

    Args:
        annotation: an ``Enum``, a ``Literal``, ``list[...]`` of one, or one of these ``| None``.

    Example:
        >>> import enum
        >>> members_of(enum.StrEnum("State", ["NEW", "PAID"]) | None), members_of(typing.Literal[1, 2]), members_of(int)
        (('new', 'paid'), (1, 2), None)
    """
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(member.value for member in annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return tuple(plain_member(one) for one in arguments if one is not None)
    if origin in (list, typing.Union, types.UnionType):
        found = [members for one in arguments if (members := members_of(one)) is not None]
        return found[0] if len(found) == 1 else None
    return None


def plain_member(value: Any) -> Any:
    """Return the value of a member of an ``Enum``, any other value as it is."""
    return value.value if isinstance(value, enum.Enum) else value


def _of_members(annotation: object, members: tuple[Any, ...]) -> LogicalType:
    kinds = {type(one) for one in members}
    if kinds not in ({str}, {int}) or (isinstance(annotation, type) and issubclass(annotation, enum.Flag)):
        raise TypeError(f"{annotation!r} is no set of texts, and none of whole numbers")
    kind = STR if kinds == {str} else INT
    return kind | None if None in typing.get_args(annotation) else kind


def value_as(value: Any, kind: LogicalType) -> Any:
    """Return a value that a declaration names, such as a bound, as Python holds values of a type.

    A number need not be one that the type can hold: a bound of 0.5 bounds whole numbers, too, and is a ``Decimal``.
    Times and days may be written as text (ISO 8601), times with their offset.

    Raises:
        ValueError: when it is no value of that kind, or no finite one.

    Example:
        >>> value_as(0.5, Decimal(12, 2)), value_as("2026-01-31", Date)
        (Decimal('0.5'), datetime.date(2026, 1, 31))
    """
    try:
        return _HELD[kind.name](value)
    except (KeyError, TypeError, ArithmeticError, ValueError):
        raise ValueError(f"{value!r} is no value of type {kind.bare!r}") from None


def closed_units(bounds: Mapping[str, Any], kind: LogicalType) -> tuple[int | None, int | None]:
    """Return the least and the largest value that bounds of an int or decimal allow, in units of its last digit.

    Args:
        bounds: ``ge``, ``gt``, ``le``, ``lt``, as far as they are given; what is counted has a next value behind each.
        kind: of the values.

    Example:
        >>> closed_units({"gt": -1, "lt": 10.5}, INT), closed_units({"ge": "0.005"}, Decimal(8, 2))
        ((0, 10), (1, None))
    """
    units = {name: decimal.Decimal(value_as(value, kind)).scaleb(kind.scale) for name, value in bounds.items()}
    lows = [math.ceil(units["ge"])] if "ge" in units else []
    lows += [math.floor(units["gt"]) + 1] if "gt" in units else []
    highs = [math.floor(units["le"])] if "le" in units else []
    highs += [math.ceil(units["lt"]) - 1] if "lt" in units else []
    return max(lows, default=None), min(highs, default=None)


def fitting(value: object, kind: LogicalType) -> float | None:
    """Return a number as a type has it; None where it is none, or the type cannot hold it as it is.

    Example:
        >>> fitting(False, LogicalType("int")), fitting(0.5, LogicalType("int"))
        (0, None)
    """
    if isinstance(value, str) and kind.name == "decimal" and _DIGITS.fullmatch(value):
        value = decimal.Decimal(value)
    if not isinstance(value, bool | int | float | decimal.Decimal):
        return None
    exact = decimal.Decimal(str(int(value) if isinstance(value, bool) else value))
    if not exact.is_finite() or exact.adjusted() > _LARGEST:
        return None
    if kind.name == "float":
        return float(exact)
    units = exact.scaleb(kind.scale)
    if units != int(units):
        return None
    if kind.name == "decimal":
        return float(exact) if abs(units) < 10**kind.precision else None
    whole = int(exact)
    if kind.name == "bool":
        return bool(whole) if whole in (0, 1) else None
    return whole if -(2**63) <= whole < 2**63 else None


def _number(value: Any) -> int | decimal.Decimal:
    if not isinstance(value, numbers.Real | decimal.Decimal):
        raise TypeError
    exact = decimal.Decimal(str(int(value) if isinstance(value, bool) else value))
    if not exact.is_finite() or exact.adjusted() > _LARGEST:
        raise ValueError
    return int(exact) if exact == exact.to_integral_value() else exact


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _written(value: Any) -> Any:
    """A decimal may be written as text: of a float the reader does not see what it is."""
    return decimal.Decimal(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _moment(value: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime.datetime):
        raise TypeError
    to_us(moment)  # which refuses one without a zone
    return moment


def _day(value: Any) -> datetime.date:
    day = datetime.date.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(day, datetime.date) or isinstance(day, datetime.datetime):
        raise TypeError
    return day


def _plain(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


_HELD: dict[str, Callable[[Any], Any]] = {
    "int": _number,
    "float": lambda value: _finite(float(_number(value))),
    "decimal": lambda value: decimal.Decimal(_number(_written(value))),
    "bool": lambda value: _plain(value, bool),
    "str": lambda value: _plain(value, str),
    "timestamp": _moment,
    "date": _day,
}


def duration_us(text: str) -> int:
    """Return a duration such as ``"7d"`` or ``"90s"`` in microseconds.

    Args:
        text: a positive whole number and a unit: w, d, h, m (minutes), s, ms or us.

    Raises:
        ValueError: for zero, a negative number, a missing or unknown unit, or more than a century.

    Example:
        >>> duration_us("1h")
        3600000000
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    units = ", ".join(_UNITS_US)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as '7d' (units: {units})")
    number, unit = int(match[1]), match[2]
    if unit not in _UNITS_US:
        raise ValueError(f"{text!r} has {f'the unit {unit!r}' if unit else 'no unit'} (units: {units})")
    if number <= 0:
        raise ValueError(f"{text!r} is not longer than zero")
    if number * _UNITS_US[unit] > LONGEST_US:
        raise ValueError(f"{text!r} is longer than a century")
    return number * _UNITS_US[unit]


def duration_text(us: int) -> str:
    """Return microseconds as the shortest duration text.

    Example:
        >>> duration_text(604_800_000_000), duration_text(90_000_000)
        ('7d', '90s')
    """
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if us % _UNITS_US[unit] == 0:
            return f"{us // _UNITS_US[unit]}{unit}"
    raise AssertionError("every whole number of microseconds has a unit")


def type_of(said: Mapping[str, Any]) -> LogicalType:
    """Return the type that ``dataclasses.asdict`` made plain values of, whatever wrote these down since."""
    item = said["item"]
    fields = tuple((name, type_of(one)) for name, one in said.get("fields", ()))
    return LogicalType(**{**said, "item": None if item is None else type_of(item), "fields": fields})
