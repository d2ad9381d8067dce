"""How a column is over time: rows, missing values, median and quartiles, or the shares of its frequent values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from headrace import clock
from headrace.explore.rows import ALL, Column, Rows
from headrace.explore.spread import Spread
from headrace.sql import quoted

_LENGTHS = (("hour", 3 * clock.DAY_US), ("day", 130 * clock.DAY_US), ("week", 910 * clock.DAY_US),
            ("month", 12 * 365 * clock.DAY_US))  # fmt: skip
"""Periods, and how long a time may be that is told by them; a longer one is told by years."""
_VALUES = 3
_NINES = 0.001
"""Share of rows at either end that does not stretch the time that is told: a year 1970 is more often a mistake."""


@dataclass(frozen=True)
class Period:
    """One period.

    Args:
        begin: of it, microseconds UTC.
        rows: in it.
        missing: of these.
        low, median, high: quartiles and median of the values.
        shares: of each of the values that ``Periods.values`` names, among those that are there.
    """

    begin: int
    rows: int
    missing: int
    low: float | None = None
    median: float | None = None
    high: float | None = None
    shares: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Periods:
    """Rows by periods.

    Args:
        each: ``hour``, ``day``, ``week`` (from Monday), ``month`` or ``year``, in UTC.
        periods: in order; one without rows is among them, but for those before the first and after the last.
        values: whose shares are told.
        outside: rows that are before or after what is told, or without a time.
    """

    each: str
    periods: tuple[Period, ...]
    values: tuple[str, ...] = ()
    outside: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; moments in ISO 8601."""
        told = [{**asdict(one), "begin": clock.from_us(one.begin).isoformat()} for one in self.periods]
        return {"each": self.each, "values": list(self.values), "outside": self.outside, "periods": told}


def span_of(rows: Rows) -> tuple[int, int] | None:
    """Return between which moments nearly all rows lie, microseconds UTC; None where no row has a time."""
    if not rows.time:
        return None
    us = f"epoch_us({rows.moment})"
    ((first, last),) = rows.ask(f"select min({us}), max({us}) from {ALL}")
    if first is None:
        return None
    ((ends,),) = rows.ask(f"select quantile_disc({us}, [{_NINES}, {1 - _NINES}]) from ({rows.sampled()})")
    low, high = ends if ends is not None and ends[0] is not None else (first, last)
    wide = high - low
    return (first if low - first <= wide else low, last if last - high <= wide else high)


def periods_of(rows: Rows, column: Column, spread: Spread, span: tuple[int, int]) -> Periods:
    """Return a column by periods of a time, whose length makes about a hundred of them at most.

    Args:
        rows: with a time.
        column: of them.
        spread: of it.
        span: as ``span_of`` returns it.
    """
    each = next((name for name, most in _LENGTHS if span[1] - span[0] <= most), "year")
    values = tuple(one.value for one in spread.values[:_VALUES])
    asked = [f"epoch_us(date_trunc('{each}', {rows.moment})::timestamp)", "count(*)", f"count(*) - count({column.sql})"]
    told = column.sql != rows.time and not column.about.hidden and bool(spread.there)
    numbers = told and column.kind in ("number", "time", "list")
    asked.append(f"quantile_cont({column.number}, [0.25, 0.5, 0.75])" if numbers else "null")
    asked += [f"count(*) filter ({column.text} = {quoted(one)}) / nullif(count({column.sql}), 0)" for one in values]
    found = {}
    for begin, count, missing, known, *shares in rows.ask(
        f"select {', '.join(asked)} from {ALL} group by 1 order by 1"
    ):
        if begin is None or begin > span[1] or _next(begin, each) <= span[0]:
            continue
        low, median, high = known if known is not None else (None, None, None)
        found[begin] = Period(begin, count, missing, low, median, high, tuple(shares))
    periods = _filled(found, each, len(values))
    return Periods(each, periods, values, rows.count - sum(one.rows for one in periods))


def _filled(found: dict[int, Period], each: str, values: int) -> tuple[Period, ...]:
    periods, at = list[Period](), min(found)
    while at <= max(found):
        periods.append(found.get(at) or Period(at, 0, 0, shares=(None,) * values))
        at = _next(at, each)
    return tuple(periods)


def _next(begin: int, each: str) -> int:
    """When the next period begins."""
    fixed = {"hour": clock.DAY_US // 24, "day": clock.DAY_US, "week": 7 * clock.DAY_US}
    if each in fixed:
        return begin + fixed[each]
    moment = clock.from_us(begin) + timedelta(days=32 if each == "month" else 370)
    first = moment.replace(day=1, hour=0) if each == "month" else moment.replace(month=1, day=1, hour=0)
    return clock.to_us(first)


def named(begin: int, each: str) -> str:
    """Return what a period is called.

    Example:
        >>> named(0, "day"), named(0, "month"), named(0, "hour")
        ('1970-01-01', '1970-01', '1970-01-01 00:00')
    """
    forms = {"hour": "%Y-%m-%d %H:%M", "month": "%Y-%m", "year": "%Y"}
    return clock.from_us(begin).strftime(forms.get(each, "%Y-%m-%d"))


def largest(values: Sequence[float | None]) -> float:
    """Return the largest of some values, 0 where there is none."""
    return max((one for one in values if one is not None), default=0.0)
