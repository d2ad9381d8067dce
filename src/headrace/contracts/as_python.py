"""Declarations as Python: classes, fields and calls as a person would write them, and formatters leave them."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.contracts.names import attribute_name, class_name, table_name
from headrace.declare.fields import Field
from headrace.declare.promises import written
from headrace.declare.rules import LAST, REJECT, WARN, Rule
from headrace.types import LogicalType

WIDTH = 120
_PLACED = ("name", "type", "role", "inner", "place")
"""What of a field stands elsewhere than among its arguments."""
_FIRST = {"check": "condition", "unique": "of", "reference": "of", "fresh": "within", "distribution": "of"}
"""What of a rule is said without a name."""
_ARGUMENT = 8
"""How far an argument of a field is indented, where it has a line of its own."""


def class_python(
    name: str,
    doc: str,
    fields: Iterable[tuple[Field, Iterable[str]]],
    nested: Mapping[str, str] | None = None,
    rules: Iterable[Rule] = (),
) -> str:
    """Return a contract as a class; above each field stand the notes on it, as comments.

    Args:
        name: of the class.
        doc: its docstring.
        fields: with notes on each.
        nested: names of the classes that fields nest, by field.
        rules: what it promises beyond these.

    Example:
        >>> from headrace.types import INT
        >>> print(class_python("Order", "", [(Field(name="id", type=INT, role="key"), ["a serial number"])]))
        class Order(hr.Contract):
            # a serial number
            id: int = hr.key()
    """
    fields, rules = list(fields), list(rules)
    lines = [f"class {name}(hr.Contract):"]
    if doc.strip():
        lines += [doc_python(doc, "    "), *([""] if fields else [])]
    taken = {field.name for field, _ in fields} | {rule.name for rule in rules}
    for field, notes in fields:
        written_as = attribute_name(field.name, taken)
        taken.add(written_as)
        for note in notes:
            lines += comment_python(note, "    ")
        lines.append(_field(field, written_as, (nested or {}).get(field.name, "")))
    lines += [""] if fields and rules else []
    lines += [_rule(rule) for rule in rules]
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])


def classes_python(
    name: str,
    doc: str,
    fields: Sequence[tuple[Field, Iterable[str]]],
    taken: list[str],
    rules: Iterable[Rule] = (),
) -> list[str]:
    """Return the classes that a contract nests, each before the one that needs it, and its own.

    Args:
        name, doc, fields, rules: as of ``class_python``.
        taken: names of classes; those of the nested ones are added.
    """
    found: list[str] = []
    nested: dict[str, str] = {}
    for one, _ in fields:
        if one.inner:
            nested[one.name] = class_name(f"{name}_{table_name(one.name) or 'item'}", taken)
            taken.append(nested[one.name])
            found += classes_python(nested[one.name], "", [(inner, ()) for inner in one.inner], taken)
    return [*found, class_python(name, doc, fields, nested, rules)]


def comment_python(text: str, indent: str = "") -> list[str]:
    """Return a text as lines of comment."""
    plain = _printed(" ".join(text.split()))
    return [f"{indent}# {line}" for line in textwrap.wrap(plain, WIDTH - len(indent) - 2, break_long_words=False)]


def nested_python(kind: LogicalType, name: str) -> str:
    """Return a type that nests a contract as an annotation says it.

    Example:
        >>> from headrace.types import INT, list_of
        >>> nested_python(list_of(LogicalType("struct", fields=(("n", INT),))) | None, "Line")
        'list[Line] | None'
    """
    inner = name if kind.item is None else f"list[{nested_python(kind.item, name)}]"
    return f"{inner} | None" if kind.nullable else inner


def _field(field: Field, written_as: str, nested: str) -> str:
    arguments = [(one.name, getattr(field, one.name)) for one in dataclasses.fields(field) if one.name not in _PLACED]
    default = Field()
    given = [f"name={text_python(field.name)}"] if written_as != field.name else []
    given += [argument_python(name, value) for name, value in arguments if value != getattr(default, name)]
    begin = f"    {written_as}: {nested_python(field.type, nested) if nested else written(field.type)}"
    if not given and not field.role:
        return begin
    if given == ["default=None"]:
        return f"{begin} = None"
    return call_python(f"{begin} = hr.{field.role or 'field'}", given, "    ")


def _rule(rule: Rule) -> str:
    """A rule as its maker is called: columns and conditions stand first, all that is as usual is left out."""
    said = rule.meaning()
    kind = said.pop("rule")
    first = said.pop(_FIRST[kind]) if kind in _FIRST else []
    given = [_literal(one) for one in (first if isinstance(first, list) else [first])]
    usual = {"last": LAST, "severity": REJECT if rule.of_rows else WARN}
    said["severity"] = said.pop("severity")  # last, as one writes it
    given += [argument_python(word, one) for word, one in said.items() if usual.get(word) != one]
    return call_python(f"    {rule.name} = hr.{kind}", given, "    ")


def assigned_python(name: str, items: list[str]) -> str:
    """Return a list of names, assigned to one."""
    return _listed(f"{name} = ", items, "")


def mapping_python(name: str, mapping: Mapping[str, str], indent: str = "    ") -> str:
    """Return an argument of a call that maps texts to texts, as it stands on a line of its own behind an indent.

    Example:
        >>> mapping_python("columns", {"customer_id": "Customer ID"})
        'columns={"customer_id": "Customer ID"}'
    """
    pairs = [f"{text_python(key)}: {text_python(value)}" for key, value in mapping.items()]
    short = f"{name}={{{', '.join(pairs)}}}"
    if len(indent) + len(short) + 1 <= WIDTH:
        return short
    return "\n".join([f"{name}={{", *(f"{indent}    {one}," for one in pairs), f"{indent}}}"])


def call_python(begin: str, given: list[str], indent: str = "") -> str:
    """Return a call, on one line where it fits."""
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


def argument_python(name: str, value: Any) -> str:
    """Return one argument of a call, as it stands on a line of its own; a long text is cut into parts."""
    short = f"{name}={_literal(value)}"
    if len(short) + _ARGUMENT + 1 <= WIDTH or not isinstance(value, str | tuple):
        return short
    if isinstance(value, tuple):
        return _listed(f"{name}=", [_literal(one) for one in value], " " * _ARGUMENT)
    inner = " " * (_ARGUMENT + 4)
    whole = len(inner) + len(text_python(value)) <= WIDTH
    parts = [value] if whole else _cut(value, WIDTH - len(inner) - 2)
    lines = [f"{inner}{text_python(part)}" for part in parts]
    return "\n".join([f"{name}=(", *lines, " " * _ARGUMENT + ")"]) if whole or len(parts) > 1 else short


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return text_python(value) if isinstance(value, str) else repr(value)


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


def text_python(text: str) -> str:
    """A text in the quotes that need fewer escapes, double ones by preference, as formatters write it."""
    shown = repr(str(text))
    body = shown[1:-1].replace("\\'", "'") if shown[0] == "'" else shown[1:-1]
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + body.replace(quote, f"\\{quote}") + quote


def doc_python(text: str, indent: str) -> str:
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
