"""In what order MongoDB has the values of a cursor: kind by kind, and it compares only values of one kind."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Sequence
from typing import Any

from headrace.declare import Field

_TAKEN = {
    "timestamp": ("date", "string"),
    "date": ("date", "string"),
    "int": ("number",),
    "float": ("number",),
    "decimal": ("number",),
    "str": ("objectId", "string", "date"),
}
"""Kinds of MongoDB that a field of the contract may be read from; a decimal in a text has no order there."""
_ALL = ("date", "objectId", "number", "string")
_READ_AS = {"date": "moment", "number": "number", "string": "text", "objectId": "text"}
_ID = 24
_TEXTS = ("objectId", "string")


def kinds_of(field: Field | None, since: Any, is_id: Callable[[Any], bool]) -> Sequence[str]:
    """Return the kinds that the values of a cursor may have in MongoDB, the likeliest first.

    Args:
        field: of the contract that is the cursor, if one is.
        since: the last value of an earlier run, which decides where the field leaves it open.
        is_id: whether a text may be an ``ObjectId``.

    Example:
        >>> import headrace as hr
        >>> class Sale(hr.Contract):
        ...     at: hr.Timestamp
        >>> kinds_of(Sale.fields()["at"], None, str.isalnum), kinds_of(Sale.fields()["at"], 7, str.isalnum)
        (('date', 'string'), ('date', 'string'))
    """
    taken = _ALL if field is None else _TAKEN.get(field.type.name, _ALL)
    match since:
        case None:
            return taken
        case str():
            known: tuple[str, ...] = _TEXTS if len(since) == _ID and is_id(since) else ("string",)
        case datetime.date():
            known = ("date",)
        case _:
            known = ("number",)
    return [one for one in known if one in taken] or taken


class Order:
    """The values of a cursor of one kind, in the order in which MongoDB has them.

    Args:
        name: of the cursor, ``outer.inner`` of a nested field.
        kind: ``date``, ``number``, ``string`` or ``objectId``.
        bson: the library of the driver.
    """

    def __init__(self, name: str, kind: str, bson: Any) -> None:
        self._name, self._of, self._bson = name, kind, bson
        self.kind = _READ_AS[kind]

    def value(self, found: Any) -> Any:
        """Return what a document has, None where it is of another kind."""
        kind = type(found).__name__
        match self._of:
            case "objectId":
                return str(found) if kind == "ObjectId" else None
            case "string":
                return found if kind == "str" else None
            case "date":
                return found if kind == "datetime" else None
        return found.to_decimal() if kind == "Decimal128" else found if kind in ("int", "float", "Int64") else None

    def since(self, value: Any) -> dict[str, Any]:
        """Return the filter of documents from a value on, and of all that have no place in the order.

        MongoDB leaves out what it cannot compare, so that it would never be read: each such document comes each time.
        """
        stored = self._stored(value)
        if stored is None:
            return {}
        outer = self._name.split(".")
        within = [".".join(outer[: count + 1]) for count in range(len(outer))]
        astray: list[dict[str, Any]] = [{self._name: {"$not": {"$type": self._of}}}]
        astray += [{one: {"$type": "array"}} for one in within]
        if self._of == "number":
            astray.append({self._name: {"$in": [float("nan"), float("-inf")]}})
        elif self._of == "date":
            first = datetime.datetime.min.replace(tzinfo=datetime.UTC)
            astray.append({self._name: {"$lt": first}})
        return {"$or": [{self._name: {"$gte": stored}}, *astray]}

    def _stored(self, value: Any) -> Any:
        """Return a value as MongoDB has it, None for one of another kind: it knows no date without a time."""
        match self._of, value:
            case "date", datetime.datetime():
                return value
            case "date", datetime.date():
                return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
            case "number", decimal.Decimal():
                return self._bson.Decimal128(value)
            case ("number", int()) | ("string", str()):
                return value
            case "objectId", str():
                return self._bson.ObjectId(value) if self._bson.ObjectId.is_valid(value) else None
        return None
