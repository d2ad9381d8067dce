"""Contracts: what a source promises about each row, field by field."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headrace.declare.base import here
from headrace.declare.sheet import Sheet
from headrace.errors import Fault
from headrace.types import STR, LogicalType, parse_annotation

ROLES = ("key", "event_time", "known_time", "valid_from", "valid_to")
_TIME_ROLES = ROLES[1:]
HEADS = ("field", "type", "role", "bounds", "unit", "privacy")


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

    def row(self) -> tuple[str, ...]:
        """Return what is shown of it: name, type, role, what bounds it, unit, privacy."""
        return self.name, repr(self.type), self.role, self._bounds(), self.unit, self.privacy

    def _bounds(self) -> str:
        words: list[tuple[str, Any]] = [("≥", self.ge), (">", self.gt), ("≤", self.le), ("<", self.lt)]
        words += [("like", self.pattern), ("length ≥", self.min_length), ("length ≤", self.max_length)]
        said = [f"{word} {bound}" for word, bound in words if bound is not None]
        if self.isin is not None:
            said.append(f"one of {', '.join(str(one) for one in self.isin)}")
        return ", ".join(said)

    def _repr_html_(self) -> str:
        return Sheet("Field", self.description, HEADS, (self.row(),)).html()


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


def _read_fields(cls: ContractType, said: Mapping[str, object], place: str) -> tuple[dict[str, Field], list[Fault]]:
    fields: dict[str, Field] = {}
    faults: list[Fault] = []
    for base in reversed(cls.__mro__[1:]):
        fields.update(getattr(base, "_fields", {}))
    module = sys.modules.get(cls.__module__)
    for name, raw in inspect.get_annotations(cls).items():
        how = said.get(name, Field())
        try:
            declared = how if isinstance(how, Field) else Field()
            fields[name] = replace(declared, name=name, type=parse_annotation(_evaluated(raw, module)))
        except (TypeError, NameError, ValueError, SyntaxError) as error:
            expected = "int, float, bool, str, hr.Timestamp, hr.Date, hr.Decimal(p, s), list[…], each also with | None"
            cure = f"write {name}: {_nearest_type(raw)}"
            faults.append(Fault("HR-CONTRACT-001", place, f"{cls.__name__}.{name}: {error}", expected, cure))
        if not isinstance(how, Field):
            found = f"{cls.__name__}.{name} = {how!r}"
            kind = _written(fields[name].type) if name in fields else "str"
            cure = f"write {name}: {kind}; a value comes with each row"
            faults.append(Fault("HR-CONTRACT-002", place, found, "hr.field(…), hr.key(), hr.event_time()", cure))
    return fields, faults


def _written(kind: LogicalType) -> str:
    """A type as an annotation says it."""
    names = {"timestamp": "hr.Timestamp", "date": "hr.Date", "decimal": f"hr.Decimal({kind.precision}, {kind.scale})"}
    if kind.item is not None:
        names["list"] = f"list[{_written(kind.item)}]"
    return names.get(kind.name, kind.name) + (" | None" if kind.nullable else "")


_KINDRED = {
    "datetime": "hr.Timestamp",
    "time": "hr.Timestamp",
    "date": "hr.Date",
    "decimal": "hr.Decimal(12, 2)",
    "list": "list[int]",
    "float": "float",
    "int": "int",
    "bool": "bool",
}


def _nearest_type(raw: object) -> str:
    """The type of a contract that sounds most like an annotation which is none."""
    words = (raw if isinstance(raw, str) else getattr(raw, "__name__", repr(raw))).lower()
    kind = next((kind for name, kind in _KINDRED.items() if name in words), "str")
    return f"{kind} | None" if "none" in words else kind


def _evaluated(raw: object, module: object) -> object:
    """Resolve an annotation that ``from __future__ import annotations`` left as text."""
    if not isinstance(raw, str):
        return raw
    frame = sys._getframe(3)
    names = dict(vars(module)) if module else {}
    return eval(raw, names, dict(frame.f_locals))  # noqa: S307 - the user's own annotation


def _role_faults(name: str, place: str, fields: Mapping[str, Field]) -> list[Fault]:
    faults: list[Fault] = []
    for role in _TIME_ROLES:
        having = [one for one in fields.values() if one.role == role]
        if len(having) > 1:
            names = ", ".join(one.name for one in having)
            found, cure = f"{name} has {role} twice: {names}", f"write {having[1].name}: hr.Timestamp = hr.field()"
            faults.append(Fault("HR-CONTRACT-003", place, found, f"one {role}", cure))
        for one in having:
            if one.type.name != "timestamp":
                found = f"{name}.{one.name} is the {role} and has type {one.type!r}"
                cure = f"write {one.name}: hr.Timestamp = hr.{role}()"
                faults.append(Fault("HR-CONTRACT-004", place, found, "hr.Timestamp", cure))
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
        found = f"{name}.{one.name}: no value can satisfy its bounds {', '.join(map(repr, (*lows, *highs)))}"
        cure = f"give {one.name} a lower bound that is not above the upper one, both {one.type.bare!r}"
        faults.append(Fault("HR-CONTRACT-006", place, found, "ge <= le", cure))
    if (one.pattern or one.min_length is not None or one.max_length is not None) and one.type.name != "str":
        found = f"{name}.{one.name} is {one.type!r} and has a pattern or length"
        cure = f"write {one.name}: str, or bound it: hr.field(ge=…, le=…)"
        faults.append(Fault("HR-CONTRACT-007", place, found, "a str field", cure))
    if one.type.nullable and one.role in ("key", "event_time", "known_time", "valid_from"):
        found = f"{name}.{one.name} is its {one.role} and may be null"
        cure = f"write {one.name}: {_written(one.type.bare)} = hr.{one.role}()"
        faults.append(Fault("HR-CONTRACT-008", place, found, "a type without | None", cure))
    return faults


class ContractType(type):
    """Reads the fields of a contract out of its class body, so that a field may have any name."""

    place: str
    faults: tuple[Fault, ...]
    doc: str
    _fields: dict[str, Field]

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> ContractType:
        said = {key: body.pop(key) for key in body.get("__annotations__", {}) if key in body}
        cls = super().__new__(mcs, name, bases, body)
        place = here()
        fields, faults = _read_fields(cls, said, place)
        cls.place, cls.doc = place, inspect.cleandoc(body.get("__doc__") or "")
        cls._fields, cls.faults = fields, (*faults, *_role_faults(name, place, fields))
        return cls

    @property
    def name(cls) -> str:
        """Name of the contract."""
        return cls.__name__

    def fields(cls) -> dict[str, Field]:
        """Return the fields by name, in the order in which they were written."""
        return dict(cls._fields)

    def key_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that form the key."""
        return tuple(name for name, one in cls._fields.items() if one.role == "key")

    def role(cls, role: str) -> str | None:
        """Return the name of the field with a role such as ``event_time``, or None."""
        return next((name for name, one in cls._fields.items() if one.role == role), None)

    def rows(cls) -> tuple[tuple[str, ...], ...]:
        """Return what is shown of each field."""
        return tuple(one.row() for one in cls._fields.values())

    def _repr_html_(cls) -> str:
        return Sheet(f"Contract {cls.name}", cls.doc, HEADS, cls.rows()).html()


class Contract(metaclass=ContractType):
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


def contract_of(name: str, fields: Mapping[str, Field]) -> type[Contract]:
    """Return a contract made from fields, as ``init --from`` and data frames need it.

    Example:
        >>> contract_of("Row", {"x": Field(type=LogicalType("int"))}).fields()["x"].type
        int
    """
    return type(name, (Contract,), {"__annotations__": {n: f.type for n, f in fields.items()}, **fields})
