"""What a contract promises, field by field, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headrace.declare import Contract, Field
from headrace.declare.rules import REJECT
from headrace.plan.domains import closed_bounds, said_as

_BOUNDS = ("ge", "gt", "le", "lt")


def contract_meaning(contract: type[Contract]) -> dict[str, Any]:
    """Return what a contract promises, field by field; only what was said.

    A unit is part of it: the same digits in another currency are another amount. A description is not. Bounds of whole
    numbers and decimals are closed: above 0 and from 1 on are one promise of an int.
    """
    fields = {}
    for name, one in contract.fields().items():
        promised = promises(one)
        bounds = closed_bounds(one)
        if bounds is not None:
            promised = {key: value for key, value in promised.items() if key not in _BOUNDS}
            promised |= {key: said_as(bound, one.type) for key, bound in bounds.items()}
        fields[name] = promised
    return fields


def promises(one: Field) -> dict[str, Any]:
    """Return what a field promises in the words of its declaration."""
    given = {key: value for key, value in asdict(one).items() if key not in ("type", "description", "place")}
    # By identity: a bound of 0 equals False, and is said all the same.
    said = {key: value for key, value in given.items() if value is not None and value is not False and value != ""}
    if said.get("severity") == REJECT:
        del said["severity"]
    said |= {key: said_as(said[key], one.type) for key in _BOUNDS if key in said}
    if one.isin is not None:
        said["isin"] = sorted({said_as(value, one.type) for value in one.isin}, key=str)
    return {**said, "type": repr(one.type)}
