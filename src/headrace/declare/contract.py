"""Contracts: what a source promises about each row, field by field."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from headrace.declare.base import here, here_within
from headrace.declare.fields import HEADS, NO_COLUMN, OF_THE_LAKE, Field, is_column
from headrace.declare.nested import annotation_faults, leaves, with_annotation
from headrace.declare.promises import promise_faults, written
from headrace.declare.rule_faults import rule_faults, untyped
from headrace.declare.rules import Rule, rules_within
from headrace.declare.sheet import Sheet
from headrace.errors import Fault
from headrace.types import LogicalType, parse_annotation


def _read_fields(
    cls: ContractType, said: Mapping[str, object], whole: str, lines: Mapping[str, str]
) -> tuple[dict[str, Field], list[Fault]]:
    fields: dict[str, Field] = {}
    faults: list[Fault] = []
    for base in reversed(cls.__mro__[1:]):
        fields.update(getattr(base, "_fields", {}))
    module = sys.modules.get(cls.__module__)
    own: dict[str, str] = {}
    for written_as, raw in inspect.get_annotations(cls).items():
        how, place = said.get(written_as, Field()), lines.get(written_as, whole)
        how = Field(default=None) if how is None else how
        given = how.name if isinstance(how, Field) and how.name else written_as
        faults += _column_faults(cls, given, written_as, own, place)
        name = given if isinstance(given, str) else written_as
        own[name] = written_as
        try:
            declared = how if isinstance(how, Field) else Field()
            where, annotation = lines.get(written_as, declared.place), _evaluated(raw, module)
            kind = parse_annotation(annotation)
            faults += annotation_faults(f"{cls.__name__}.{name}", where or whole, declared, annotation)
            fields[name] = with_annotation(replace(declared, name=name, place=where, type=kind), annotation)
        except (TypeError, NameError, ValueError, SyntaxError) as error:
            expected = "int, float, bool, str, hr.Timestamp, hr.Date, hr.Decimal(p, s), an Enum or Literal of texts or "
            expected += "whole numbers, a contract, list[…], each also with | None"
            cure = f"write {name}: {_nearest_type(raw)}"
            faults.append(Fault("HR-CONTRACT-001", place, f"{cls.__name__}.{name}: {error}", expected, cure))
        if not isinstance(how, Field):
            found = f"{cls.__name__}.{name} = {how!r}"
            shown = written(fields[name].type) if name in fields else "str"
            cure = f"write {name}: {shown}; a value comes with each row"
            faults.append(Fault("HR-CONTRACT-002", place, found, "hr.field(…), hr.key(), hr.event_time()", cure))
    return fields, faults


def _read_rules(cls: ContractType, own: Mapping[str, Rule], lines: Mapping[str, str]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for base in reversed(cls.__mro__[1:]):
        rules.update(getattr(base, "_rules", {}))
    return rules | {name: replace(one, name=name, place=lines.get(name, one.place)) for name, one in own.items()}


def _column_faults(cls: ContractType, name: str, written_as: str, own: Mapping[str, str], place: str) -> list[Fault]:
    what = f"{cls.__name__}.{written_as}"
    if name != written_as and not is_column(name):
        expected = f"a name that a column can have: text without blanks and without {NO_COLUMN}"
        return [Fault("HR-CONTRACT-010", place, f"name={name!r} of {what}", expected, "rename it where it comes from")]
    if name.lower() in OF_THE_LAKE:
        expected, cure = f"a name beside {', '.join(OF_THE_LAKE)}, which the lake gives each row", "rename the column"
        return [Fault("HR-CONTRACT-012", place, f"{what} is the column {name!r}", expected, cure)]
    if twin := next((one for one in own if one.lower() == name.lower()), None):
        found = f"{what} is the column {name!r}, as {own[twin]} is" + ("" if twin == name else f" {twin!r}")
        expected = "each column once" + ("" if twin == name else ": tables and SQL do not tell capitals apart")
        return [Fault("HR-CONTRACT-011", place, found, expected, f"take {written_as} away, or give it another name=")]
    return []


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


class ContractType(type):
    """Reads the fields of a contract out of its class body, so that a field may have any name."""

    place: str
    faults: tuple[Fault, ...]
    doc: str
    _fields: dict[str, Field]
    _rules: dict[str, Rule]
    _outside: ContractType | None = None
    _field_of: Mapping[str, str] = {}

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> ContractType:
        said = {key: body.pop(key) for key in body.get("__annotations__", {}) if key in body}
        own = dict(rules_within(body))
        cls = super().__new__(mcs, name, bases, body)
        place, lines = here(), here_within()
        fields, faults = _read_fields(cls, said, place, lines)
        faults += [untyped(name, key, lines.get(key, place)) for key, one in body.items() if isinstance(one, Field)]
        rules = _read_rules(cls, own, lines)
        cls.place, cls.doc = place, inspect.cleandoc(body.get("__doc__") or "")
        cls._fields, cls._rules = fields, rules
        faults += [*promise_faults(name, place, fields), *rule_faults(name, place, fields, rules)]
        cls.faults = tuple(dict.fromkeys(faults))  # a nested contract that is wrong is wrong once
        return cls

    @property
    def name(cls) -> str:
        """Name of the contract."""
        return cls.__name__

    def fields(cls) -> dict[str, Field]:
        """Return the fields by name, in the order in which they were written."""
        return dict(cls._fields)

    def columns(cls) -> dict[str, Field]:
        """Return the fields by name, and those of nested contracts by path, as expressions name them.

        Example:
            >>> class Address(Contract):
            ...     city: str
            >>> class Customer(Contract):
            ...     customer_id: int
            ...     address: Address | None
            >>> {name: one.type for name, one in Customer.columns().items()}["address.city"]
            str | None
        """
        return {one.name: one for one in leaves(cls._fields.values())} | cls._fields

    @property
    def row_type(cls) -> LogicalType:
        """The type of a value that is a row of this contract, within another."""
        return LogicalType("struct", fields=tuple((name, one.type) for name, one in cls._fields.items()))

    def rules(cls) -> dict[str, Rule]:
        """Return the promises beyond single fields by name, in the order in which they were written."""
        return dict(cls._rules)

    @property
    def outside(cls) -> type[Contract]:
        """The contract under the names that the columns have where rows come from: itself where they are the fields'.

        What reads a source goes by this one; behind it rows have the names of the fields.
        """
        return cast("type[Contract]", cls._outside or cls)

    def field_of(cls, column: str) -> str:
        """Return the field that a column of ``outside`` becomes."""
        return cls._field_of.get(column, column)

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
    """Base class of contracts: one annotated attribute for each field, one without a type for each rule beyond these.

    Example:
        >>> from headrace.declare.fields import event_time, field, key
        >>> from headrace.types import Decimal, Timestamp
        >>> class Payment(Contract):
        ...     payment_id: str = key()
        ...     at: Timestamp = event_time()
        ...     amount: Decimal(12, 2) = field(ge=0, unit="EUR")
        >>> Payment.role("event_time"), Payment.key_fields()
        ('at', ('payment_id',))
    """


def without(contract: type[Contract], names: Collection[str]) -> type[Contract]:
    """Return a contract without some of its fields, and without the rules that read them."""
    fields = {name: one for name, one in contract.fields().items() if name not in names}
    made = contract_of(contract.name, fields)
    made._rules = {name: one for name, one in contract.rules().items() if not _reads(one, names)}
    return made


def _reads(rule: Rule, names: Collection[str]) -> bool:
    words = re.findall(r"\w+", rule.said())
    return bool(set(names) & {*rule.columns, *words})


def contract_of(name: str, fields: Mapping[str, Field]) -> type[Contract]:
    """Return a contract made from fields, as ``init --from`` and data frames need it.

    Example:
        >>> from headrace.types import LogicalType
        >>> contract_of("Row", {"x": Field(type=LogicalType("int"))}).fields()["x"].type
        int
    """
    named = {n: replace(f, name=n) for n, f in fields.items()}
    return type(name, (Contract,), {"__annotations__": {n: f.type for n, f in named.items()}, **named})
