"""What is known of the fields of a contract before any row is read: types, and bounds in the units of the kernel."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from headrace.clock import from_us, to_us
from headrace.declare import Contract, Field
from headrace.declare.rules import WARN
from headrace.types import Domain, LogicalType, closed_units, value_as

_EXACT = ("int", "decimal")


def domains(contract: type[Contract]) -> dict[str, Domain]:
    """Return what is known of each field of a contract, and of those within, before any row is read."""
    return {name: domain_of(one) for name, one in contract.columns().items() if not one.type.nested}


def domain_of(one: Field) -> Domain:
    """Return the domain of a field: its bounds in the units of the kernel; bounds that only warn hold nothing."""
    kind = one.type
    if not kind.numeric:
        return Domain(kind)
    if one.severity == WARN:
        one = replace(one, ge=None, gt=None, le=None, lt=None, isin=None)
    low, high = _bounds(one)
    if one.isin:
        low, high = min(_unit(v, kind) for v in one.isin), max(_unit(v, kind) for v in one.isin)
    if kind.name == "decimal":
        largest = 10**kind.precision - 1
        low = -largest if low is None else max(low, -largest)
        high = largest if high is None else min(high, largest)
    return Domain(kind, low, high)


def closed_bounds(one: Field) -> dict[str, Decimal] | None:
    """Return the least and the largest value that a field's bounds allow, as ``ge`` and ``le``; None of other types.

    Example:
        >>> from dataclasses import replace
        >>> from headrace.declare import field
        >>> closed_bounds(replace(field(gt=-1, lt=10.5), type=LogicalType("int")))
        {'ge': Decimal('0'), 'le': Decimal('10')}
    """
    if one.type.name not in _EXACT:
        return None
    low, high = closed_units(_said(one), one.type)
    return {key: Decimal(unit).scaleb(-one.type.scale) for key, unit in (("ge", low), ("le", high)) if unit is not None}


def said_as(value: object, kind: LogicalType) -> object:
    """Return a value that a declaration names so that equal ones of a type look equal; what is none of it as it is.

    Example:
        >>> said_as(0, LogicalType("float")), said_as(Decimal("0.00"), LogicalType("float"))
        ('0', '0')
        >>> said_as("2030-01-01T01:00:00+01:00", LogicalType("timestamp"))
        '2030-01-01T00:00:00+00:00'
    """
    try:
        held = value_as(value, kind)
    except ValueError:  # told with the contract
        return value
    if kind.numeric:
        exact = Decimal(str(held))
        return f"{exact.normalize() if exact else Decimal(0):f}"
    if kind.name == "timestamp":
        return from_us(to_us(held)).isoformat()
    return held.isoformat() if kind.name == "date" else held


def _bounds(one: Field) -> tuple[float | int | None, float | int | None]:
    """Least and largest value in the units of the kernel; of what is counted in units the open bounds are closed."""
    said = _said(one)
    if one.type.name in _EXACT:
        return closed_units(said, one.type)
    lows, highs = ([float(said[name]) for name in names if name in said] for names in (("ge", "gt"), ("le", "lt")))
    return max(lows, default=None), min(highs, default=None)


def _said(one: Field) -> dict[str, Any]:
    return {name: value for name in ("ge", "gt", "le", "lt") if (value := getattr(one, name)) is not None}


def _unit(value: object, kind: LogicalType) -> float | int:
    held = value_as(value, kind)
    return float(held) if kind.name == "float" else int(Decimal(held).scaleb(kind.scale))
