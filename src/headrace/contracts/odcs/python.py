"""A document as Python: a class for each table, and what it is read from, as a person would write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.contracts.as_python import (
    argument_python,
    assigned_python,
    call_python,
    classes_python,
    doc_python,
    mapping_python,
    text_python,
)
from headrace.contracts.names import class_name, table_name, variable_name
from headrace.contracts.odcs.export import owner_of
from headrace.contracts.odcs.fields import field_of
from headrace.contracts.odcs.loading import loading, usual_source
from headrace.contracts.odcs.promised import promised, told
from headrace.contracts.odcs.read import Document, Steps
from headrace.declare.fields import Field
from headrace.errors import Fault

_STREAMS = ("stream", "topic")


@dataclass(frozen=True)
class Imported:
    """What a document became.

    Args:
        python: text of a Python file, formatted.
        streams, tables: names that it declares.
        warnings: what of the document is kept and not checked.
    """

    python: str
    streams: tuple[str, ...]
    tables: tuple[str, ...]
    warnings: tuple[Fault, ...]


def imported(document: Document, path: str) -> Imported:
    """Return the declarations that a document is.

    Args:
        document: as read.
        path: of the document, relative to the project's folder: an export finds there what Python has no words for.

    Example:
        >>> from headrace.contracts.odcs.read import parsed
        >>> data = "{version: 1.0.0, id: a, schema: [{name: Orders, properties: [{name: id, primaryKey: true}]}]}"
        >>> print(imported(parsed(data, "orders.yaml"), "orders.yaml").python)
        \"\"\"Data contract a 1.0.0, imported from orders.yaml, which keeps what is not said here.\"\"\"
        <BLANKLINE>
        import headrace as hr
        <BLANKLINE>
        <BLANKLINE>
        class Orders(hr.Contract):
            id: str = hr.key()
        <BLANKLINE>
        <BLANKLINE>
        orders = hr.Table("orders", Orders, source="data/orders*")
        <BLANKLINE>
        sources = [orders]
        documents = ["orders.yaml"]
        <BLANKLINE>
    """
    every = document.data.get("schema", [])
    objects = [one for one in every if one.get("properties")]
    names = [table_name(one["name"]) for one in objects]
    classes: list[str] = []
    for name in names:
        classes.append(class_name(name, classes))
    fields = [[field_of(have)[0] for have in one.get("properties", [])] for one in objects]
    streams = [_is_stream(one, have) for one, have in zip(objects, fields, strict=True)]
    taken = list(classes)
    rules = [
        list(each.rules.values())
        for one, each in zip(every, promised(document.data), strict=True)
        if one.get("properties")
    ]
    parts = [
        part
        for name, one, have, more in zip(classes, objects, fields, rules, strict=True)
        for part in classes_python(name, one.get("description", ""), [(field, ()) for field in have], taken, more)
    ]
    declared = [
        _declaration(name, made, stream, loading(one, stream), owner_of(document.data, one))
        for name, made, stream, one in zip(names, classes, streams, objects, strict=True)
    ]
    end = [
        assigned_python("sources", [variable_name(name) for name in names]),
        assigned_python("documents", [text_python(path)]),
    ]
    head = [_head(document, path), *(["import headrace as hr"] if objects else [])]
    blocks = ["\n\n".join(head), *parts, "\n\n".join(["\n".join(declared), *["\n".join(end)]] if declared else end)]
    return Imported(
        ("\n\n\n" if objects else "\n\n").join(blocks) + "\n",
        tuple(name for name, stream in zip(names, streams, strict=True) if stream),
        tuple(name for name, stream in zip(names, streams, strict=True) if not stream),
        tuple(_warnings(document, every)),
    )


def _head(document: Document, path: str) -> str:
    told = f"Data contract {document.data['id']} {document.data['version']}, imported from {path}"
    return doc_python(f"{told}, which keeps what is not said here.", "")


def _is_stream(one: Mapping[str, Any], fields: list[Field]) -> bool:
    """Only an event time makes a stream, and the standard has no word for it but ours."""
    return one.get("physicalType") in _STREAMS and any(field.role == "event_time" for field in fields)


def _declaration(name: str, made: str, stream: bool, said: Mapping[str, Any], owner: str) -> str:
    given = [text_python(name), made]
    usual: dict[str, Any] = {} if "query" in said else {"source": usual_source(name)}
    given += [
        mapping_python(word, value) if isinstance(value, dict) else argument_python(word, value)
        for word, value in (usual | dict(said)).items()
    ]
    given += [argument_python("owner", owner)] if owner else []
    return call_python(f"{variable_name(name)} = hr.{'Stream' if stream else 'Table'}", given, "")


def _warnings(document: Document, objects: list[dict[str, Any]]) -> Iterator[Fault]:
    """Tell what is kept in the document and what no contract checks; whoever relies on it must know."""
    if not objects:
        cure = "nothing: the document is kept and exported as it is"
        yield Fault("HR-ODCS-009", document.place(), "no tables", "a schema, to declare", cure, "warning")
    for at, one in enumerate(objects):
        if not one.get("properties"):
            yield _kept(document, ("schema", at), f"{one['name']}, without properties")
        for below, have in enumerate(one.get("properties", [])):
            for key, why in field_of(have)[1].items():
                path: Steps = ("schema", at, "properties", below, *key.split(".")[:2])
                yield _kept(document, path, f"{key} of {have['name']}: {why}")
    for each in promised(document.data):
        for path, what, why in told(each.left, document.data):
            yield _kept(document, path, f"{what}: {why}")


def _kept(document: Document, path: Steps, found: str) -> Fault:
    cure = "nothing, if that will do: it is kept in the document"
    return Fault("HR-ODCS-009", document.place(*path), found, "what a contract can check", cure, "warning")
