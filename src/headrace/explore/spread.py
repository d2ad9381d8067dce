"""How the values of a column are spread: figures, quantiles, bins, outliers, and which values are frequent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.audit.data.bins import Bins, binned, edges_of
from headrace.audit.data.profile import QUANTILES
from headrace.explore.rows import ALL, Column, Rows, steady

EXACT_ROWS = 1_000_000
"""Rows up to which distinct values are counted; beyond they are estimated."""
SORTED_ROWS = 30_000_000
"""Rows up to which quantiles are those of all rows; beyond they are those of the sample."""
SHOWN = 20
"""Frequent values that are told."""
_SAID = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_ALL_QUANTILES = tuple(sorted({*QUANTILES, *_SAID}))
_FEW, _EACH = 12, 10
"""Texts that repeat: at most so many different ones, two rows for each; or so many rows for each."""


@dataclass(frozen=True)
class Value:
    """A frequent value, as text, and its rows."""

    value: str
    rows: int


@dataclass(frozen=True)
class Spread:
    """How values are spread.

    Args:
        rows: all.
        missing: that have no value.
        not_finite: values that are NaN or infinite, which all other figures leave out; of times those beyond the years
            1 to 9999.
        distinct: different values; ``exact`` says whether they were counted, or estimated by HyperLogLog.
        least, most, mean, deviation: of numbers; of texts and lists, of their lengths; of times microseconds UTC.
        zeros, below: values that are 0, and that are below it.
        quantiles: by their shares.
        sampled: whether quantiles are those of the sample.
        outliers, far: values beyond 1.5 and 3 times the distance of the quartiles from the nearer one (Tukey, 1977).
        bins: rows in equal bins over the middle 99 %, what is beyond in the outermost.
        values: the most frequent ones, where values repeat.
        top: rows of the most frequent value, and of the ten most frequent ones.
        hours, weekdays: rows by hour of the day (UTC), and from Monday to Sunday.
        hidden: whether values may not be told: then there are shapes and shares only.
    """

    rows: int
    missing: int
    not_finite: int = 0
    distinct: int = 0
    exact: bool = True
    least: float | None = None
    most: float | None = None
    mean: float | None = None
    deviation: float | None = None
    zeros: int = 0
    below: int = 0
    quantiles: Mapping[float, float] = field(default_factory=dict)
    sampled: bool = False
    outliers: int = 0
    far: int = 0
    bins: Bins | None = None
    values: tuple[Value, ...] = ()
    top: tuple[int, int] | None = None
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    hidden: bool = False

    @property
    def there(self) -> int:
        """Rows that have a value that can be looked at."""
        return self.rows - self.missing - self.not_finite

    @property
    def constant(self) -> bool:
        """Whether there is but one value."""
        return self.there > 0 and self.distinct == 1

    def as_dict(self, times: bool) -> dict[str, Any]:
        """Return it as plain values; what may not be told is left out."""
        told: dict[str, Any] = {"rows": self.rows, "missing": self.missing, "not_finite": self.not_finite}
        told |= {"distinct": self.distinct, "distinct_method": "counted" if self.exact else "HyperLogLog"}
        if self.top is not None:
            told |= {"rows_of_the_most_frequent": self.top[0], "rows_of_the_ten_most_frequent": self.top[1]}
        if self.bins is not None:
            counts = list(self.bins.counts)
            told["bins"] = {"rows": counts}
            if not self.hidden:
                told["bins"] |= {"low": self.bins.low, "high": self.bins.high}
            told |= {"outliers": self.outliers, "far_outliers": self.far}
        if self.hidden:
            return told | {"hidden": True}
        told |= {"least": self.least, "most": self.most, "mean": self.mean, "deviation": self.deviation}
        if not times and self.bins is not None:
            told |= {"zeros": self.zeros, "below_zero": self.below}
        told["quantiles"] = {f"{share:g}": self.quantiles[share] for share in _SAID if share in self.quantiles}
        told["quantiles_of"] = "sample" if self.sampled else "all rows"
        told["values"] = [{"value": one.value, "rows": one.rows} for one in self.values]
        if self.hours:
            told |= {"hours": list(self.hours), "weekdays": list(self.weekdays)}
        return told


def spread_of(rows: Rows, column: Column) -> Spread:
    """Return how the values of a column are spread, of all rows."""
    hidden, exact = column.about.hidden, rows.count <= EXACT_ROWS
    if column.kind in ("number", "time"):
        return _numbers(rows, column, exact, hidden)
    counted = column.sql if column.kind in ("text", "bool") else column.text
    distinct = f"count(distinct {counted})" if exact else f"approx_count_distinct({counted})"
    ((count, there, different),) = rows.ask(f"select count(*), count({column.sql}), {distinct} from {ALL}")
    found = Spread(count, count - there, distinct=min(different, there), exact=exact, hidden=hidden)
    if not there:
        return found
    if column.kind == "list":
        return _lengths(rows, column, found)
    if column.kind not in ("text", "bool"):
        return found
    return _frequent(rows, column, _lengths(rows, column, found) if column.kind == "text" else found)


def _numbers(rows: Rows, column: Column, exact: bool, hidden: bool) -> Spread:
    x, sorted_all = column.number, rows.count <= SORTED_ROWS
    distinct = f"count(distinct {column.sql})" if exact else f"approx_count_distinct({column.sql})"
    shares = ", ".join(map(str, _ALL_QUANTILES))
    quantiles = f"quantile_cont({x}, [{shares}])" if sorted_all else "null"
    asked = (
        f"count(*), count({column.sql}), count({x}), {distinct}, min({x}), max({x}), avg({x}), stddev_samp({x}), "
        f"count(*) filter ({x} = 0), count(*) filter ({x} < 0), {quantiles}"
    )
    ((count, given, there, different, least, most, mean, deviation, zeros, below, known),) = rows.ask(
        f"select {asked} from {ALL}"
    )
    if not sorted_all:
        ((known,),) = rows.ask(f"select quantile_cont({x}, [{shares}]) from ({rows.sampled()})")
    head = Spread(count, count - given, given - there, min(different, given), exact, hidden=hidden)
    if not there or known is None:
        return head
    quantiles_at = dict(zip(_ALL_QUANTILES, known, strict=True))
    drawn = {share: quantiles_at[share] for share in QUANTILES}
    edges = edges_of(drawn, least, most)
    first, third = quantiles_at[0.25], quantiles_at[0.75]
    fences = [
        f"count(*) filter ({x} < {first - times * (third - first)!r} or {x} > {third + times * (third - first)!r})"
        for times in (1.5, 3.0)
    ]
    listed = ", ".join(f"{edge!r}::double" for edge in edges)
    ((outliers, far, histogram),) = rows.ask(f"select {', '.join(fences)}, histogram({x}, [{listed}]) from {ALL}")
    bins = binned(drawn, least, most, dict(histogram or {}), {})
    found = replace(head, least=least, most=most, mean=steady(mean), deviation=steady(deviation))
    found = replace(found, zeros=zeros, below=below)
    found = replace(found, quantiles=quantiles_at, sampled=not sorted_all, outliers=outliers, far=far, bins=bins)
    return _clocked(rows, column, found) if column.kind == "time" and not hidden else found


def _clocked(rows: Rows, column: Column, found: Spread) -> Spread:
    """Rows by hour of the day and by day of the week; of dates by the latter alone."""
    import pyarrow.types as kinds

    def counted(part: str, first: int, count: int) -> tuple[int, ...]:
        within = f"{column.number} is not null"
        known = dict(rows.ask(f"select {part}({column.sql}) as p, count(*) from {ALL} where {within} group by p"))
        return tuple(int(known.get(first + at, 0)) for at in range(count))

    hours = () if kinds.is_date(column.type) else counted("hour", 0, 24)
    return replace(found, hours=hours, weekdays=counted("isodow", 1, 7))


def _lengths(rows: Rows, column: Column, found: Spread) -> Spread:
    length = f"length({column.sql})" if column.kind == "text" else f"len({column.sql})"
    asked = f"min({length})::double, max({length})::double, avg({length}), stddev_samp({length})"
    ((least, most, mean, deviation),) = rows.ask(f"select {asked} from {ALL}")
    return replace(found, least=least, most=most, mean=steady(mean), deviation=steady(deviation))


def _frequent(rows: Rows, column: Column, found: Spread) -> Spread:
    """The most frequent values. What hardly repeats may be a name or an address that nobody has tagged."""
    if not repeats(found.distinct, found.there):
        return found
    counted = f"select {column.text} as v, count(*) as n from {ALL} where {column.sql} is not null group by v"
    told = rows.ask(f"select v, n, count(*) over () from ({counted}) order by n desc, v limit {SHOWN}")
    values = tuple(Value(str(value), count) for value, count, _ in told)
    top = (values[0].rows, sum(one.rows for one in values[:10]))
    return replace(found, values=() if found.hidden else values, top=top, distinct=told[0][2], exact=True)


def repeats(distinct: int, there: int) -> bool:
    """Return whether values repeat, so that they are categories rather than names."""
    return distinct > 0 and there >= distinct * (2 if distinct <= _FEW else _EACH)
