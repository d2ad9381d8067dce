"""Values as the oracle holds them: exact Python numbers, microseconds and days; and as they enter and leave.

A decimal is a Fraction, a timestamp whole microseconds and a date whole days since 1970, UTC; all else is itself.
"""

from __future__ import annotations

import datetime
import decimal
from fractions import Fraction
from typing import Any

from headrace.clock import from_us, to_us
from headrace.types import LogicalType

FIRST_DAY = datetime.date(1970, 1, 1)


def entering(value: Any, kind: LogicalType) -> Any:
    """Return a value of a row as the oracle holds it.

    Example:
        >>> from headrace.types import Decimal
        >>> entering(decimal.Decimal("0.10"), Decimal(4, 2))
        Fraction(1, 10)
    """
    if value is None:
        return None
    if kind.name == "decimal":
        return Fraction(value)
    if kind.name == "float":
        return float(value)
    if isinstance(value, datetime.datetime):
        return to_us(value)
    if isinstance(value, datetime.date):
        return (value - FIRST_DAY).days
    return value


def leaving(value: Any, kind: LogicalType) -> Any:
    """Return a value as it leaves Headrace: single decimals as float64, times as aware datetimes.

    Example:
        >>> from headrace.types import Decimal
        >>> leaving(Fraction(1, 10), Decimal(4, 2))
        0.1
    """
    if value is None:
        return None
    if kind.name == "decimal":
        return as_float(value, kind)
    if kind.name == "list":
        assert kind.item is not None
        return [_item(one, kind.item) for one in value]
    return _item(value, kind)


def _item(value: Any, kind: LogicalType) -> Any:
    match kind.name:
        case "decimal":
            return decimal.Decimal(digits(value, kind)).scaleb(-kind.scale)
        case "timestamp":
            return from_us(value)
        case "date":
            return FIRST_DAY + datetime.timedelta(days=value)
    return value


def digits(value: Any, kind: LogicalType) -> int:
    """Return a whole number, or a decimal in units of its last digit."""
    return int(value * 10**kind.scale) if kind.name == "decimal" else int(value)


def as_float(value: Any, kind: LogicalType) -> float:
    """Return a number as float64; a decimal is its digits as float64, divided by a power of ten."""
    return float(value) if kind.name == "float" else float(digits(value, kind)) / 10.0**kind.scale
