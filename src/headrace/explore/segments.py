"""A column by the values of another one: rows, missing, median or frequent value, and the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.errors import Fault, HeadraceError
from headrace.explore.against import interval
from headrace.explore.rows import ALL, CASES, Column, Rows, steady
from headrace.explore.spread import Spread, repeats
from headrace.sql import quoted

SEGMENTS = 12
"""Values by which is told; the others together."""
_FEW = 20
"""Different numbers up to which each is a segment of its own."""


@dataclass(frozen=True)
class Segment:
    """Rows with one value of the column by which is told.

    Args:
        name: that value, or ``missing``, or ``all others``; of numbers between which two.
        low, high: bounds of numbers and times.
        rows: with it.
        missing: of these.
        lower, median, upper: quartiles and median of what is explored, where it is a number or time.
        frequent: its most frequent value, where it is none; with ``share`` of the rows that have one.
        cases, mean, least, most: those of them with a label, and its mean with its 95 % interval.
    """

    name: str
    low: float | None
    high: float | None
    rows: int
    missing: int
    lower: float | None = None
    median: float | None = None
    upper: float | None = None
    frequent: str = ""
    share: float | None = None
    cases: int = 0
    mean: float | None = None
    least: float | None = None
    most: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def require_told(by: Column) -> None:
    """Raise unless the values of a column may be told.

    Raises:
        HeadraceError: HR-EXPLORE-003.
    """
    if by.about.hidden or by.kind in ("list", "other"):
        why = f"tagged {', '.join(by.about.tags)}" if by.about.tags else "of which nothing is declared"
        why = f"of type {by.type}" if not by.about.hidden else why
        cure = "name a column whose values may be shown, such as a country or a channel"
        raise HeadraceError(Fault("HR-EXPLORE-003", "", f"--by {by.name}, {why}", "a column with values to tell", cure))


def segments_of(rows: Rows, column: Column, spread: Spread) -> tuple[Segment, ...]:
    """Return a column by the values of ``rows.by``.

    Raises:
        HeadraceError: HR-EXPLORE-003 for one whose values may not be told, or hardly repeat.
    """
    assert rows.by is not None
    require_told(rows.by)
    bins = _numbers(rows, rows.by) if rows.by.kind in ("number", "time") else _values(rows, rows.by)
    place = " ".join(f"when {sql} then {at}" for at, (sql, *_) in enumerate(bins))
    place = f"case {place} else -1 end" if bins else "-1"
    x, shown = column.number, column.kind in ("number", "time", "list") and not spread.hidden and spread.there
    quartiles = f"quantile_cont({x}, [0.25, 0.5, 0.75])" if shown else "null"
    asked = f"select {place} as s, count(*), count({column.sql}), {quartiles} from {ALL} group by s"
    found = {at: told for at, *told in rows.ask(asked)}
    labels, frequent = _labels(rows, place), _frequent(rows, column, place) if spread.values else {}
    made = []
    for at, (name, low, high) in [
        *enumerate((name, low, high) for _, name, low, high in bins),
        (-1, ("missing", None, None)),
    ]:
        if at not in found:
            continue
        count, there, known = found[at]
        lower, median, upper = known or (None, None, None)
        value, often = frequent.get(at, ("", 0))
        share = often / there if there and often else None
        of_label = labels.get(at, (0, None, None, None))
        made.append(Segment(name, low, high, count, count - there, lower, median, upper, value, share, *of_label))
    return tuple(made)


def _frequent(rows: Rows, column: Column, place: str) -> dict[int, tuple[str, int]]:
    """The most frequent value of each segment, of several the first in their order, and its rows."""
    counted = f"select {place} as s, {column.text} as v, count(*) as n from {ALL}"
    each = f"{counted} where {column.sql} is not null group by s, v"
    first = "qualify row_number() over (partition by s order by n desc, v) = 1"
    return {at: (value, count) for at, value, count in rows.ask(f"select s, v, n from ({each}) {first}")}


def _labels(rows: Rows, place: str) -> dict[int, tuple[int, float | None, float | None, float | None]]:
    if rows.truth is None or rows.truth.classes:
        return {}
    y = "_label::double"
    asked = f"select {place} as s, count({y}), avg({y}), stddev_samp({y}) from {CASES} where isfinite({y}) group by s"
    return {
        at: (count, steady(mean), *interval(rows.truth.task, count, steady(mean), steady(deviation)))
        for at, count, mean, deviation in rows.ask(asked)
    }


def _values(rows: Rows, by: Column) -> list[tuple[str, str, None, None]]:
    asked = f"select {by.text} as v, count(*) as n from {ALL} where {by.sql} is not null group by v order by n desc, v"
    found = rows.ask(f"{asked} limit {SEGMENTS}")
    ((different, there),) = rows.ask(f"select approx_count_distinct({by.sql}), count({by.sql}) from {ALL}")
    if found and not repeats(different, there):
        cure = "name a column of few values, such as a country or a channel"
        told = f"--by {by.name}, with about {different:,} values in {there:,} rows"
        raise HeadraceError(Fault("HR-EXPLORE-003", "", told, "a column whose values repeat", cure))
    named = [(f"{by.text} = {quoted(value)}", value, None, None) for value, _ in found]
    return [*named, (f"{by.sql} is not null", "all others", None, None)] if named else []


def _numbers(rows: Rows, by: Column) -> list[tuple[str, str, float, float]]:
    x = by.number
    asked = f"select count(distinct {x}), min({x}), max({x}), quantile_disc({x}, [0.25, 0.5, 0.75]) from {ALL}"
    ((different, least, most, known),) = rows.ask(asked)
    if not different:
        return []
    if different <= _FEW:
        values = rows.ask(f"select distinct {x} as v from {ALL} where {x} is not null order by v")
        return [(f"{x} = {value!r}", "", value, value) for (value,) in values]
    edges = sorted({*known} - {most})
    ends: Sequence[tuple[float, float]] = [*zip([least, *edges], [*edges, most], strict=True)]
    return [(f"{x} <= {high!r}", "", low, high) for low, high in ends]
