"""A document as Python: a class for each table, and what it is read from, as a person would write it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.contracts.odcs.export import owner_of
from headrace.contracts.odcs.fields import ROWS, field_of, rules_left
from headrace.contracts.odcs.names import attribute_name, class_name, table_name, variable_name
from headrace.contracts.odcs.read import Document, Steps
from headrace.declare.fields import Field
from headrace.declare.promises import written
from headrace.errors import Fault

WIDTH = 120
_ARGUMENT = 8
"""How far an argument of a field is indented, where it has a line of its own."""
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
    objects = document.data.get("schema", [])
    names = [table_name(one["name"]) for one in objects]
    classes: list[str] = []
    for name in names:
        classes.append(class_name(name, classes))
    fields = [[field_of(have)[0] for have in one.get("properties", [])] for one in objects]
    streams = [_is_stream(one, have) for one, have in zip(objects, fields, strict=True)]
    parts = [_class(*one) for one in zip(classes, objects, fields, strict=True)]
    declared = [
        _declaration(name, made, "Stream" if stream else "Table", owner_of(document.data, one))
        for name, made, stream, one in zip(names, classes, streams, objects, strict=True)
    ]
    end = [_assigned("sources", [variable_name(name) for name in names]), _assigned("documents", [_text(path)])]
    head = [_head(document, path), *(["import headrace as hr"] if objects else [])]
    blocks = ["\n\n".join(head), *parts, "\n\n".join(["\n".join(declared), *["\n".join(end)]] if declared else end)]
    return Imported(
        ("\n\n\n" if objects else "\n\n").join(blocks) + "\n",
        tuple(name for name, stream in zip(names, streams, strict=True) if stream),
        tuple(name for name, stream in zip(names, streams, strict=True) if not stream),
        tuple(_warnings(document, objects)),
    )


def _head(document: Document, path: str) -> str:
    told = f"Data contract {document.data['id']} {document.data['version']}, imported from {path}"
    return _doc(f"{told}, which keeps what is not said here.", "")


def _is_stream(one: Mapping[str, Any], fields: list[Field]) -> bool:
    """Only an event time makes a stream, and the standard has no word for it but ours."""
    return one.get("physicalType") in _STREAMS and any(field.role == "event_time" for field in fields)


def _class(name: str, one: Mapping[str, Any], fields: list[Field]) -> str:
    doc = one.get("description", "")
    lines = [f"class {name}(hr.Contract):"]
    if doc.strip():
        lines += [_doc(doc, "    "), *([""] if fields else [])]
    taken = {field.name for field in fields}
    for field in fields:
        written_as = attribute_name(field.name, taken)
        taken.add(written_as)
        lines.append(_field(field, written_as))
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])


def _field(field: Field, written_as: str) -> str:
    arguments = [(name, getattr(field, name)) for name in ROWS if name != "role"]
    default = Field()
    given = [f"name={_text(field.name)}"] if written_as != field.name else []
    given += [_argument(name, value) for name, value in arguments if value != getattr(default, name)]
    begin = f"    {written_as}: {written(field.type)}"
    if not given and not field.role:
        return begin
    return _call(f"{begin} = hr.{field.role or 'field'}", given, "    ")


def _declaration(name: str, made: str, kind: str, owner: str) -> str:
    given = [_text(name), made, f"source={_text(f'data/{name}*')}"]
    given += [f"owner={_text(owner)}"] if owner else []
    return _call(f"{variable_name(name)} = hr.{kind}", given, "")


def _assigned(name: str, items: list[str]) -> str:
    return _listed(f"{name} = ", items, "")


def _call(begin: str, given: list[str], indent: str) -> str:
    short = f"{begin}({', '.join(given)})"
    if len(short) <= WIDTH and "\n" not in short:
        return short
    lines = [f"{indent}    {one}," for one in given]
    return "\n".join([f"{begin}(", *lines, f"{indent})"])


def _listed(begin: str, items: list[str], indent: str) -> str:
    short = f"{begin}[{', '.join(items)}]"
    if len(short) + (len(indent) + 1 if indent else 0) <= WIDTH:
        return short
    return "\n".join([f"{begin}[", *(f"{indent}    {one}," for one in items), f"{indent}]"])


def _argument(name: str, value: Any) -> str:
    """One argument of a field, as it stands on a line of its own; a long text in several parts, as one writes it."""
    short = f"{name}={_literal(value)}"
    if len(short) + _ARGUMENT + 1 <= WIDTH or not isinstance(value, str | tuple):
        return short
    if isinstance(value, tuple):
        return _listed(f"{name}=", [_literal(one) for one in value], " " * _ARGUMENT)
    inner = " " * (_ARGUMENT + 4)
    whole = len(inner) + len(_text(value)) <= WIDTH
    parts = [value] if whole else _cut(value, WIDTH - len(inner) - 2)
    lines = [f"{inner}{_text(part)}" for part in parts]
    return "\n".join([f"{name}=(", *lines, " " * _ARGUMENT + ")"]) if whole or len(parts) > 1 else short


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _cut(text: str, width: int) -> list[str]:
    """Cut a text after blanks, so that its parts together are the text."""
    parts, begin = [], 0
    while len(text) - begin > width:
        at = text.rfind(" ", begin, begin + width - 8)
        if at <= begin:
            break
        parts.append(text[begin : at + 1])
        begin = at + 1
    return [*parts, text[begin:]]


def _text(text: str) -> str:
    """A text in the quotes that need fewer escapes, double ones by preference, as formatters write it."""
    shown = repr(str(text))
    body = shown[1:-1].replace("\\'", "'") if shown[0] == "'" else shown[1:-1]
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + body.replace(quote, f"\\{quote}") + quote


def _doc(text: str, indent: str) -> str:
    """A docstring: wrapped, and with nothing in it that would end it or be read as an escape."""
    lines = [
        line
        for paragraph in text.strip().splitlines()
        for line in textwrap.wrap(
            _printed(" ".join(paragraph.split())), WIDTH - len(indent) - 6, break_long_words=False
        )
        or [""]
    ]
    body = "\n".join([lines[0], *(f"{indent}{line}" if line else "" for line in lines[1:])])
    end = f"\n{indent}" if len(lines) > 1 else (" " if body.endswith('"') else "")
    begin = " " if body.startswith('"') else ""
    return f'{indent}"""{begin}{body}{end}"""'


def _printed(line: str) -> str:
    plain = line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain)


def _warnings(document: Document, objects: list[dict[str, Any]]) -> Iterator[Fault]:
    """Tell what is kept in the document and what no contract checks; whoever relies on it must know."""
    if not objects:
        cure = "nothing: the document is kept and exported as it is"
        yield Fault("HR-ODCS-009", document.place(), "no tables", "a schema, to declare", cure, "warning")
    for at, one in enumerate(objects):
        yield from _left(document, ("schema", at), one, {})
        for below, have in enumerate(one.get("properties", [])):
            yield from _left(document, ("schema", at, "properties", below), have, field_of(have)[1])


def _left(document: Document, path: Steps, one: Mapping[str, Any], reasons: Mapping[str, str]) -> Iterator[Fault]:
    cure = "nothing, if that will do: it is kept in the document"
    for key, why in reasons.items():
        place = document.place(*path, *key.split(".")[:2])
        yield Fault(
            "HR-ODCS-009", place, f"{key} of {one['name']}: {why}", "what a contract can check", cure, "warning"
        )
    rules = rules_left(one)
    if rules:
        found = f"{rules} rule{'s' if rules > 1 else ''} of quality of {one['name']}"
        place = document.place(*path, "quality")
        yield Fault(
            "HR-ODCS-009", place, found, "bounds, sets, patterns, lengths and what may be null", cure, "warning"
        )
