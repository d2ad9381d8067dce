"""What a document of the standard must be, as far as declarations are made of it: keys, kinds of values, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from headrace.contracts.names import table_name
from headrace.contracts.odcs.read import Document, Steps, parsed
from headrace.declare.base import relative
from headrace.declare.fields import NO_COLUMN, is_column
from headrace.errors import Fault, HeadraceError, nearest

VERSION = "v3.1.0"
VERSIONS = (VERSION, "v3.0.2", "v3.0.1", "v3.0.0")
"""What is read: v3.1 took nothing out of v3.0, whose documents its schema accepts as they are."""
LOGICAL = ("string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean")

_WORDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "a whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "a list": lambda value: isinstance(value, list),
    "a list of keys and values": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "keys and values": lambda value: isinstance(value, dict),
    "keys and values, or a list": lambda value: isinstance(value, dict | list),
}


def _level(**names: str) -> dict[str, str]:
    return {key: _KINDS[kind] for kind, keys in names.items() for key in keys.split()}


_KINDS = {
    "text": "text",
    "truth": "true or false",
    "whole": "a whole number",
    "listed": "a list",
    "rows": "a list of keys and values",
    "keys": "keys and values",
    "team": "keys and values, or a list",
}


_ELEMENT = _level(
    text="id name physicalType description businessName physicalName logicalType",
    listed="tags",
    rows="authoritativeDefinitions customProperties quality relationships properties",
)
_DOCUMENT = _level(
    text="version kind apiVersion id name tenant status dataProduct domain slaDefaultElement contractCreatedTs",
    listed="tags",
    rows="servers schema support roles slaProperties authoritativeDefinitions customProperties",
    keys="description price",
    team="team",
)
_OBJECT = _ELEMENT | _level(text="dataGranularityDescription")
_PROPERTY = _ELEMENT | _level(
    text="classification encryptedName transformLogic transformDescription",
    truth="primaryKey required unique partitioned criticalDataElement",
    whole="primaryKeyPosition partitionKeyPosition",
    listed="transformSourceObjects examples",
    keys="logicalTypeOptions items",
)
_NEEDED = ("version", "apiVersion", "kind", "id", "status")


def read_document(path: Path) -> Document:
    """Return the document in a file.

    Raises:
        HeadraceError: HR-ODCS-001 the file cannot be read, 002 it is not YAML or holds what no document can hold, 003
            to 008 it is no document of the standard, or one that Python cannot declare (all faults at once).
    """
    file = relative(str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        found, cure = f"{path.name}: {error.strerror or error}", "name the file of a data contract"
        raise HeadraceError(Fault("HR-ODCS-001", file, found, "a file that can be read", cure)) from error
    document = parsed(content, file)
    faults = _faults(document)
    if faults:
        raise HeadraceError(faults)
    return document


def _faults(document: Document) -> list[Fault]:
    """Return everything that keeps a document from being read as one of the standard."""
    data = document.data
    if data.get("kind") != "DataContract" or "apiVersion" not in data:
        found = f"kind: {data['kind']}" if data.get("kind", "DataContract") != "DataContract" else _lacking(data)
        cure = "name a document of the Open Data Contract Standard, which has both"
        return [Fault("HR-ODCS-003", document.place("kind"), found, "kind: DataContract and an apiVersion", cure)]
    if data["apiVersion"] not in VERSIONS:
        cure = f"bring the document to {VERSION}; the standard's change log says what was renamed"
        found = f"apiVersion: {data['apiVersion']}"
        return [Fault("HR-ODCS-004", document.place("apiVersion"), found, f"one of {', '.join(VERSIONS)}", cure)]
    faults = [
        Fault("HR-ODCS-003", document.place(), f"no {key}", f"the keys {', '.join(_NEEDED)}", f"write {key}: …")
        for key in _NEEDED
        if key not in data
    ]
    faults += _level_faults(document, (), data, _DOCUMENT)
    return faults or [*_objects(document, data.get("schema", []))]


def _lacking(data: Mapping[str, Any]) -> str:
    return " and ".join(f"no {key}" for key in ("kind", "apiVersion") if key not in data)


def _level_faults(document: Document, path: Steps, values: Mapping[str, Any], known: Mapping[str, str]) -> list[Fault]:
    faults = []
    for key, value in values.items():
        place = document.place(*path, key)
        if key not in known:
            found = f"the key {key}"
            faults.append(Fault("HR-ODCS-005", place, found, f"a key of the standard {VERSION}", nearest(key, known)))
        elif not _WORDS[known[key]](value):
            faults.append(_kind_fault(place, key, value, known[key]))
    return faults


def _kind_fault(place: str, key: str, value: Any, expected: str) -> Fault:
    scalar = isinstance(value, bool | int | float)
    shown = (
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}" if scalar else f"{key}: {_shown(value)}"
    )
    cure = f'write {key}: "{value}", in quotes' if scalar and expected == "text" else f"write {expected} after {key}:"
    return Fault("HR-ODCS-006", place, shown, expected, cure)


def _shown(value: Any) -> str:
    kinds = {dict: "keys and values", list: "a list", type(None): "nothing"}
    return kinds.get(type(value)) or repr(value)[:60]


def _objects(document: Document, objects: list[dict[str, Any]]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for at, one in enumerate(objects):
        path = ("schema", at)
        yield from _named(document, path, one)
        yield from _level_faults(document, path, one, _OBJECT)
        name = one.get("name")
        if not isinstance(name, str):
            continue
        if not table_name(name):
            found, cure = f"an object named {name!r}", "name it in letters, digits and underscores"
            yield Fault("HR-ODCS-007", document.place(*path, "name"), found, "a name that a table can have", cure)
        yield from _once(document, (*path, "name"), name, table_name(name), seen)
        yield from _properties(document, path, one, of_table=True)


def _properties(document: Document, path: Steps, one: Mapping[str, Any], of_table: bool) -> Iterator[Fault]:
    given = one.get("properties", [])
    seen: dict[str, str] = {}
    for at, below in enumerate(given) if _WORDS["a list of keys and values"](given) else ():
        here = (*path, "properties", at)
        yield from _named(document, here, below)
        yield from _property(document, here, below)
        name = below.get("name")
        if of_table and isinstance(name, str):
            yield from _column(document, (*here, "name"), name)
            yield from _once(document, (*here, "name"), name, name, seen)


def _property(document: Document, path: Steps, one: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _level_faults(document, path, one, _PROPERTY)
    logical = one.get("logicalType", "string")
    if isinstance(logical, str) and logical not in LOGICAL:
        place, found = document.place(*path, "logicalType"), f"logicalType: {logical}"
        yield Fault("HR-ODCS-006", place, found, f"one of {', '.join(LOGICAL)}", nearest(logical, LOGICAL))
    yield from _properties(document, path, one, of_table=False)
    if isinstance(one.get("items"), dict):
        yield from _property(document, (*path, "items"), one["items"])


def _named(document: Document, path: Steps, one: Mapping[str, Any]) -> Iterator[Fault]:
    if "name" not in one:
        what = "a table" if len(path) == 2 else "a column"
        yield Fault("HR-ODCS-003", document.place(*path), f"{what} without a name", "a name", "write name: …")


def _column(document: Document, path: Steps, name: str) -> Iterator[Fault]:
    if not is_column(name):
        expected = f"a name that a column can have: text without blanks and without {NO_COLUMN}"
        cure = "rename it; physicalName can tell what it is called elsewhere"
        yield Fault("HR-ODCS-007", document.place(*path), f"a property named {name!r}", expected, cure)


def _once(document: Document, path: Steps, name: str, as_declared: str, seen: dict[str, str]) -> Iterator[Fault]:
    place = document.place(*path)
    if as_declared in seen:
        found = f"the name {name!r} a second time ({seen[as_declared]})"
        yield Fault("HR-ODCS-008", place, found, "one name for one thing", "rename one of them")
    seen.setdefault(as_declared, place)
