"""Contracts: what a source promises about each row, field by field."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from headrace.declare.base import here
from headrace.errors import Fault
from headrace.types import STR, LogicalType, parse_annotation

ROLES = ("key", "event_time", "known_time", "valid_from", "valid_to")
_TIME_ROLES = ROLES[1:]


@dataclass(frozen=True)
class Field:
    """One field of a contract: its type, what bounds it, and what it means."""

    name: str = ""
    type: LogicalType = STR
    role: str = ""
    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    isin: tuple[Any, ...] | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    unit: str = ""
    privacy: str = ""
    subject: bool = False
    zone: str = ""
    description: str = ""


def field(
    *,
    ge: Any = None,
    gt: Any = None,
    le: Any = None,
    lt: Any = None,
    isin: Iterable[Any] | None = None,
    pattern: str | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    unit: str = "",
    privacy: str = "",
    subject: bool = False,
    zone: str = "",
    description: str = "",
) -> Any:
    """Say more about a field of a contract.

    Args:
        ge, gt, le, lt: bounds; a value outside is quarantined, and sums are exact within them.
        isin: the only values allowed.
        pattern: regular expression (RE2) that the whole string must match.
        min_length, max_length: of a string, in characters.
        unit: unit of the value, for readers and reports, e.g. ``"EUR"``.
        privacy: tag that follows the column, e.g. ``"pseudonym"`` or ``"personal"``.
        subject: whether the column names the person whom the row is about.
        zone: IANA zone in which times without an offset are to be read, e.g. ``"UTC"``.
        description: one sentence for the reader.

    Returns:
        A ``Field`` for the class body of a ``Contract``.

    Example:
        >>> field(ge=0, unit="EUR").ge
        0
    """
    chosen = None if isin is None else tuple(isin)
    return Field(
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        isin=chosen,
        pattern=pattern,
        min_length=min_length,
        max_length=max_length,
        unit=unit,
        privacy=privacy,
        subject=subject,
        zone=zone,
        description=description,
    )


def key(**more: Any) -> Any:
    """Mark a field as (part of) the key: unique within a file and across all of them."""
    return replace(field(**more), role="key")


def event_time(**more: Any) -> Any:
    """Mark the field that says when the event happened (UTC, microseconds)."""
    return replace(field(**more), role="event_time")


def known_time(**more: Any) -> Any:
    """Mark the field that says when the system learned of the event; without one, history counts as known at once."""
    return replace(field(**more), role="known_time")


def valid_from(**more: Any) -> Any:
    """Mark the field of a state table from which on (inclusive) its row holds."""
    return replace(field(**more), role="valid_from")


def valid_to(**more: Any) -> Any:
    """Mark the field of a state table until which (exclusive) its row holds; null means it still does."""
    return replace(field(**more), role="valid_to")


class Contract:
    """Base class of contracts: one annotated attribute for each field.

    Example:
        >>> from headrace.types import Decimal, Timestamp
        >>> class Payment(Contract):
        ...     payment_id: str = key()
        ...     at: Timestamp = event_time()
        ...     amount: Decimal(12, 2) = field(ge=0, unit="EUR")
        >>> Payment.role("event_time"), Payment.key_fields()
        ('at', ('payment_id',))
    """

    __fields: ClassVar[dict[str, Field]] = {}
    place: ClassVar[str] = ""
    faults: ClassVar[tuple[Fault, ...]] = ()
    name: ClassVar[str] = ""
    doc: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.place = here()
        cls.name = cls.__name__
        cls.doc = inspect.cleandoc(cls.__doc__ or "")
        cls.__fields, faults = _read_fields(cls)
        cls.faults = (*faults, *_role_faults(cls.name, cls.place, cls.__fields))

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """Return the fields by name, in the order in which they were written."""
        return dict(cls.__fields)

    @classmethod
    def key_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that form the key."""
        return tuple(name for name, one in cls.__fields.items() if one.role == "key")

    @classmethod
    def role(cls, role: str) -> str | None:
        """Return the name of the field with a role such as ``event_time``, or None."""
        return next((name for name, one in cls.__fields.items() if one.role == role), None)


def contract_of(name: str, fields: Mapping[str, Field]) -> type[Contract]:
    """Return a contract made from fields, as ``init --from`` and data frames need it.

    Example:
        >>> contract_of("Row", {"x": Field(type=LogicalType("int"))}).fields()["x"].type
        int
    """
    return type(name, (Contract,), {"__annotations__": {n: f.type for n, f in fields.items()}, **fields})


def _read_fields(cls: type[Contract]) -> tuple[dict[str, Field], list[Fault]]:
    fields: dict[str, Field] = {}
    faults: list[Fault] = []
    for base in reversed(cls.__mro__):
        if base is cls or not issubclass(base, Contract) or base is Contract:
            continue
        fields.update(base.fields())
    module = sys.modules.get(cls.__module__)
    for name, raw in inspect.get_annotations(cls).items():
        said = cls.__dict__.get(name, Field())
        try:
            annotation = _evaluated(raw, module, cls)
            declared = said if isinstance(said, Field) else Field()
            fields[name] = replace(declared, name=name, type=parse_annotation(annotation))
        except (TypeError, NameError, ValueError, SyntaxError) as error:
            expected = "int, float, bool, str, hr.Timestamp, hr.Date, hr.Decimal(p, s), list[…], each also with | None"
            faults.append(Fault("HR-CONTRACT-001", cls.place, f"{cls.__name__}.{name}: {error}", expected))
        if not isinstance(said, Field):
            found = f"{cls.__name__}.{name} = {said!r}"
            faults.append(Fault("HR-CONTRACT-002", cls.place, found, "hr.field(…), hr.key(), hr.event_time()"))
    return fields, faults


def _evaluated(raw: object, module: object, cls: type) -> object:
    """Resolve an annotation that ``from __future__ import annotations`` left as text."""
    if not isinstance(raw, str):
        return raw
    frame_locals: dict[str, Any] = {}
    frame = sys._getframe(3)
    frame_locals.update(frame.f_locals)
    return eval(raw, dict(vars(module)) if module else {}, frame_locals)  # noqa: S307 - the user's own source


def _role_faults(name: str, place: str, fields: Mapping[str, Field]) -> list[Fault]:
    faults: list[Fault] = []
    for role in _TIME_ROLES:
        having = [one for one in fields.values() if one.role == role]
        if len(having) > 1:
            names = ", ".join(one.name for one in having)
            faults.append(Fault("HR-CONTRACT-003", place, f"{name} has {role} twice: {names}", f"one {role}"))
        for one in having:
            if one.type.name != "timestamp":
                found = f"{name}.{one.name} is the {role} and has type {one.type!r}"
                faults.append(Fault("HR-CONTRACT-004", place, found, "hr.Timestamp"))
    for one in fields.values():
        faults += _field_faults(name, place, one)
    return faults


def _field_faults(name: str, place: str, one: Field) -> list[Fault]:
    faults = []
    bounded = [b for b in (one.ge, one.gt, one.le, one.lt) if b is not None]
    if bounded and one.type.name in ("str", "bool", "list"):
        found = f"{name}.{one.name} is {one.type!r} and has bounds"
        faults.append(Fault("HR-CONTRACT-005", place, found, "bounds on numbers and times only", "use isin or pattern"))
    lows = [b for b in (one.ge, one.gt) if b is not None]
    highs = [b for b in (one.le, one.lt) if b is not None]
    try:
        empty = bool(lows and highs and max(lows) > min(highs))
    except TypeError:
        empty = True
    if empty:
        faults.append(
            Fault("HR-CONTRACT-006", place, f"{name}.{one.name}: no value can satisfy its bounds", "ge <= le")
        )
    if (one.pattern or one.min_length is not None or one.max_length is not None) and one.type.name != "str":
        found = f"{name}.{one.name} is {one.type!r} and has a pattern or length"
        faults.append(Fault("HR-CONTRACT-007", place, found, "a str field"))
    if one.type.nullable and one.role in ("key", "event_time", "known_time", "valid_from"):
        found = f"{name}.{one.name} is its {one.role} and may be null"
        faults.append(Fault("HR-CONTRACT-008", place, found, "a type without | None"))
    return faults
