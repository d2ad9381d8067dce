"""Evolution: what a change of a contract means for rows that were accepted under the one before, field by field."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from headrace.declare.rules import REJECT, WARN

Promises = Mapping[str, Mapping[str, Any]]
"""A contract as ``plan.promises.contract_meaning`` gives it: field to what is promised of it."""

COMPATIBLE, CHECKED, BREAKING = "compatible", "to be checked", "breaking"
_OPTIONAL = " | None"
_EXACT = 2**53
"""Up to here every whole number is a float of its own."""


@dataclass(frozen=True)
class Move:
    """What changed of one field, and what that is for the rows that are there.

    Args:
        field: its name.
        kind: ``compatible``: every row keeps it; ``to be checked``: rows may break it, and are counted;
            ``breaking``: rows, or what reads them, cannot follow.
        said: what changed, and what becomes of older rows.
        roles: what the field was and is now, such as ``("", "event_time")``; where that changed.
    """

    field: str
    kind: str
    said: str
    roles: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, str]:
        """Return the move as plain values for ``--json``."""
        return {"field": self.field, "kind": self.kind, "said": self.said}


def moves(before: Promises | None, now: Promises, held: pa.Schema, wanted: pa.Schema) -> list[Move]:
    """Return how a contract moved against what is in the lake.

    Args:
        before: the contract that all rows in the lake keep; None where that is not known.
        now: the contract as it is declared.
        held: columns of the table in the lake.
        wanted: columns that the contract gives it.

    Returns:
        One for each change of a field; none where there is no change.

    Example:
        >>> was, columns = {"n": {"type": "int", "ge": "0"}}, pa.schema([("n", pa.int64())])
        >>> for move in moves(was, {"n": {"type": "int", "ge": "5"}}, columns, columns):
        ...     print(move.kind, "-", move.said)
        to be checked - ge: 0 -> 5
    """
    removed = [one for one in held if one.name not in wanted.names and not one.name.startswith("_")]
    added = [name for name in now if name not in held.names]
    found = [Move(one.name, BREAKING, f"is removed{_renamed(one, added, wanted)}") for one in removed]
    for name, promised in now.items():
        if name in added:
            found.append(_added(name, promised))
            continue
        found += _retyped(name, held.field(name).type, wanted.field(name).type, (before or {}).get(name), promised)
        if before is None:
            found.append(Move(name, CHECKED, "its earlier promises are not known"))
        else:
            found += _ruled(name, before.get(name, {}), promised)
    return found


def _renamed(one: pa.Field, added: list[str], wanted: pa.Schema) -> str:
    kindred = [name for name in added if wanted.field(name).type == one.type]
    close = difflib.get_close_matches(one.name, kindred, 1) or (kindred if len(kindred) == 1 else [])
    return f", or renamed to {close[0]}" if close else ""


def _added(name: str, promised: Mapping[str, Any]) -> Move:
    if promised.get("role"):
        said = f"is new, as the {_words(promised['role'])}, which older rows do not have"
        return Move(name, BREAKING, said, ("", promised["role"]))
    if promised["type"].endswith(_OPTIONAL):
        return Move(name, COMPATIBLE, f"is new: new rows carry {name}, older ones have null")
    return Move(name, BREAKING, f"is new and may not be null, which it is in older rows: declare it{_OPTIONAL}")


def _retyped(
    name: str, held: pa.DataType, wanted: pa.DataType, before: Mapping[str, Any] | None, promised: Mapping[str, Any]
) -> Iterator[Move]:
    if held == wanted:
        return
    was = _bare(before["type"]) if before else str(held)
    said = f"type: {was} -> {_bare(promised['type'])}"
    if widens(held, wanted) or (_is_whole(held) and _fits(before or {}, wanted)):
        yield Move(name, COMPATIBLE, f"{said}: wider, every value stays what it is")
    elif _is_whole(held) and (pat.is_floating(wanted) or pat.is_decimal(wanted)):
        yield Move(name, CHECKED, f"{said}: exact for most values, each is looked at")
    else:
        yield Move(name, BREAKING, f"{said}: no wider type, values would change or be lost")


def widens(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether a type holds every value of another as it is.

    Example:
        >>> widens(pa.decimal128(12, 2), pa.decimal128(14, 2)), widens(pa.decimal128(12, 2), pa.decimal128(12, 4))
        (True, False)
    """
    if held == wanted:
        return True
    if pat.is_decimal(held) and pat.is_decimal(wanted):
        return bool(wanted.scale >= held.scale and wanted.precision - wanted.scale >= held.precision - held.scale)
    if pat.is_list(held) and pat.is_list(wanted):
        return widens(held.value_type, wanted.value_type)
    if pat.is_struct(held) and pat.is_struct(wanted):
        there = {wanted.field(i).name: wanted.field(i).type for i in range(wanted.num_fields)}
        inner = [held.field(i) for i in range(held.num_fields)]
        return all(one.name in there and widens(one.type, there[one.name]) for one in inner)
    return False


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pat.is_integer(kind))


def _fits(before: Mapping[str, Any], wanted: pa.DataType) -> bool:
    """Whether a contract bounded whole numbers so that another type holds each of them."""
    if "ge" not in before or "le" not in before or before.get("severity") == WARN:
        return False
    largest = max(abs(Decimal(before["ge"])), abs(Decimal(before["le"])))
    if pat.is_decimal(wanted):
        return bool(largest < 10 ** (wanted.precision - wanted.scale))
    return bool(pat.is_floating(wanted)) and largest <= _EXACT


def _ruled(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Move]:
    yield from _nullable(name, str(was.get("type", "")), now["type"])
    for key in dict.fromkeys((*was, *now)):
        if key in ("name", "type") or was.get(key) == now.get(key):
            continue
        if key == "fields":
            yield from _within(name, was.get(key) or {}, now.get(key) or {})
            continue
        old, new = (one.get(key, REJECT if key == "severity" else None) for one in (was, now))
        said = f"{_words(key)}: {_shown(old)} -> {_shown(new)}"
        if key == "role":
            yield Move(name, BREAKING, _recast(old, new), tuple(one or "" for one in (old, new)))
        elif key == "zone":
            # The first zone lets more through; another one says that times which are there were read wrongly.
            changed = f"{said}: times that are there were read as before"
            yield Move(name, COMPATIBLE, said) if old is None else Move(name, BREAKING, changed)
        elif key in _LOOSER:
            looser = new is None or (old is not None and _LOOSER[key](old, new))
            yield Move(name, COMPATIBLE if looser else CHECKED, said)
        else:
            yield Move(name, COMPATIBLE if key in _APART or (key == "unit" and old is None) else CHECKED, said)


def _within(name: str, was: Promises, now: Promises) -> Iterator[Move]:
    """What changed of the fields within one; one that is gone, or has another type, is told with the whole."""
    for inner, promised in now.items():
        if inner in was:
            found = _ruled(inner, was[inner], promised)
            yield from (Move(name, one.kind, f"{one.field}: {one.said}") for one in found)
        elif not promised["type"].endswith(_OPTIONAL):
            said = f"{inner}: is new and may not be null, which it is in older rows: declare it{_OPTIONAL}"
            yield Move(name, BREAKING, said)


def _nullable(name: str, was: str, now: str) -> Iterator[Move]:
    before, after = was.endswith(_OPTIONAL), now.endswith(_OPTIONAL)
    if before and not after:
        yield Move(name, CHECKED, "may no longer be null")
    elif after and not before:
        yield Move(name, COMPATIBLE, "may be null from now on")


def _recast(old: str | None, new: str | None) -> str:
    was = f"is no longer the {_words(old)}" if old else ""
    now = f"is the {_words(new)} now" if new else ""
    return f"{was}{', and ' if old and new else ''}{now}: rows that are there were taken as before"


_APART = ("privacy", "subject", "description", "default")
"""What no value can break."""
_LOOSER: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda old, new: _below(new, old),
    "gt": lambda old, new: _below(new, old),
    "le": lambda old, new: _below(old, new),
    "lt": lambda old, new: _below(old, new),
    "isin": lambda old, new: set(old) <= set(new),
    "min_length": lambda old, new: new <= old,
    "max_length": lambda old, new: old <= new,
    "pattern": lambda old, new: False,
}
"""Promises to whether another value of them lets all through that was let through; none at all lets all through."""


def _below(low: Any, high: Any) -> bool:
    """Bounds are kept as text: numbers in decimal digits, times as ISO 8601 in UTC, days likewise."""
    try:
        return Decimal(low) <= Decimal(high)
    except ArithmeticError:
        return str(low) <= str(high)


def _bare(kind: str) -> str:
    return kind.removesuffix(_OPTIONAL)


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else _words(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
