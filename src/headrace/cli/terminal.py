"""How results look in a terminal: tables, faults, and progress bars (the latter on stderr only)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from headrace.errors import Fault

_WIDE = 160


def console(stream: TextIO | None = None) -> Console:
    """Return a rich console on a stream (stdout by default): plain and wide where that is not a terminal.

    Nothing that is printed is markup: a name or a path may have square brackets.
    """
    from rich.console import Console

    class Told(Console):
        def on_broken_pipe(self) -> None:
            raise  # what Rich is just handling, and would answer with exit code 1

    stream = sys.stdout if stream is None else stream
    on_terminal = stream.isatty()
    return Told(file=stream, width=None if on_terminal else _WIDE, highlight=False, emoji=False, markup=False)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Print a table; the columns named in ``right`` are numbers, aligned at their ends."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        narrow = number == 0 or name in right
        table.add_column(name, justify="right" if name in right else "left", no_wrap=narrow, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console().print(table)


def shown(value: object) -> str:
    """Return a value as a reader wants it: thousands apart, no long tails of digits, nothing for None.

    Example:
        >>> shown(1754155), shown(0.123456789), shown(None)
        ('1,754,155', '0.1235', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if 1000 <= abs(value) < 1e15 else f"{value:,.4g}"
    return str(value)


def say(text: str = "", style: str = "") -> None:
    """Print a line of a result; square brackets stay what they are."""
    from rich.text import Text

    console().print(Text(text, style=style), soft_wrap=True)


def print_faults(faults: Sequence[Fault]) -> None:
    """Print faults as readable blocks on stderr: what, where, found, expected, cure."""
    from rich.text import Text

    to = console(sys.stderr)
    for fault in faults:
        colour = "yellow" if fault.severity == "warning" else "red"
        head = Text.assemble((f"{fault.severity} {fault.code}", f"bold {colour}"))
        if fault.place:
            head.append(f"  {fault.place}", style="bold")
        to.print(head, soft_wrap=True)
        for word, text in (("found", fault.found), ("expected", fault.expected), ("cure", fault.cure)):
            if text:
                to.print(Text.assemble((f"  {word:<9} ", "dim"), text), soft_wrap=True)
    if len(faults) > 1:
        errors = sum(fault.severity != "warning" for fault in faults)
        to.print(f"{errors} to mend, {len(faults) - errors} to know" if errors else f"{len(faults)} to know")
