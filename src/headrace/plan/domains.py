"""What is known of the fields of a contract before any row is read: types, and bounds in the units of the kernel."""

from __future__ import annotations

from decimal import Decimal

from headrace.clock import from_us, to_us
from headrace.declare import Contract, Field
from headrace.types import Domain, LogicalType, value_as


def domains(contract: type[Contract]) -> dict[str, Domain]:
    """Return what is known of each field of a contract before any row is read."""
    return {name: domain_of(one) for name, one in contract.fields().items() if one.type.name != "list"}


def domain_of(one: Field) -> Domain:
    """Return the domain of a field: its bounds in the units of the kernel."""
    kind = one.type
    if not kind.numeric:
        return Domain(kind)
    lows = [_unit(b, kind) for b in (one.ge, one.gt) if b is not None]
    highs = [_unit(b, kind) for b in (one.le, one.lt) if b is not None]
    if one.isin:
        lows, highs = [min(_unit(v, kind) for v in one.isin)], [max(_unit(v, kind) for v in one.isin)]
    if kind.name == "decimal":
        largest = 10**kind.precision - 1
        return Domain(kind, max([*lows, -largest]), min([*highs, largest]))
    return Domain(kind, max(lows, default=None), min(highs, default=None))


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


def _unit(bound: float | int | str, kind: LogicalType) -> float | int:
    if kind.name == "decimal":
        return int(Decimal(str(bound)).scaleb(kind.scale))
    return float(bound) if kind.name == "float" else int(bound)
