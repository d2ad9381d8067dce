"""Contracts within contracts, and sets of values that a type names: what an annotation says beside its type."""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.declare.fields import Field, is_inner
from headrace.errors import Fault
from headrace.types import LogicalType, members_of, plain_member

if typing.TYPE_CHECKING:
    from headrace.declare.contract import ContractType


def contract_within(annotation: object) -> Any:
    """Return the contract that an annotation nests, by itself, ``| None`` or in lists; None where it nests none."""
    if isinstance(getattr(annotation, "row_type", None), LogicalType):
        return annotation
    found = [one for part in typing.get_args(annotation) if (one := contract_within(part)) is not None]
    return found[0] if len(found) == 1 else None


def with_annotation(one: Field, annotation: object) -> Field:
    """Return a field with the values that its type allows, and the fields that it nests."""
    members = members_of(annotation)
    nested = contract_within(annotation)
    if nested is not None:
        one = replace(one, inner=tuple(nested.fields().values()))
    return replace(one, isin=members) if members is not None and one.isin is None else one


def without_fields(contract: ContractType, place: str, says: str = "") -> Fault:
    """Return what is said of a contract that no row can be held against."""
    found, cure = f"{says}{contract.name}, which has no fields", f"write fields in {contract.name}"
    return Fault("HR-CONTRACT-023", place, found, "a contract with at least one field", cure)


def annotation_faults(what: str, place: str, one: Field, annotation: object) -> Iterator[Fault]:
    """Yield what an annotation says against its field, and what a contract cannot be where it stands within another."""
    members = members_of(annotation)
    if members is not None and isinstance(one.isin, tuple) and set(map(plain_member, one.isin)) != set(members):
        found = f"isin= of {what} and its type, which name different values"
        cure = "take isin= away: the type says which values there are"
        yield Fault("HR-CONTRACT-020", place, found, f"one set: {', '.join(map(str, members))}", cure)
    nested = contract_within(annotation)
    if nested is None:
        return
    yield from nested.faults
    if not nested.fields():
        yield without_fields(nested, place, f"{what} nests ")
    for name in (name for name in nested.fields() if not is_inner(name)):
        found = f"{what} nests {nested.name} with a field {name!r}"
        yield Fault("HR-CONTRACT-024", place, found, "names without points", f"take {name!r} out")
    for inner in nested.fields().values():
        if inner.role or inner.subject:
            said = f"hr.{inner.role}()" if inner.role else "subject=True"
            found = f"{what} nests {nested.name}, whose {inner.name} is {said}"
            cure = f"take {said} away from {nested.name}.{inner.name}, and give it to a field of the row itself"
            yield Fault("HR-CONTRACT-021", inner.place or place, found, "roles on fields of the row itself", cure)
    for rule in nested.rules().values():
        found = f"{what} nests {nested.name}, which promises {rule.name}"
        path = what.partition(".")[2]
        cure = f"promise it in the contract of the row, of {path}.{next(iter(nested.fields()), 'field')} and the like"
        yield Fault("HR-CONTRACT-022", rule.place or place, found, "a nested contract of fields only", cure)


def whole(name: str, fields: Collection[str]) -> str:
    """Return the field of a row that a name in an expression reads, whole or a part of it.

    Example:
        >>> whole("status", ["status", "address"]), whole("address.city", ["status", "address"])
        ('status', 'address')
    """
    return name if name in fields else name.partition(".")[0]


def all_within(fields: Iterable[Field]) -> Iterator[Field]:
    """Yield fields, each followed by those within it, in lists too, by the paths that faults of rows name.

    Example:
        >>> from headrace.types import INT, list_of
        >>> line = Field("lines", list_of(LogicalType("struct", fields=(("n", INT),))), inner=(Field("n", INT),))
        >>> [one.name for one in all_within([line])]
        ['lines', 'lines.n']
    """
    for one in fields:
        yield one
        yield from (replace(part, name=f"{one.name}.{part.name}") for part in all_within(one.inner))


def leaves(fields: Iterable[Field]) -> Iterator[Field]:
    """Yield fields, each followed by those within it, by their paths; what is in a list has none.

    Example:
        >>> from headrace.types import STR
        >>> city = Field("city", STR)
        >>> address = Field("address", LogicalType("struct", fields=(("city", STR),), nullable=True), inner=(city,))
        >>> [(one.name, one.type) for one in leaves([address])][1]
        ('address.city', str | None)
    """
    for one in fields:
        yield one
        if one.type.name == "struct":
            empty = one.type.nullable
            yield from leaves(replace(part, type=part.type | None) if empty else part for part in one.parts)


def flat(row: Mapping[str, Any], contract: ContractType) -> Mapping[str, Any]:
    """Return a row with what is within its structs beside them, by paths, as expressions name it.

    Example:
        >>> from headrace.declare.contract import Contract
        >>> class Address(Contract):
        ...     city: str
        >>> class Customer(Contract):
        ...     address: Address | None
        >>> flat({"address": {"city": "Rome"}}, Customer)
        {'address': {'city': 'Rome'}, 'address.city': 'Rome'}
    """
    fields = contract.fields()
    if not any(one.inner for one in fields.values()):
        return row
    paths = [name for name in contract.columns() if name not in fields]
    return {**row, **{path: _value_at(row, path.split(".")) for path in paths}}


def _value_at(row: Any, path: Sequence[str]) -> Any:
    for step in path:
        row = None if row is None else row.get(step)
    return row
