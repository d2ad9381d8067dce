"""Where a model fails: how good it is on parts of its test rows, against all others, and whether that can be chance.

Each group of each column is held against the rest of the rows. Hundreds of groups are looked at, and by chance some
are always worse: a group is named only where its distance holds for all of them together (Bonferroni), by the spread
over draws of days.

Groups of cases, such as shops, are compared by how well the model tells their cases apart, and by whether it foretells
as many positives as there are. Groups by the size of a feature only by the latter: the narrower the range of what a
model goes by, the less is left to tell apart, and that is no failure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from headrace.audit.models.blocks import Blocks, Floats, Ints
from headrace.audit.models.measures import Measure, measure_of, rates_of
from headrace.audit.models.tested import YES_NO, Tested
from headrace.audit.page import number
from headrace.declare import Metric

TOP, FEW = 8, 12
"""Groups of a column that are shown; and values of a feature up to which each is a group."""
LEAST = 50
"""Rows of a group, below which nothing is said of it."""
FEWEST = 10
"""Positives, and negatives, of a group, below which how well they are told apart is chance."""
COLUMNS = 16


@dataclass(frozen=True)
class Segment:
    """A group of the test rows.

    Args:
        name: of the group.
        rows: in it.
        value: of the measure; None where it says nothing, such as without any positive.
        elsewhere: of all other rows.
        worse: whether it is worse than elsewhere by more than chance.
        off: whether that is because other shares of positives are foretold than there are.
        true: share of positives or mean label; None of classes and rankings.
        foretold: mean score.
        found, right: of yes and no, what acting at the threshold finds of the positives, and how much of it is right.
        asked: the metric of a declared gate, where this is a group that one compares.
    """

    name: str
    rows: int
    value: float | None = None
    elsewhere: float | None = None
    worse: bool = False
    off: bool = False
    true: float | None = None
    foretold: float | None = None
    found: float | None = None
    right: float | None = None
    asked: float | None = None


@dataclass(frozen=True)
class Parted:
    """A column by which test rows were parted.

    Args:
        column: its name.
        parts: groups, the largest first, or in the order of their values.
        others: how many further groups the last part holds together; 0 where there are none.
        asked: label of the metric that a gate compares between them; empty where no gate does.
    """

    column: str
    parts: tuple[Segment, ...]
    others: int = 0
    asked: str = ""


@dataclass(frozen=True)
class Segments:
    """All columns that were looked at, and the measure by which their groups were compared."""

    measure: str
    whole: float | None
    columns: tuple[Parted, ...] = field(default=())

    @property
    def worse(self) -> list[tuple[str, Segment]]:
        """Groups that are worse than the rest by more than chance: those told apart worst first, then those off."""
        found = [(column.column, one) for column in self.columns for one in column.parts if one.worse]
        return sorted(found, key=lambda each: (each[1].off, -_far(each[1])))


def _far(one: Segment) -> float:
    if one.off:
        return abs((one.foretold or 0.0) - (one.true or 0.0))
    return abs((one.value or 0.0) - (one.elsewhere or 0.0))


@dataclass(frozen=True)
class _Groups:
    """The group of each row, their names, how many are taken together, and whether they are ranges of values."""

    of_row: Ints
    names: list[str]
    others: int = 0
    ranges: bool = False


def segments(tested: Tested, features: Sequence[str], hidden: Collection[str]) -> Segments | None:
    """Return how good a version is on groups of its test rows; None for a task that has no measure by rows.

    Args:
        tested: a version on its test rows.
        features: the most important first; the first of them are looked at.
        hidden: columns of which no value is shown, since they tell of persons.
    """
    measure = measure_of(tested)
    if measure is None:
        return None
    asked = {str(gate.by): gate.metric for gate in tested.model.gates if gate.kind == "fair_across"}
    metrics = {one.label: one for one in tested.model.metrics}
    given = tested.built.manifest
    plain = [one for one in given["columns"] if one not in (*given["features"], given["event_time"], "label")]
    names = [*asked, *(one for one in plain if one not in hidden), *features[:COLUMNS]]
    order = np.argsort(-tested.score, kind="stable") if tested.score.ndim == 1 else np.arange(tested.rows)
    rates, columns, gaps = rates_of(tested), list[Parted](), list[list[_Gap]]()
    for name in dict.fromkeys(one for one in names if one in given["columns"]):
        parted = _parted(tested, name)
        if parted is None and name not in asked:
            continue
        groups = parted or _by_name(tested, name)
        rows = _rows(groups, order)
        metric = metrics[asked[name] or tested.model.metrics[0].label] if name in asked else None
        parts = tuple(
            _segment(tested, measure, label, each, metric) for label, each in zip(groups.names, rows, strict=True)
        )
        columns.append(Parted(name, parts, groups.others, metric.label if metric else ""))
        of_ranks = measure.label != "ROC AUC" or not groups.ranges
        used = ([measure] if of_ranks else []) + ([rates] if rates is not None else [])
        gaps.append([_gap(tested.blocks, one, groups) for one in used] if tested.blocks else [])
    whole = measure.value(np.arange(tested.rows))
    return Segments(measure.label, whole, _judged(columns, gaps, tested, measure))


def _parted(tested: Tested, name: str) -> _Groups | None:
    """The groups of a column; None where it does not part rows."""
    if name in tested.test.names and name not in tested.test.categories:
        return _by_value(tested.test.x[:, tested.test.names.index(name)].astype(np.float64))
    found = _by_name(tested, name)
    sizes = np.bincount(found.of_row, minlength=len(found.names))
    return found if len(sizes) > 1 and sizes[0] >= LEAST else None


def _by_name(tested: Tested, name: str) -> _Groups:
    coded = tested.column(name).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy().astype(np.int64)
    names = [*(str(one) for one in coded.dictionary.to_pylist()), "missing"]
    sizes = np.bincount(codes, minlength=len(names))
    order = np.argsort(-sizes, kind="stable")
    there = int((sizes > 0).sum())
    shown = there if there <= TOP + 1 else TOP
    place = np.full(len(names), shown, np.int64)
    place[order[:shown]] = np.arange(shown)
    others = there - shown
    labels = [names[at] for at in order[:shown]] + ([f"the {others:,} others"] if others else [])
    return _Groups(place[codes], labels, others)


def _by_value(x: Floats) -> _Groups | None:
    there = ~np.isnan(x)
    known = np.unique(x[there])
    missing = ["missing"] if not there.all() else []
    if len(known) + len(missing) < 2:
        return None
    if len(known) <= FEW:
        of_row = np.where(there, np.searchsorted(known, x), len(known))
        return _Groups(of_row.astype(np.int64), [number(float(one)) for one in known] + missing)
    edges = np.unique(np.quantile(x[there], [0.2, 0.4, 0.6, 0.8]))
    edges = edges[edges < known[-1]]
    of_row = np.where(there, np.searchsorted(edges, x), len(edges) + 1)
    said = [number(float(one)) for one in edges]
    labels = [f"to {said[0]}", *(f"{low} to {high}" for low, high in pairwise(said)),
              f"above {said[-1]}"]  # fmt: skip
    return _Groups(of_row.astype(np.int64), labels + missing, ranges=True)


def _rows(groups: _Groups, order: Ints) -> list[Ints]:
    """The rows of each group, each in a given order."""
    grouped = order[np.argsort(groups.of_row[order], kind="stable")]
    return np.split(grouped, np.cumsum(np.bincount(groups.of_row, minlength=len(groups.names)))[:-1])


def _segment(tested: Tested, measure: Measure, name: str, rows: Ints, metric: Metric | None) -> Segment:
    y, score = tested.test.y[rows], tested.score[rows]
    known = len(rows) >= LEAST
    found = Segment(name, len(rows), measure.value(rows) if known else None)
    if metric is not None and known:
        found = replace(found, asked=tested.value(metric, rows))
    if not len(rows) or score.ndim > 1 or tested.model.task.name not in (*YES_NO, "regression"):
        return found
    found = replace(found, true=float(y.mean()))
    if tested.model.task.name == "anomaly" or (score.min() < 0 and tested.model.task.name == "binary"):
        return found
    found = replace(found, foretold=float(score.mean()))
    if tested.model.task.name != "binary":
        return found
    taken, positives = score >= tested.threshold[0], int(y.sum())
    return replace(
        found,
        found=float(y[taken].sum() / positives) if positives else None,
        right=float(y[taken].mean()) if taken.any() else None,
    )


@dataclass(frozen=True)
class _Gap:
    """How much better each group is than all other rows by a measure, and the standard error of that."""

    measure: Measure
    better: Floats
    error: Floats


def _gap(blocks: Blocks, measure: Measure, groups: _Groups) -> _Gap:
    sums = measure.sums(blocks, groups.of_row, len(groups.names))
    drawn, point = np.tensordot(blocks.weights, sums, axes=1), sums.sum(axis=0)
    with np.errstate(all="ignore"):
        mine, others = measure.ratio(point), measure.ratio(point.sum(axis=0) - point)
        apart = measure.ratio(drawn) - measure.ratio(drawn.sum(axis=1, keepdims=True) - drawn)
        if measure.off:  # how far off, whichever way; drawn with the signs of what was seen, so that 0 is no wall
            far = np.sign(others) * measure.ratio(drawn.sum(axis=1, keepdims=True) - drawn)
            apart = far - np.sign(mine) * measure.ratio(drawn)
            return _Gap(measure, np.abs(others) - np.abs(mine), blocks.error(apart))
        gap = mine - others
    return _Gap(measure, gap * measure.sign, blocks.error(apart))


def _judged(columns: list[Parted], gaps: list[list[_Gap]], tested: Tested, measure: Measure) -> tuple[Parted, ...]:
    """Mark what is worse by more than chance, for all groups together; what is left over of a column is no group."""
    compared = sum(len(each) * len(column.parts) for column, each in zip(columns, gaps, strict=True))
    if tested.blocks is None or not compared:
        return tuple(columns)
    from scipy.special import stdtrit

    wide = float(stdtrit(tested.blocks.count - 1, 1 - 0.025 / compared))
    found = []
    for column, each in zip(columns, gaps, strict=True):
        parts = list(column.parts)
        for at, one in enumerate(parts):
            rest = column.others and at == len(parts) - 1
            surely = [] if rest else [gap.measure for gap in each if _worse(gap, at, wide, one)]
            if surely:
                off = surely[0].off
                elsewhere = None if off else _elsewhere(tested, measure, column, at)
                parts[at] = replace(one, worse=True, off=off, elsewhere=elsewhere)
        found.append(replace(column, parts=tuple(parts)))
    return tuple(found)


def _worse(gap: _Gap, at: int, wide: float, one: Segment) -> bool:
    """Whether a group is surely worse; where positives are few, days by chance alike do not make it sure."""
    far, error = float(gap.better[at]), float(gap.error[at])
    if one.rows < LEAST or not (np.isfinite(far) and np.isfinite(error)):
        return False
    if (
        one.true is not None
        and gap.measure.label == "ROC AUC"
        and not FEWEST <= one.true * one.rows <= one.rows - FEWEST
    ):
        return False
    if gap.measure.off and one.foretold is not None:
        error = max(error, float(np.sqrt(one.foretold * (1 - one.foretold) / one.rows)))
    return far < -max(wide * error, gap.measure.least)


def _elsewhere(tested: Tested, measure: Measure, column: Parted, at: int) -> float | None:
    groups = _parted(tested, column.column) or _by_name(tested, column.column)
    return measure.value(np.flatnonzero(groups.of_row != at))
