"""What differs between rows and those that were expected, told so that one sees which value is wrong."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 20
_DIGITS = 12
Row = tuple[Any, ...]


def differences(made: pa.Table, wanted: pa.Table) -> str:
    """Return in words how rows differ from those that are wanted, whatever their order; empty where they do not.

    Floats are equal in their first twelve digits.

    Example:
        >>> import pyarrow as pa
        >>> print(differences(pa.table({"day": [1, 2], "n": [5, 7]}), pa.table({"day": [1, 2], "n": [5, 6]})))
        row day=2: n is 7, not 6
    """
    names = wanted.schema.names
    if not names:
        return "" if not made.num_rows else f"{made.num_rows} rows, where none is expected"
    given, asked = _counted(made), _counted(wanted)
    missing, more = list((asked - given).elements()), list((given - asked).elements())
    lines = []
    for one in list(missing):
        near = max(more, key=lambda other: _alike(one, other), default=None)
        if near is not None and _alike(one, near) * 2 >= len(names) > 1:
            missing.remove(one)
            more.remove(near)
            lines.append(_changed(names, near, one))
    lines += [f"missing: {_said(names, one)}" for one in missing]
    lines += [f"not expected: {_said(names, one)}" for one in more]
    rest = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *rest])


def _counted(rows: pa.Table) -> Counter[Row]:
    from headrace.lake import values

    columns = [[_plain(value) for value in values.column(one)] for one in rows.columns]
    return Counter(zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if value == value else "nan"
    return str(value) if isinstance(value, list | dict) else value


def _alike(one: Row, other: Row) -> int:
    return sum(left == right for left, right in zip(one, other, strict=True))


def _changed(names: list[str], made: Row, wanted: Row) -> str:
    same = [place for place, pair in enumerate(zip(made, wanted, strict=True)) if pair[0] == pair[1]]
    told = [
        f"{names[place]} is {_text(made[place])}, not {_text(wanted[place])}"
        for place in range(len(names))
        if place not in same
    ]
    return f"row {_said([names[place] for place in same], tuple(made[place] for place in same))}: {', '.join(told)}"


def _said(names: list[str], row: Row) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in zip(names, row, strict=True))


def _text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return "null" if value is None else repr(value) if isinstance(value, str) else str(value)
