"""Rows under the names of their source, brought under those of the fields: once, directly behind the reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from headrace.contracts import MALFORMED, MALFORMED_TYPE
from headrace.declare import Contract


def named(rows: pa.Table, contract: type[Contract]) -> pa.Table:
    """Return rows with the names of a contract's fields.

    Args:
        rows: columns of the contract's ``outside``; what could not be read of a row beside them, in ``MALFORMED``.
        contract: as the rows arrive.

    Example:
        >>> from headrace.declare.called import called
        >>> class Visit(Contract):
        ...     customer_id: int
        >>> named(pa.table({"Customer ID": [7]}), called(Visit, {"customer_id": "Customer ID"})).to_pylist()
        [{'customer_id': 7}]
    """
    outside = contract.outside
    if outside is contract:
        return rows
    table = rows.rename_columns([outside.field_of(name) for name in rows.column_names])
    at = table.schema.get_field_index(MALFORMED)
    if at < 0:
        return table
    told = [None if one is None else _told(one, outside) for one in table[MALFORMED].to_pylist()]
    return table.set_column(at, MALFORMED, pa.array(told, MALFORMED_TYPE))


def read_as(content: str, contract: type[Contract]) -> str:
    """Return the digest of what is read under the names of a contract: of the same content another under others."""
    outside = contract.outside
    names = {name: outside.field_of(name) for name in outside.fields() if outside.field_of(name) != name}
    return content if not names else hashlib.sha256(json.dumps([content, names]).encode()).hexdigest()


def _told(one: Mapping[str, Any], outside: type[Contract]) -> dict[str, Any]:
    """What is wrong with a row, by its fields; its text gets their names only where it is kept."""
    return {**one, "problems": [{**said, "field": _path(said["field"], outside)} for said in one["problems"]]}


def _path(name: str, outside: type[Contract]) -> str:
    """The path of a field, of which only the first part has another name in the source."""
    column = next((one for one in outside.fields() if name == one or name.startswith(f"{one}.")), name)
    return outside.field_of(column) + name[len(column) :]
