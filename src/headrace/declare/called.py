"""Columns that are called otherwise in a source than the fields that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from headrace.declare.base import type_fault
from headrace.declare.contract import Contract, ContractType
from headrace.errors import Fault, nearest


def called(contract: type[Contract], columns: Mapping[str, str]) -> type[Contract]:
    """Return a contract whose ``outside`` has its fields under the names of their columns in a source.

    Args:
        contract: as declared.
        columns: field to what its column is called.

    Example:
        >>> class Visit(Contract):
        ...     customer_id: int
        ...     minutes: float
        >>> outside = called(Visit, {"customer_id": "Customer ID"}).outside
        >>> list(outside.fields()), outside.field_of("Customer ID")
        (['Customer ID', 'minutes'], 'customer_id')
    """
    other = {field: column for field, column in columns.items() if field in contract.fields() and field != column}
    if not other:
        return contract
    inside, outside = _copy(contract), _copy(contract)
    outside._rules = {}
    outside._fields = {other.get(name, name): one for name, one in contract.fields().items()}
    outside._fields = {name: replace(one, name=name) for name, one in outside._fields.items()}
    outside._field_of = {column: field for field, column in other.items()}
    inside._outside = outside
    return cast("type[Contract]", inside)


def _copy(contract: type[Contract]) -> ContractType:
    made = ContractType(contract.name, (contract,), {"__module__": contract.__module__})
    made.place, made.doc, made.faults = contract.place, contract.doc, contract.faults
    return made


def columns_faults(columns: object, contract: type[Contract] | None, what: str, place: str) -> list[Fault]:
    """Return what is wrong with the names of columns in a source.

    Args:
        columns: as declared.
        contract: whose fields they become, without those that are filled here; None where it is itself at fault.
        what: is declared, such as ``stream payments``.
        place: of the declaration.
    """
    if not isinstance(columns, Mapping) or not all(isinstance(one, str) for one in (*columns, *columns.values())):
        expected = "field to column, as texts, such as {'customer_id': 'Customer ID'}"
        return [type_fault(place, f"columns of {what}", columns, expected)]
    if contract is None:
        return []
    fields = contract.fields()
    faults = [
        _no_field(field, column, contract, what, place) for field, column in columns.items() if field not in fields
    ]
    read: dict[str, list[str]] = {}
    for field in fields:
        read.setdefault(columns.get(field, field), []).append(field)
    return faults + [_twice(column, many, what, place) for column, many in read.items() if len(many) > 1]


def _no_field(field: str, column: str, contract: type[Contract], what: str, place: str) -> Fault:
    fields = contract.fields()
    turned = column in fields and field not in fields
    cure = f"turn it round: columns={{{column!r}: {field!r}}}" if turned else nearest(field, fields)
    found = f"columns= of {what} with {field!r}, which is no field of {contract.name}"
    return Fault("HR-ORIGIN-014", place, found, "a field, and what its column is called in the source", cure)


def _twice(column: str, fields: list[str], what: str, place: str) -> Fault:
    found = f"the column {column!r} of the source of {what} for {' and '.join(fields)}"
    if column in fields:
        cure = f"say in columns= what the column of {column} is called, or take that field out of the contract"
    else:
        cure = "name another column for one of them"
    return Fault("HR-ORIGIN-015", place, found, "each column for one field", cure)
