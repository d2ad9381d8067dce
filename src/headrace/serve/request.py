"""From a JSON object to a row that keeps its contract, or to every reason why it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from headrace.contracts import validate
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import LogicalType

DEEPEST = 20
_JSON = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "timestamp": (str,),
    "date": (str,),
    "decimal": (str, int, float),
    "list": (list,),
}
_SAID = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "timestamp": "text such as '2026-01-31T12:00:00Z'",
    "date": "text such as '2026-01-31'",
    "decimal": "a number, or text such as '12.50'",
    "list": "a list",
}


def decoded(body: bytes) -> Any:
    """Return a JSON document.

    Raises:
        HeadraceError: HR-REQUEST-001 for what is not JSON (NaN is not), 002 for a name given twice, 003 for depth.
    """
    if body.count(b"[") + body.count(b"{") > 10_000 or _depth(body) > DEEPEST:
        raise _refused("HR-REQUEST-003", "JSON nested too deeply", f"at most {DEEPEST} levels")
    try:
        msgspec.json.decode(body)
        return json.loads(body, object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _refused("HR-REQUEST-001", f"a body that is not JSON ({str(error)[:80]})", "a JSON object") from None


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused("HR-REQUEST-002", f"the field {twice!r} twice", "each field once")
    return found


def row_table(contract: type[Contract], objects: list[Any]) -> pa.Table:
    """Return JSON objects as an Arrow table in the order of the contract's fields, not validated yet.

    Raises:
        HeadraceError: with all faults: what is no object, fields that are unknown, missing, or of another JSON type.
    """
    fields = contract.fields()
    faults: list[Fault] = []
    for number, one in enumerate(objects):
        place = f"row {number + 1}" if len(objects) > 1 else ""
        if not isinstance(one, Mapping):
            faults.append(
                Fault("HR-REQUEST-004", place, f"a {type(one).__name__}", f"an object with {', '.join(fields)}")
            )
            continue
        for name in one:
            faults += _unknown(name, fields, place)
        for name, field in fields.items():
            faults += _field_faults(one, name, field.type, place)
    if faults:
        raise HeadraceError(faults)
    columns = {name: as_array([one.get(name) for one in objects], field.type) for name, field in fields.items()}
    return pa.table(columns)


def _unknown(name: str, fields: Mapping[str, Field], place: str) -> list[Fault]:
    if name in fields:
        return []
    return [Fault("HR-REQUEST-005", place, f"unknown field {name!r}", "fields of the contract", nearest(name, fields))]


def _field_faults(one: Mapping[str, Any], name: str, kind: LogicalType, place: str) -> list[Fault]:
    if one.get(name) is None:
        if kind.nullable:
            return []
        what = "null" if name in one else "missing"
        return [Fault("HR-REQUEST-006", place, f"field {name!r} is {what}", _SAID[kind.name])]
    value = one[name]
    if not isinstance(value, _JSON[kind.name]) or (isinstance(value, bool) and kind.name != "bool"):
        return [Fault("HR-REQUEST-007", place, f"field {name!r} is {type(value).__name__}", _SAID[kind.name])]
    return []


def as_array(values: list[Any], kind: LogicalType) -> pa.Array:
    """Return JSON values as Arrow: numbers as they are; decimals and times as text, in which no digit is lost."""
    if kind.name in ("decimal", "timestamp", "date", "str"):
        return pa.array([None if value is None else str(value) for value in values], type=pa.string())
    if kind.name == "float":
        return pa.array([None if value is None else float(value) for value in values], type=pa.float64())
    try:
        return pa.array(values, type=kind.arrow())
    except (pa.ArrowInvalid, OverflowError, pa.ArrowTypeError):
        raise _refused("HR-REQUEST-008", "a number beyond 64 bits", "a smaller one") from None


def accepted(contract: type[Contract], objects: list[Any]) -> pa.Table:
    """Return objects as rows of their contract.

    Raises:
        HeadraceError: HR-REQUEST-009 with the reasons of each row that breaks the contract; and as ``row_table``.
    """
    done = validate(contract, row_table(contract, objects))
    if done.quarantined.num_rows:
        faults = [
            Fault("HR-REQUEST-009", f"row {row['_row']}" if len(objects) > 1 else "", reason, "the contract kept")
            for row in done.quarantined.select(["_row", "reasons"]).to_pylist()
            for reason in row["reasons"]
        ]
        raise HeadraceError(faults)
    return done.accepted


def _refused(code: str, found: str, expected: str) -> HeadraceError:
    return HeadraceError(Fault(code, "", found, expected))
