"""A first project, written from what was found: contracts with what was guessed told beside it."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.connect.survey import Found, Survey
from headrace.contracts.as_python import (
    assigned_python,
    call_python,
    classes_python,
    comment_python,
    doc_python,
    mapping_python,
    text_python,
)
from headrace.contracts.names import class_name, variable_name

_HEAD = (
    "Written by 'headrace init --from' from a look at the data. What a comment calls a guess, correct; then delete the "
    "comment. 'headrace check' tells what does not fit together, 'headrace run' loads, 'headrace query' shows what "
    "was quarantined."
)
_PROJECT = 4
"""Blanks of an argument that has a line of its own."""


def project_python(name: str, survey: Survey) -> str:
    """Return the text of ``project.py``.

    Args:
        name: of the project.
        survey: what was found.
    """
    classes: list[str] = []
    for one in survey.found:
        classes.append(class_name(one.name.removesuffix("s") or one.name, classes))
    address = survey.found[0].address if survey.kind != "files" else ""
    head = [doc_python(f"The project {name}: what its data is, declared once.", ""), "", *comment_python(_HEAD), ""]
    head += ["import headrace as hr"] + (["", f"ORIGIN = {text_python(address)}"] if address else [])
    taken = list(classes)
    bodies = [part for one, made in zip(survey.found, classes, strict=True) for part in _classes(one, made, taken)]
    declared = [_declared(one, made, survey.kind) for one, made in zip(survey.found, classes, strict=True)]
    names = [variable_name(one.name) for one in survey.found]
    end = call_python(
        "project = hr.Project", [text_python(name), assigned_python("sources=", names).replace(" = ", "", 1)]
    )
    if len(end) > 4 * 120 or "\n" in end:
        end = f"{assigned_python('sources', names)}\nproject = hr.Project({text_python(name)}, sources=sources)"
    return "\n\n\n".join(["\n".join(head), *bodies, "\n".join(declared) + f"\n\n{end}\n"])


def _classes(one: Found, made: str, taken: list[str]) -> Iterator[str]:
    """The contract of a stream or table behind those that it nests; the notes on it stand above it."""
    *nested, own = classes_python(made, one.doc, [(guess.field, guess.notes) for guess in one.fields], taken)
    yield from nested
    told = [line for note in one.notes for line in comment_python(note)]
    told += [line for left in one.left_out for line in comment_python(f"Left out, {left}.")]
    yield "\n".join([*told, own])


def _declared(one: Found, made: str, kind: str) -> str:
    what = "Stream" if one.stream else "Table"
    given = [text_python(one.name), made, f"source={_source(one, kind)}"]
    given += [mapping_python("columns", one.columns)] if one.columns else []
    return call_python(f"{variable_name(one.name)} = hr.{what}", given)


def _source(one: Found, kind: str) -> str:
    if kind == "files":
        return text_python(one.address)
    named = {"Collection": "name", "Api": "rows"}.get(kind, "table")
    given = [f"{named}={text_python(one.table)}"] if one.table else []
    given += [f"pages={text_python(one.pages)}"] if one.pages else []
    given += [mapping_python("params", one.params)] if one.params else []
    given += [f"cursor={text_python(one.cursor)}"] if one.cursor else []
    return f"hr.{kind}({', '.join(['ORIGIN', *given])})" if given else "ORIGIN"
