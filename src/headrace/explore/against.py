"""A column against the label: rate or mean by bins of it with 95 % intervals, and what it is worth alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.explore.ranks import Floats, Ints, auc, cramers_v, midranks, spearman
from headrace.explore.rows import CASES, Column, Rows, steady
from headrace.explore.spread import Spread, repeats
from headrace.learn.rates import wilson
from headrace.sql import quoted

_LABEL = "_label"
_VALUES, _TENTHS = 12, 10
_NORMAL = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
_LEAST = 20
"""Cases of each class, and in all, below which nothing is said of a column alone."""


@dataclass(frozen=True)
class Bin:
    """Cases whose value lies in a bin.

    Args:
        name: for people: a value, ``missing``, ``all others``, or between which numbers.
        low, high: bounds of numbers and of times, in microseconds UTC; None where they are not told, or there are none.
        rows: cases in it.
        mean: of the label: of yes or no the rate; None without rows.
        least, most: between which the mean lies with 95 % confidence, as if rows were independent: of rates by
            E. B. Wilson (1927), of means by the normal distribution.
        shares: of the label's classes that ``Truth.classes`` names, where it has several.
    """

    name: str
    low: float | None
    high: float | None
    rows: int
    mean: float | None = None
    least: float | None = None
    most: float | None = None
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Alone:
    """What a column is worth without any other, on the sample.

    Args:
        measure: ``roc_auc``, ``spearman`` or ``cramers_v``.
        value: of it; a ROC AUC below 0.5 says that low values mean yes.
        least, most: between which it lies with 95 % confidence; None where that is not known.
        rows: that it was measured on.
        how: in words.
    """

    measure: str
    value: float
    least: float | None
    most: float | None
    rows: int
    how: str


@dataclass(frozen=True)
class Against:
    """A column against the label; ``value`` is the information value of yes and no (Siddiqi, 2006), of all cases."""

    bins: tuple[Bin, ...]
    value: float | None
    alone: Alone | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "bins": [asdict(one) for one in self.bins],
            "information_value": self.value,
            "alone": None if self.alone is None else asdict(self.alone),
        }


def against_of(rows: Rows, column: Column, spread: Spread) -> tuple[Bin, ...]:
    """Return the label by bins of a column: tenths of numbers and times, single values where there are few.

    Args:
        rows: with a label.
        column: of them.
        spread: of it.
    """
    if column.kind in ("number", "time", "list"):
        return _numbers(rows, column, spread)
    hidden = spread.hidden or not spread.values
    if hidden:
        return _ordered(rows, [(f"({column.sql} is not null)", "there", None, None)], column)
    asked = f"select {column.text} as v, count(*) as n from {CASES} where {column.sql} is not null group by v"
    values = [value for value, _ in rows.ask(f"{asked} order by n desc, v limit {_VALUES}")]
    chosen = [(f"{column.text} = {quoted(one)}", one, None, None) for one in values]
    return _ordered(rows, [*chosen, (f"{column.sql} is not null", "all others", None, None)], column)


def _numbers(rows: Rows, column: Column, spread: Spread) -> tuple[Bin, ...]:
    x, hidden = column.number, column.about.hidden
    shares = ", ".join(str(at / _TENTHS) for at in range(1, _TENTHS))
    asked = f"select count({x}), count(distinct {x}), min({x}), max({x}), quantile_disc({x}, [{shares}]) from {CASES}"
    ((there, distinct, least, most, known),) = rows.ask(asked)
    if not there:
        return _ordered(rows, [], column)
    if distinct <= _VALUES:
        values = [
            value for (value,) in rows.ask(f"select distinct {x} as v from {CASES} where {x} is not null order by v")
        ]
        named = [(f"{x} = {one!r}", f"value {at}" if hidden else "", one, one) for at, one in enumerate(values, 1)]
    else:
        edges = sorted({*known} - {most})
        ends = [*zip([least, *edges], [*edges, most], strict=True)]
        named = [
            (f"{x} <= {high!r}", f"part {at}" if hidden else "", low, high) for at, (low, high) in enumerate(ends, 1)
        ]
    return _ordered(rows, [(sql, name, *((None, None) if hidden else ends)) for sql, name, *ends in named], column)


def _ordered(rows: Rows, bins: Sequence[Sequence[Any]], column: Column) -> tuple[Bin, ...]:
    """The label of the cases for which a condition is the first that is true, and of those without a value."""
    truth = rows.truth
    assert truth is not None
    cases = " ".join(f"when {sql} then {at}" for at, (sql, *_) in enumerate(bins))
    place = f"case {cases} else -1 end" if bins else "-1"
    if truth.classes:
        counted = ", ".join(f"avg(({_LABEL}::varchar = {quoted(one)})::int)" for one in truth.classes)
        asked = f"select {place} as bin, count(*), null, null, {counted} from {CASES} group by bin"
    else:
        y = f"{_LABEL}::double"
        figures = f"count({y}), avg({y}), stddev_samp({y})"
        asked = f"select {place} as bin, {figures} from {CASES} where isfinite({y}) group by bin"
    found = {place: told for place, *told in rows.ask(asked)}
    names = [*((name, low, high) for _, name, low, high in bins), ("missing", None, None)]
    made = []
    for at, (name, low, high) in zip([*range(len(bins)), -1], names, strict=True):
        if at in found:
            count, mean, deviation, *shares = found[at]
            mean, deviation = steady(mean), steady(deviation)
            made.append(Bin(name, low, high, count, mean, *interval(truth.task, count, mean, deviation), tuple(shares)))
    return tuple(made)


def interval(task: str, rows: int, mean: float | None, deviation: float | None) -> tuple[float | None, float | None]:
    """Return where the mean of a label lies with 95 % confidence; None where nothing can be said."""
    if mean is None or not rows:
        return None, None
    if task == "binary":
        return wilson(mean, rows)
    if deviation is None:
        return None, None
    wide = _NORMAL * deviation / math.sqrt(rows)
    return mean - wide, mean + wide


def information_value(bins: Sequence[Bin]) -> float | None:
    """Return how far apart yes and no are spread over bins; half a case is added to each so that none is empty.

    Source: N. Siddiqi, Credit Risk Scorecards, 2006.

    Example:
        >>> one, other = Bin("a", None, None, 100, 0.5), Bin("b", None, None, 100, 0.1)
        >>> round(information_value([one, other]), 3)
        1.012
    """
    there = [one for one in bins if one.mean is not None and one.rows]
    yes = np.array([one.rows * (one.mean or 0.0) for one in there])
    no = np.array([one.rows for one in there]) - yes
    if len(there) < 2 or not yes.sum() or not no.sum():
        return None
    p, q = (yes + 0.5) / (yes + 0.5).sum(), (no + 0.5) / (no + 0.5).sum()
    return float(((p - q) * np.log(p / q)).sum())


def alone_of(category: bool, task: str, x: Floats | Ints, y: Floats | Ints) -> Alone | None:
    """Return what a column is worth alone.

    Args:
        category: whether ``x`` are codes of values from 0, -1 where there is none, and not numbers with NaN there.
        task: how the label is read.
        x: values of the sample in order of time.
        y: labels; codes of several classes.
    """
    there = (x >= 0) if category else np.isfinite(x)
    x, y = x[there], y[there]
    different = len(np.unique(x))
    if len(x) < 2 * _LEAST or different < 2 or len(np.unique(y)) < 2 or (category and not repeats(different, len(x))):
        return None
    if task == "multiclass":
        codes = x.astype(np.int64) if category else np.searchsorted(np.quantile(x, np.arange(1, _TENTHS) / _TENTHS), x)
        value = cramers_v(codes, y.astype(np.int64))
        return Alone("cramers_v", value, None, None, len(x), "Cramér's V with the classes, corrected (Bergsma, 2013)")
    if task == "regression":
        if category:
            return None
        value = spearman(x.astype(np.float64), y.astype(np.float64))
        wide = _NORMAL * math.sqrt((1 + value**2 / 2) / (len(x) - 3))
        middle = math.atanh(max(min(value, 1 - 1e-12), -1 + 1e-12))
        least, most = math.tanh(middle - wide), math.tanh(middle + wide)
        how = "rank correlation with the label (interval: Bonett and Wright, 2000)"
        return Alone("spearman", value, least, most, len(x), how)
    return _of_yes_and_no(category, x, y)


def _of_yes_and_no(category: bool, x: Floats | Ints, y: Floats | Ints) -> Alone | None:
    how = "as it is; ties count half (interval: DeLong, 1988)"
    values: npt.NDArray[np.float64] = x.astype(np.float64)
    if category:
        # Rates of the very rows that are judged would make every name look good.
        half = len(x) // 2
        codes, count = x.astype(np.int64), int(x.max()) + 1
        yes, rows = (np.bincount(codes[:half], weights, count) for weights in (y[:half].astype(np.float64), None))
        values = ((yes + y[:half].mean()) / (rows + 1))[codes[half:]]
        y = y[half:]
        how = "values in order of their rates in the earlier half, judged on the later one (interval: DeLong, 1988)"
    truth = y == 1
    if min(int(truth.sum()), int((~truth).sum())) < _LEAST:
        return None
    value, wide = auc(midranks(values), values, truth)
    return Alone("roc_auc", value, max(0.0, value - wide), min(1.0, value + wide), len(values), how)
