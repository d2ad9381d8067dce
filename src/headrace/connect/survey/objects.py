"""Objects of JSON as columns to look at: lists as lists, and what is nested as objects of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headrace.declare.fields import is_inner

_MOST = 100
"""Names that objects of one column have between them; with more they are rather keys, whose values are data."""
_DEEPEST = 20
"""Levels that are looked at."""


class _Number(str):
    """A number with a point, as it was written."""

    __slots__ = ()


@dataclass(frozen=True)
class Objects:
    """Objects as columns.

    Args:
        rows: of the columns; of one that nests objects the JSON of each, as text.
        loose: columns that hold numbers as text, so that no digit is lost.
        mixed: columns of several types.
        within: of columns that nest objects, by themselves or in lists, these objects.
        listed: those of them that hold lists.
    """

    rows: pa.Table
    loose: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    within: Mapping[str, Objects] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()


def objects_of(texts: Iterable[str]) -> Objects:
    """Return objects as columns to look at.

    Args:
        texts: of JSON; what is no object is passed over.

    Example:
        >>> found = objects_of(['{"id": 1, "price": 1.50}', '{"id": 2, "tags": ["a"], "to": {"city": "Rome"}}'])
        >>> found.rows["price"].to_pylist(), found.loose, found.rows["tags"].to_pylist()
        (['1.50', None], frozenset({'price'}), [None, ['a']])
        >>> found.within["to"].rows.to_pylist()
        [{'city': 'Rome'}]
    """
    return _objects([one for one in map(_object, texts) if one is not None], 0)


def _objects(found: Sequence[Mapping[str, Any]], depth: int) -> Objects:
    names = list(dict.fromkeys(name for row in found for name in row))
    columns: dict[str, pa.Array] = {}
    sorts: dict[str, str] = {}
    within: dict[str, Objects] = {}
    for name in names:
        values = [row.get(name) for row in found]
        inner, sort = _nested(values) if depth < _DEEPEST else ([], "")
        if inner:
            within[name] = _objects(inner, depth + 1)
            texts = [None if one is None else json.dumps(one) for one in values]
            columns[name], sorts[name] = pa.array(texts, pa.string()), sort
        else:
            columns[name], sorts[name] = _column(values)
    chosen = {sort: frozenset(name for name in names if sorts[name] == sort) for sort in ("numbers", "mixed", "listed")}
    return Objects(pa.table(columns), chosen["numbers"], chosen["mixed"], within, chosen["listed"])


def _nested(values: Sequence[Any]) -> tuple[list[Mapping[str, Any]], str]:
    """The objects that a column nests, none where it holds anything else; names that vary by row are no fields."""
    present = [one for one in values if one is not None and one != []]
    listed = bool(present) and all(isinstance(one, list) for one in present)
    inner = [one for have in present for one in have] if listed else present
    if not inner or not all(isinstance(one, Mapping) for one in inner):
        return [], ""
    names = {name for one in inner for name in one}
    if len(names) > _MOST or any(name.startswith("$") for name in names) or not any(map(is_inner, names)):
        return [], ""
    return inner, "listed" if listed else "nested"


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text, parse_float=_Number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None


def _column(values: list[Any]) -> tuple[pa.Array, str]:
    present = [one for one in values if one is not None]
    if any(isinstance(one, _Number) for one in present) and all(_is_number(one) for one in present):
        return pa.array([None if one is None else str(one) for one in values], pa.string()), "numbers"
    try:
        made = pa.array([_measured(one) for one in values])
        return (made, "") if not _holds_struct(made.type) else (_texts(values), "mixed")
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts(values), "mixed"


def _measured(value: Any) -> Any:
    """Numbers of a list as such; of one that stands by itself the digits are looked at."""
    if isinstance(value, list):
        return [float(one) if isinstance(one, _Number) else _measured(one) for one in value]
    return value


def _texts(values: list[Any]) -> pa.Array:
    return pa.array([None if one is None else _text(one) for one in values], pa.string())


def _holds_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or (pa.types.is_list(kind) and _holds_struct(kind.value_type))


def _is_number(value: Any) -> bool:
    return isinstance(value, _Number) or (isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
