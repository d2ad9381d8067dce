"""What a contract promises, field by field, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from headrace.declare import Contract, Field
from headrace.declare.rules import REJECT
from headrace.plan.domains import closed_bounds, said_as
from headrace.types import LogicalType

_BOUNDS = ("ge", "gt", "le", "lt")
_APART = ("type", "description", "place", "inner", "default")


def contract_meaning(contract: type[Contract]) -> dict[str, Any]:
    """Return what a contract promises, field by field; only what was said.

    A unit is part of it: the same digits in another currency are another amount. A description is not. Bounds of whole
    numbers and decimals are closed: above 0 and from 1 on are one promise of an int.
    """
    return _meanings(contract.fields().values())


def _meanings(each: Iterable[Field]) -> dict[str, Any]:
    fields = {}
    for one in each:
        promised = promises(one)
        bounds = closed_bounds(one)
        if bounds is not None:
            promised = {key: value for key, value in promised.items() if key not in _BOUNDS}
            promised |= {key: said_as(bound, one.type) for key, bound in bounds.items()}
        if one.inner:
            promised["fields"] = _meanings(one.inner)
        fields[one.name] = promised
    return fields


def promises(one: Field) -> dict[str, Any]:
    """Return what a field promises in the words of its declaration."""
    given = {key: value for key, value in asdict(one).items() if key not in _APART}
    # By identity: a bound of 0 equals False, and is said all the same.
    said = {key: value for key, value in given.items() if value is not None and value is not False and value != ""}
    if said.get("severity") == REJECT:
        del said["severity"]
    kind = innermost(one.type)
    said |= {key: said_as(said[key], kind) for key in _BOUNDS if key in said}
    if one.isin is not None:
        said["isin"] = sorted({said_as(value, kind) for value in one.isin}, key=str)
    return {**said, **({"default": "null"} if one.may_lack else {}), "type": repr(one.type)}


def innermost(kind: LogicalType) -> LogicalType:
    """Return the type of what a list holds in the end, of any other its own."""
    while kind.item is not None:
        kind = kind.item
    return kind
