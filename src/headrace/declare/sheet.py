"""How declared values look: a few aligned lines in a terminal, a table in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Sheet:
    """What is shown of a value: a title, a line below it, and rows under headings."""

    title: str
    line: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """Return the sheet as aligned lines.

        Example:
            >>> print(Sheet("Entity", "", ("key",), (("a",),)).text())
            Entity
              key
              a
        """
        lines = [self.title + (f": {self.line}" if self.line else "")]
        table = [self.heads, *self.rows] if self.rows else []
        widths = [max(len(row[i]) for row in table) for i in range(len(self.heads))] if table else []
        return "\n".join(lines + [f"  {_aligned(row, widths)}" for row in table])

    def html(self) -> str:
        """Return the sheet as HTML; whatever a name or text contains is escaped.

        Example:
            >>> Sheet("<b>", "", (), ()).html()
            '<div><b>&lt;b&gt;</b></div>'
        """
        line = f"<br>{html.escape(self.line)}" if self.line else ""
        head = "".join(f"<th style='text-align:left'>{html.escape(one)}</th>" for one in self.heads)
        body = "".join("<tr>" + "".join(_cell(one) for one in row) + "</tr>" for row in self.rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.rows else ""
        return f"<div><b>{html.escape(self.title)}</b>{line}{table}</div>"


def sheet_of(value: Any) -> Sheet:
    """Return a sheet of a dataclass: each field that says more than its default does.

    Example:
        >>> from headrace.declare.split import time_split
        >>> sheet_of(time_split("30d", "7d")).rows
        (('train', '30d'), ('test', '7d'))
    """
    said = [(one, getattr(value, one.name)) for one in fields(value) if one.init]
    rows = tuple((one.name, _said(given)) for one, given in said if given != one.default)
    return Sheet(type(value).__name__, "", ("field", "value"), rows)


def call_of(form: str, *given: Any, **named: Any) -> str:
    """Return the call that makes a value, as a team writes it; what is None was left out.

    Example:
        >>> call_of("at_least", "roc_auc", 0.8), call_of("time_split", train="30d", gap=None)
        ("at_least('roc_auc', 0.8)", "time_split(train='30d')")
    """
    said = [_written(one) for one in given if one is not None]
    said += [f"{name}={_written(one)}" for name, one in named.items() if one is not None]
    return f"{form}({', '.join(said)})"


def _written(value: Any) -> str:
    """A declaration by its name, anything else as Python writes it."""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else repr(value)


def _said(value: Any) -> str:
    """Of what has a name, the name; of several, each; of pairs, which is which."""
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, list | tuple):
        pairs = all(isinstance(one, tuple) and len(one) == 2 for one in value)
        return ", ".join(f"{one[0]}={_said(one[1])}" if pairs else _said(one) for one in value)
    name = getattr(value, "name", getattr(value, "__name__", None))
    return name if isinstance(name, str) else str(value)


def _cell(text: str) -> str:
    return f"<td style='text-align:left'>{html.escape(text)}</td>"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
