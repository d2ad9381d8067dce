"""Objects of JSON as columns to look at, flattened as documents are: ``outer_inner``, lists as lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa


class _Number(str):
    """A number with a point, as it was written."""

    __slots__ = ()


class Columns(NamedTuple):
    """Objects as columns.

    Args:
        rows: of them.
        loose: columns of numbers as text, so that no digit is lost.
        mixed: columns of several types.
        written: columns of lists of documents, as text of JSON.
    """

    rows: pa.Table
    loose: frozenset[str]
    mixed: frozenset[str]
    written: frozenset[str]


def table_of(texts: Iterable[str], *, nested: bool = False) -> Columns:
    """Return objects as columns.

    Args:
        texts: of JSON; what is no object is passed over.
        nested: whether objects in objects become columns ``outer_inner``, and lists of objects text, as those of
            documents do.

    Example:
        >>> table, loose, *_ = table_of(['{"id": 1, "price": 1.50}', '{"id": 2, "tags": ["a"]}'])
        >>> table["price"].to_pylist(), loose, table["tags"].to_pylist()
        (['1.50', None], frozenset({'price'}), [None, ['a']])
    """
    rows = [dict(_flat("", one, nested=nested)) for one in map(_object, texts) if one is not None]
    names = list(dict.fromkeys(name for row in rows for name in row))
    made = {name: _column([row.get(name) for row in rows], nested=nested) for name in names}
    sorts = (frozenset(name for name in names if made[name][1] == sort) for sort in ("numbers", "mixed", "written"))
    return Columns(pa.table({name: values for name, (values, _) in made.items()}), *sorts)


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text, parse_float=_Number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None


def _flat(outer: str, found: Mapping[str, Any], *, nested: bool) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if nested and isinstance(value, Mapping):
            yield from _flat(f"{outer}{name}_", value, nested=nested)
        else:
            yield outer + name, value


def _column(values: list[Any], *, nested: bool) -> tuple[pa.Array, str]:
    present = [one for one in values if one is not None]
    if nested and any(present) and all(_is_list_of_objects(one) for one in present):
        return pa.array([None if one is None else _text(one) for one in values], pa.string()), "written"
    if any(isinstance(one, _Number) for one in present) and all(_is_number(one) for one in present):
        return pa.array([None if one is None else str(one) for one in values], pa.string()), "numbers"
    try:
        return pa.array(values), ""
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if one is None else _text(one) for one in values], pa.string()), "mixed"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and (not value or any(isinstance(one, Mapping) for one in value))


def _is_number(value: Any) -> bool:
    return isinstance(value, _Number) or (isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
