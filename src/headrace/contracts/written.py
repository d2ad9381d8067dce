"""JSON as it was written: numbers with the digits that they have, and each field under its name of the contract."""

from __future__ import annotations

import json
from typing import Any

from headrace.declare import Contract


class Literal(str):
    """A number of JSON with the digits that it has."""

    __slots__ = ()


def as_written(text: str) -> Any:
    """Return what a text of JSON holds, its numbers as they stand there.

    Raises:
        ValueError: for what is not JSON.
    """
    return json.loads(text, parse_float=Literal, parse_int=Literal, parse_constant=Literal)


def said(value: Any) -> str:
    """Return a value as JSON, numbers with the digits that they have.

    Example:
        >>> said(as_written('{"a": [1.50, 1e2, "ö", null]}'))
        '{"a": [1.50, 1e2, "ö", null]}'
    """
    match value:
        case Literal():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_plain(key)}: {said(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(said, value)) + "]"
    return _plain(value)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written: JSON may name half a letter, which no file of text can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def under_fields(row: dict[str, Any], contract: type[Contract]) -> dict[str, Any]:
    """Return an object as its source names it under the names of a contract's fields.

    What the contract does not read stays, unless it is called like a field that is read from another column.
    """
    outside = contract.outside
    columns = outside.fields()
    fields = {outside.field_of(name) for name in columns}
    return {outside.field_of(name): value for name, value in row.items() if name in columns or name not in fields}


def _plain(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if is_unicode(text) else json.dumps(value)
