"""Lists and nested contracts as received: read level by level, each level a few operations on whole columns.

A field within another is told by its path, ``address.city``; of a list it is told once for each row, whichever of its
items broke a promise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.problems import ITEM, LENGTH, Problem, Rows, never_taken, where
from headrace.contracts.text import Read
from headrace.declare import Field

Reader = Callable[[Field, pa.Array], Read]
Judge = Callable[[Field, pa.Array, pa.Array], list[Problem]]


def read_struct(field: Field, raw: pa.Array, read: Reader) -> Read:
    """Return a column of structs in the types of a nested contract; a field that may be null need not be there.

    Raises:
        ArrowNotImplementedError: when it is no struct, or lacks a field that may not be null.
    """
    if not pat.is_struct(raw.type):
        raise pa.ArrowNotImplementedError(f"no safe way from {raw.type}")
    columns, problems = [], list[Problem]()
    for part in field.parts:
        values, found = read(part, received(raw, part))
        columns.append(values)
        problems += found
    mask = pc.is_null(raw) if raw.null_count else None
    kinds = list(field.type.arrow())
    return pa.StructArray.from_arrays(columns, fields=kinds, mask=mask), problems


def received(raw: pa.Array, part: Field) -> pa.Array:
    """Return the column of a struct that a field is, null where the struct is; all null where it may be left out."""
    name = part.name.rpartition(".")[2] if pat.is_struct(raw.type) else part.name
    at = raw.type.get_field_index(name)
    if at >= 0:
        return pc.struct_field(raw, [at])
    if not part.type.nullable:
        raise pa.ArrowNotImplementedError(f"no {part.name}")
    return pa.nulls(len(raw))


def read_list(field: Field, raw: pa.Array, read: Reader) -> Read:
    """Return a column of lists in the type of a field, null where an item cannot be read.

    Raises:
        ArrowNotImplementedError: when it is no list.
    """
    if not (pat.is_list(raw.type) or pat.is_large_list(raw.type) or pat.is_fixed_size_list(raw.type)):
        raise pa.ArrowNotImplementedError(f"no safe way from {raw.type}")
    items, parents = pc.list_flatten(raw), parents_of(raw)
    values, found = read(field.item, items)
    problems = [_of_row(field, one, parents) for one in found]
    return _lists(raw, values, field), problems


def parents_of(lists: pa.Array) -> Rows:
    """Return the row of each item; what a list that is null may still hold counts as nothing."""
    return np.repeat(np.arange(len(lists), dtype=np.int64), _sizes(lists))


def _sizes(lists: pa.Array) -> Rows:
    sizes: Rows = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return sizes


def _lists(raw: pa.Array, items: pa.Array, field: Field) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(_sizes(raw))]).astype(np.int32)
    mask = pc.is_null(raw) if raw.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=field.type.arrow(), mask=mask)


def _of_row(field: Field, one: Problem, parents: Rows) -> Problem:
    """A problem of items as one of their rows; of an item of several the row does not show which it is."""
    within = one.field != field.name or one.text.startswith("has ")
    text = one.text if within else f"has an item that {one.text}"
    return replace(one, rows=np.unique(parents[one.rows]), shown=False, text=text)


def broken_within(field: Field, raw: pa.Array, values: pa.Array, judge: Judge) -> list[Problem]:
    """Return the promises of the fields within a struct, or of the items of a list, that some rows break."""
    if field.type.name == "struct":
        return _broken_parts(field, raw, values, judge)
    if field.type.name == "list":
        return _broken_items(field, raw, values, judge)
    return []


def _broken_parts(field: Field, raw: pa.Array, values: pa.Array, judge: Judge) -> list[Problem]:
    if not pat.is_struct(raw.type):
        raw = values  # it was text, of which nothing more can be said than what was read
    there = np.flatnonzero(pc.is_valid(raw).to_numpy(zero_copy_only=False)).astype(np.int64)
    some = pa.array(there)
    raw, values = (raw, values) if len(there) == len(raw) else (raw.take(some), values.take(some))
    found = []
    for at, part in enumerate(field.parts):
        found += judge(part, received(raw, part), pc.struct_field(values, [at]))
    return [replace(one, rows=there[one.rows]) for one in found]


def _broken_items(field: Field, raw: pa.Array, values: pa.Array, judge: Judge) -> list[Problem]:
    if not (pat.is_list(raw.type) or pat.is_large_list(raw.type) or pat.is_fixed_size_list(raw.type)):
        raw = values
    problems = list(_lengths(field, values))
    received_items, items, parents = pc.list_flatten(raw), pc.list_flatten(values), parents_of(values)
    if len(received_items) != len(items):  # some lists could not be read at all
        received_items = items
    item = replace(field.item, type=field.item.type | None)  # that one is missing is told in its own words
    found = judge(item, received_items, items)
    if not field.item.type.nullable:
        empty = where(pc.is_null(received_items))
        missing = [Problem(ITEM, field.name, "has an item that is null", empty, False)] if len(empty) else []
        found += never_taken(field, missing)
    return problems + [_of_row(field, one, parents) for one in found]


def _lengths(field: Field, values: pa.Array) -> list[Problem]:
    sizes, found = pc.list_value_length(values), []
    if field.min_length is not None:
        few = where(pc.less(sizes, field.min_length))
        found.append((f"has fewer than {field.min_length} items", few, "min_length"))
    if field.max_length is not None:
        many = where(pc.greater(sizes, field.max_length))
        found.append((f"has more than {field.max_length} items", many, "max_length"))
    return [
        Problem(LENGTH, field.name, text, rows, False, promise, field.severity)
        for text, rows, promise in found
        if len(rows)
    ]


def read_written(field: Field, raw: pa.Array) -> Read:
    """Return a column of texts of JSON, as files and databases without such types hold them, in a field's type."""
    from headrace.contracts.json import Refused, array, parsed_value

    values, wrong = [], dict[tuple[str, str, str], list[int]]()
    for row, text in enumerate(raw.to_pylist()):
        value = None
        if text is not None:
            try:
                value = parsed_value(field, text)
            except Refused as refused:
                for one in refused.each:
                    wrong.setdefault((one.of_row, one.name or field.name, one.said), []).append(row)
        values.append(value)
    problems = [Problem(code, name, said, np.array(rows), False) for (code, name, said), rows in wrong.items()]
    return array(field.type, values), problems


def column_at(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array | pa.ChunkedArray | None:
    """Return a column of a table, or what stands in its structs at a path; None where there is no such thing.

    Example:
        >>> column_at(pa.table({"address": [{"city": "Rome"}, None]}), "address.city").to_pylist()
        ['Rome', None]
    """
    if name in table.schema.names:
        return table.column(name)
    column, path = None, name.split(".")
    if path[0] in table.schema.names:
        column = table.column(path[0])
    for step in path[1:]:
        at = column.type.get_field_index(step) if column is not None and pat.is_struct(column.type) else -1
        if at < 0:
            return None
        column = pc.struct_field(column, [at])
    return column


def read_at(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array | pa.ChunkedArray:
    """Return a column of a table, or what stands in its structs at a path.

    Raises:
        KeyError: where there is no such thing.
    """
    found = column_at(table, name)
    if found is None:
        raise KeyError(name)
    return found
