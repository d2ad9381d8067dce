"""Detectors of leaks: features that are too good, know the future or the label, or memorise; each says why.

A leak is what a model learns from and will not have, or not so, when it decides (Kaufman et al., ACM TKDD 6, 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.declare import Model, Project
from headrace.learn.cases import Cases
from headrace.learn.split import Fold
from headrace.plan import compile_set
from headrace.plan.expression import Ref
from headrace.plan.lineage import Lineage
from headrace.plan.tracing import lineage

_TOO_GOOD = 0.99
"""Share of pairs that a single feature orders rightly, above which it is likely the label itself."""
_RANGES = 50
"""Parts of a feature's values, as many rows in each, whose rates are looked at."""
_MISSING_TELLS = 0.9
"""The same of whether a feature is there."""
_LEAST = 20
"""Rows of each class, below which nothing is said."""
_MEMORISED, _FORGOTTEN = 0.8, 0.65
"""Share of pairs that the rates of a feature's values order rightly: of every other row of train, and of the test."""
_SAME = 0.3
"""Share of the test rows that are rows of train as well."""
_EPOCHS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6}
_YEARS_US = 20 * 365 * DAY_US


_COPIES = ("first", "last", "last_known", "min", "max")
"""Aggregates that give a value as it came."""


@dataclass(frozen=True)
class Leak:
    """Something that looks like a leak.

    Args:
        kind: ``label``, ``too_good``, ``missing``, ``future``, ``identity`` or ``overlap``.
        feature: that it is about; empty for all of them.
        sentence: what was seen, and why that is one.
    """

    kind: str
    feature: str
    sentence: str


def leaks(model: Model, cases: Cases, fold: Fold) -> list[Leak]:
    """Return what looks like a leak in a model's cases.

    Args:
        model: as declared.
        cases: all of them.
        fold: which of them are learned from and judged on.

    Returns:
        What was found; of a feature each kind once.
    """
    found = [*_of_the_label(model), *_keys(model)]
    train, test = cases.take(fold.train), cases.take(fold.test)
    if model.task.name in ("binary", "anomaly", "multiclass"):
        measures = _measures(model)
        for at, name in enumerate(cases.names):
            found += _too_good(name, train.x[:, at], train.y, train.classes, text=name in train.categories)
            if name not in measures:
                found += _memorising(name, train.x[:, at], train.y, test.x[:, at], test.y)
    elif model.task.name in ("regression", "quantiles"):
        for at, name in enumerate(cases.names):
            found += _the_same(name, train.x[:, at], train.y)
    for at, name in enumerate(cases.names):
        found += _ahead(name, train.x[:, at], train.time_us)
    return [*found, *_overlap(train, test)]


def _measures(model: Model) -> set[str]:
    """Features that a window counts or measures: a whole number of seconds is nobody's name."""
    groups = compile_set(model.cases).windows
    return {
        name for group in groups for one in group.aggregations if one.aggregate not in _COPIES for name in one.outputs
    }


def _of_the_label(model: Model) -> Iterator[Leak]:
    """Features that are made of what the label is made of, sooner than the label is known.

    A window over the truth's own stream sees what was known at its moment and nothing later; a table that a query makes
    of it, or the spine itself where the truth stands in its rows, does not know when that was.
    """
    label = model.cases.label
    if label is None:
        return
    plan, graph = compile_set(model.cases), lineage(Project("leaks", models=[model]))
    (node,) = [one for one in graph.nodes.values() if one.kind == "label"]
    truth = {edge.source for edge in graph.into.get(node.id, ()) if edge.direct}
    late = {
        output
        for group in plan.windows
        for one in group.aggregations
        for output, span in zip(one.outputs, one.spans, strict=True)
        if span.delay >= label.matures_us or (group.stream.name == label.source.name != model.cases.spine.name)
    }
    for output in plan.features:
        if output.name in late:
            continue
        made = _made_of(graph, f"feature:{output.name}", late)
        if shared := sorted(truth & made):
            named = ", ".join(graph.nodes[one].name for one in shared)
            why = (
                f"{output.name} is made of {named}, as the label is, and knows it before the {label.matures} that the "
            )
            cure = (
                f"take a window over {label.source.name}, which sees what was known, or write delay={label.matures!r}"
            )
            yield Leak("label", output.name, f"{why}label takes: {cure}")


def _made_of(graph: Lineage, name: str, late: set[str]) -> set[str]:
    """All that a feature is directly made of, but through features that wait until the label is known."""
    found, waiting = set[str](), [name]
    while waiting:
        for edge in graph.into.get(waiting.pop(), ()):
            through = edge.source.removeprefix("feature:")
            if edge.direct and edge.source not in found and through not in late:
                found.add(edge.source)
                waiting.append(edge.source)
    return found


def _keys(model: Model) -> Iterator[Leak]:
    """Features that are the key of a row or of an entity: a model learns them by heart."""
    plan = compile_set(model.cases)
    keys = {key for group in plan.windows for key in group.keys} | set(plan.identity)
    keys.discard(model.cases.spine.event_time)
    for derived in plan.derived:
        if isinstance(derived.node, Ref) and derived.node.name in keys:
            yield Leak("identity", derived.name, f"{derived.name} is the key {derived.node.name} itself: it memorises")


def _too_good(
    name: str, x: npt.NDArray[np.float32], y: npt.NDArray[np.int64], classes: tuple[str, ...], *, text: bool
) -> Iterator[Leak]:
    there = ~np.isnan(x)
    for one in np.unique(y) if len(np.unique(y)) > 2 else (1,):
        label = (y == one).astype(np.int64)
        whose = "" if one == 1 and len(np.unique(y)) == 2 else f" {classes[int(one)] if classes else one} from"
        if _enough(label[there]):
            value = max(_ordered(x[there].astype(np.float64), label[there]), _told(x[there], label[there], text=text))
            if value >= _TOO_GOOD:
                told = f"{name} alone orders {value:.1%} of all pairs of{whose} yes and no: it may be the label"
                yield Leak("too_good", name, told)
        if _enough(label) and 0.01 < there.mean() < 0.99:
            value = _ordered(there.astype(np.float64), label)
            if value >= _MISSING_TELLS:
                told = f"whether {name} is there orders {value:.1%} of all pairs of{whose} yes and no rightly: "
                yield Leak("missing", name, f"{told}it may be filled once the label is known")


def _the_same(name: str, x: npt.NDArray[np.float32], y: npt.NDArray[np.float64]) -> Iterator[Leak]:
    from scipy.stats import rankdata

    there = ~np.isnan(x)
    if there.sum() < 2 * _LEAST or len(np.unique(x[there])) < _LEAST:
        return
    ranks = [rankdata(one[there]) for one in (x, y)]
    value = abs(float(np.corrcoef(*ranks)[0, 1]))
    if value >= 0.999:
        yield Leak(
            "too_good", name, f"{name} orders the rows as the label does ({value:.4f}): it may be the label itself"
        )


def _memorising(
    name: str,
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.int64],
    test: npt.NDArray[np.float32],
    test_y: npt.NDArray[np.int64],
) -> Iterator[Leak]:
    """A name in numbers: what half of train says of each value tells the other half, and nothing of the test.

    Any number with many values can be learned by heart; of one that is no name, the other half knows nothing either.
    """
    there, later_there = np.isfinite(x), np.isfinite(test)
    x, y, test, test_y = x[there], y[there], test[later_there], test_y[later_there]
    if not _enough(y) or len(np.unique(y)) > 2:
        return
    values, at, rows = np.unique(x, return_inverse=True, return_counts=True)
    if len(values) < max(50, len(x) / 20):
        return
    mean = np.bincount(at, weights=y) / rows
    learned = _told(x, y, text=True)
    known = np.isin(test, values)
    later = _ordered(mean[np.searchsorted(values, test[known])], test_y[known]) if _enough(test_y[known]) else 0.5
    plain = _ordered(x.astype(np.float64), y)
    if learned >= _MEMORISED and later <= _FORGOTTEN and plain <= _FORGOTTEN:
        told = f"{name} has {len(values):,} values in {len(x):,} rows; what half of train says of each orders "
        told += f"{learned:.0%} of all pairs in the other half, and {later:.0%} in the test: it memorises"
        yield Leak("identity", name, told)


def _ahead(name: str, x: npt.NDArray[np.float32], time_us: npt.NDArray[np.int64]) -> Iterator[Leak]:
    """A time, by its size, that lies behind the event."""
    there = np.isfinite(x)
    if there.sum() < _LEAST:
        return
    for unit, per_second in _EPOCHS.items():
        far = x[there].astype(np.float64) / per_second * 1e6 - time_us[there]
        precision = np.spacing(x[there]).astype(np.float64) / per_second * 1e6
        if (np.abs(far) < _YEARS_US).mean() < 0.99:
            continue
        later = float((far > precision).mean())
        if later > 0.01:
            told = (
                f"{name} is a time in {unit}, and lies after the event in {later:.0%} of the rows: it knows the future"
            )
            yield Leak("future", name, told)


def _overlap(train: Cases, test: Cases) -> Iterator[Leak]:
    """Rows that are in both parts, where rows tell themselves apart at all."""
    if train.x.shape[1] < 3 or len(test.x) < _LEAST:
        return
    mine, others = (np.ascontiguousarray(np.nan_to_num(one.x, nan=-9e9)) for one in (test, train))
    kind = np.dtype((np.void, mine.dtype.itemsize * mine.shape[1]))
    rows, learned = mine.view(kind).ravel(), others.view(kind).ravel()
    if len(np.unique(learned)) < 0.9 * len(learned):
        return
    share = float(np.isin(rows, learned).mean())
    if share > _SAME:
        told = (
            f"{share:.0%} of the rows of the test are rows of train in every feature: they may be the same cases twice"
        )
        yield Leak("overlap", "", told)


def _enough(y: npt.NDArray[np.int64]) -> bool:
    return bool(min(int((y == 1).sum()), int((y != 1).sum())) >= _LEAST)


def _told(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64], *, text: bool) -> float:
    """The share of pairs that the rates of a feature's values order, learned from every other row, judged on the rest.

    What is no matter of more or less is found by it: one text of many, or values in the middle.
    """
    of = x if text else np.searchsorted(np.unique(np.quantile(x, np.linspace(0, 1, _RANGES + 1)[1:-1])), x)
    _, at = np.unique(of, return_inverse=True)
    learned, judged = slice(0, None, 2), slice(1, None, 2)
    if min(y[judged].sum(), (1 - y[judged]).sum()) < _LEAST / 2:
        return 0.5
    count = at.max() + 1
    rows = np.bincount(at[learned], minlength=count)
    rate = (np.bincount(at[learned], weights=y[learned], minlength=count) + y.mean()) / (rows + 1)
    return _ordered(rate[at[judged]], y[judged])


def _ordered(x: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> float:
    """The share of pairs of one of each class that a feature orders, whichever way round; ties count half."""
    from scipy.stats import rankdata

    positives = int((y == 1).sum())
    wins = float(rankdata(x)[y == 1].sum()) - positives * (positives + 1) / 2
    share = wins / (positives * (len(y) - positives))
    return max(share, 1 - share)
