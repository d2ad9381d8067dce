"""How results of the verbs look in a notebook: sheets below one another, and at the end what is to be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.declare.sheet import Sheet
from headrace.errors import Fault


def html_of(*sheets: Sheet, faults: Iterable[Fault] = ()) -> str:
    """Return sheets as HTML, without those that have nothing to say, and the faults in one of their own.

    Example:
        >>> html_of(Sheet("Runs", "", ("number",), ()), Sheet("Models", "none yet", (), ()))
        '<div><b>Models</b><br>none yet</div>'
    """
    told = tuple((one.severity, one.code, one.place, one.found, one.expected, one.cure) for one in faults)
    last = Sheet("To be known", "", ("", "code", "place", "found", "expected", "cure"), told)
    return "".join(one.html() for one in (*sheets, last) if one.line or one.rows)


def cell(value: object) -> str:
    """Return a value as it is read in a cell: thousands apart, nothing for None.

    Example:
        >>> cell(1754155), cell(None), cell({"auc": 0.51239})
        ('1,754,155', '', 'auc 0.5124')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell(one)}" for name, one in value.items())
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)
