"""Documents to rows: nested ones flattened by rule, each a text of JSON that keeps every value as it was.

What a contract asks for is looked for in the document under its name, or as ``outer_inner``. A value keeps its kind, so
that the contract judges each row: a text where a number is meant is refused there, with the row beside it.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from headrace.contracts.written import Literal
from headrace.declare import Contract

_EXACT = 2**53
_UUID = 4
"""The kind of bytes that are a UUID in MongoDB."""
_DEEPEST = 200
"""Levels of a value; MongoDB has 100."""
TOO_DEEP = json.dumps("a document that is nested too deeply")
"""The text of a row that nobody can take: no object, as which the contract refuses it."""


class Pairs(list[tuple[str, Any]]):
    """An object of JSON as it was written: a field that is there twice stays so."""

    __slots__ = ()


Unknown = Callable[[Any], Any]
"""What a value becomes that is of no kind known here."""


def unknown(value: Any) -> Any:
    """Refuse a value of Python that JSON has no form for."""
    raise TypeError(type(value).__name__)


class Shape:
    r"""How documents become rows of a contract.

    Args:
        contract: whose fields are looked for; others are left out.
        names: of these fields only.
        other: what becomes of values that JSON has no form for.

    Example:
        >>> import headrace as hr
        >>> class Order(hr.Contract):
        ...     customer_id: int
        ...     lines: str
        >>> Shape(Order).text({"customer": {"id": 7, "name": "A"}, "lines": [{"sku": 1}]})
        '{"customer_id":7,"lines":"[{\\"sku\\":1}]"}'
    """

    def __init__(self, contract: type[Contract], names: Iterable[str] | None = None, other: Unknown = unknown) -> None:
        fields = contract.fields()
        self._texts = {name: fields[name].type.name == "str" for name in (fields if names is None else names)}
        self._outer = {name[: at + 1] for name in self._texts for at, letter in enumerate(name) if letter == "_"}
        self._other = other

    @property
    def tops(self) -> list[str]:
        """Names that a field of a document may have, at its top, in which something is looked for."""
        return sorted({*self._texts, *(one[:-1] for one in self._outer if len(one) > 1)})

    def text(self, document: Any) -> str:
        """Return the row that a document is; a field that it gives in two ways is in it twice, and so refused.

        What is no document is handed on as it is: the contract tells that it is no row.
        """
        try:
            if not is_object(document):
                return json_text(document, self._other)
            found = [f"{json.dumps(name)}:{self._written(name, value)}" for name, value in self._taken("", document)]
        except RecursionError:
            return TOO_DEEP
        return "{" + ",".join(found) + "}"

    def _taken(self, outer: str, document: Any) -> Iterator[tuple[str, Any]]:
        for name, value in _pairs(document):
            full = outer + name
            if full in self._texts:
                yield full, value
            elif is_object(value) and f"{full}_" in self._outer:
                yield from self._taken(f"{full}_", value)

    def _written(self, name: str, value: Any) -> str:
        text = json_text(value, self._other)
        return json.dumps(text) if self._texts[name] and _has_objects(value) else text


def _has_objects(value: Any) -> bool:
    """Whether a value is an object, or a list that holds some or may hold some: all that no column has a form for."""
    return is_object(value) or (isinstance(value, list) and (not value or any(is_object(one) for one in value)))


def is_object(value: Any) -> bool:
    """Return whether a value is an object of JSON."""
    return isinstance(value, Pairs | Mapping)


def _pairs(document: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(document, Mapping):
        return [(str(name), value) for name, value in document.items()]
    pairs: Iterable[tuple[str, Any]] = document
    return pairs


def at(document: Any, path: Iterable[str]) -> Any:
    """Return what a document has at a path, None where it has nothing there.

    Example:
        >>> at({"a": {"b": 1}}, ["a", "b"]), at({"a": 2}, ["a", "b"])
        (1, None)
    """
    for name in path:
        if not is_object(document):
            return None
        document = next((value for key, value in _pairs(document) if key == name), None)
    return document


def json_text(value: Any, other: Unknown = unknown, depth: int = 0) -> str:
    r"""Return a value as JSON: times in ISO 8601, decimals and whole floats as numbers, bytes as Base64.

    Raises:
        RecursionError: for what is nested too deeply.
        TypeError: from ``other``, for a value that JSON has no form for.

    Example:
        >>> json_text([1.0, None, True, decimal.Decimal("2.50"), datetime.date(2026, 1, 31), "ö"])
        '[1,null,true,2.50,"2026-01-31","\\u00f6"]'
    """
    if depth > _DEEPEST:
        raise RecursionError
    match value:
        case None:
            return "null"
        case Literal():
            return value
        case str():
            return json.dumps(str(value))
        case bool():
            return "true" if value else "false"
        case enum.Enum():
            return json_text(value.value, other, depth)
        case int():
            return int.__repr__(value)
        case float():
            return _of_float(value)
        case Pairs() | Mapping():
            inner = (f"{json.dumps(name)}:{json_text(one, other, depth + 1)}" for name, one in _pairs(value))
            return "{" + ",".join(inner) + "}"
        case list() | tuple():
            return "[" + ",".join(json_text(one, other, depth + 1) for one in value) + "]"
    plain = _plain(value)
    return json_text(other(value) if plain is None else plain, other, depth + 1)


def _plain(value: Any) -> Any:
    """Return a value of a class that is not JSON's as one that is, None where it is of no class known here."""
    match value:
        case decimal.Decimal():
            return Literal(str(value)) if value.is_finite() else str(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return _of_time(value)
        case uuid.UUID():
            return str(value)
        case bytes() | bytearray() | memoryview():
            is_uuid = getattr(value, "subtype", None) == _UUID
            return str(uuid.UUID(bytes=bytes(value))) if is_uuid else base64.b64encode(value).decode()
    return None


def _of_float(value: float) -> str:
    """A whole number is one however it is stored: drivers and data frames make floats of integers."""
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(float(value))
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _of_time(value: Any) -> Any:
    text = value.isoformat()
    return Literal("null") if text == "NaT" else text.replace("+00:00", "Z")
