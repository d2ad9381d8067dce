"""How good both sides were, of the requests whose truth is known by now: the model's own metrics on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.frame import KNOWN, Frame, feature_array, frame
from headrace.engines.job import LABEL
from headrace.engines.labels import labels
from headrace.errors import HeadraceError
from headrace.kernel.column import Column, to_arrow
from headrace.lake import Lake
from headrace.learn.cases import read_cases
from headrace.learn.intervals import blocks_of, difference, interval, measure
from headrace.learn.setting import context_of, costed_by, grouped_by
from headrace.learn.split import Fold
from headrace.serve.replay.rows import Replay
from headrace.serve.why.through import Bools, Floats, Ints, Matrix


@dataclass(frozen=True)
class Judged:
    """A metric of both sides on the same rows.

    Args:
        metric: its label.
        before, after: values.
        before_interval, after_interval: at 95 % confidence, where there are days enough.
        difference: after minus before, its interval and how often chance parts equal models so far; None as well.
        better: whether the version is better; None where they are alike.
    """

    metric: str
    before: float
    after: float
    before_interval: Sequence[float] | None = None
    after_interval: Sequence[float] | None = None
    difference: Mapping[str, float] | None = None
    better: bool | None = None


@dataclass(frozen=True)
class Labelled:
    """What the truth says.

    Args:
        rows: whose label has matured.
        young: whose label has not matured yet.
        open: that have no label all the same: no truth came in time.
        metrics: of both sides.
        without: why there are none; empty where there are.
    """

    rows: int = 0
    young: int = 0
    open: int = 0
    metrics: tuple[Judged, ...] = ()
    without: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Sides:
    """Both sides of some past requests.

    Args:
        at: event times, microseconds UTC.
        old, new: scores.
        x: features, as the version takes them.
        fields: fields of the requests.
        threshold: of the versions before, from which score on a case is acted on.
    """

    at: Ints
    old: Floats
    new: Floats
    x: Matrix
    fields: Mapping[str, Column]
    threshold: float


@dataclass(frozen=True)
class _Set:
    """Past requests as a built set, of which learning knows how to read labels and groups."""

    table: pa.Table
    manifest: Mapping[str, Any]

    def to_arrow(self, columns: Sequence[str]) -> pa.Table:
        return self.table.select(list(columns))


def needed(replay: Replay) -> tuple[str, ...]:
    """Return the fields of requests that labels and metrics need."""
    plan, contract = replay.plan, replay.service.model.cases.spine.contract
    on = () if plan.label is None else plan.label.label.on
    wanted = (*on, *grouped_by(replay.service.model), *costed_by(replay.service.model))
    return tuple(name for name in dict.fromkeys(wanted) if name in contract.columns())


def labelled(replay: Replay, sides: Sides) -> Labelled:
    """Return how good both sides were.

    Args:
        replay: what goes through what.
        sides: the rows.
    """
    plan, lake, model = replay.plan, replay.lake, replay.service.model
    if plan.label is None:
        return Labelled(without="the training set has no label")
    source = plan.label.label.source.name
    if not lake.exists(source):
        return Labelled(without=f"there is no table {source} yet")
    newest = lake.sql(f'select max({KNOWN})::timestamptz as newest from "{source}"', reads=[source])["newest"]
    horizon = newest.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())[0].as_py()
    mature: Bools = np.zeros(len(sides.at), np.bool_)
    if horizon is not None:
        mature = sides.at + plan.label.label.matures_us <= horizon
    young = int((~mature).sum())
    if not mature.any():
        return Labelled(young=young, without="no label has matured yet")
    rows = _some(sides, np.flatnonzero(mature))
    truth = _truth(replay, rows, lake)
    there = np.flatnonzero(truth.mask)
    open_ = len(rows.at) - len(there)
    if not len(there):
        return Labelled(young=young, open=open_, without="no request has a label")
    rows, truth = _some(rows, there), truth.take(there)
    try:
        metrics = _metrics(replay, rows, truth)
    except HeadraceError as error:
        return Labelled(len(there), young, open_, without="; ".join(fault.found for fault in error.faults))
    without = "" if metrics else f"all labels of {model.cases.name} are alike among these rows"
    return Labelled(len(there), young, open_, metrics, without=without)


def _some(sides: Sides, rows: Ints) -> Sides:
    fields = {name: one.take(rows) for name, one in sides.fields.items()}
    return replace(sides, at=sides.at[rows], old=sides.old[rows], new=sides.new[rows], x=sides.x[rows], fields=fields)


def _truth(replay: Replay, rows: Sides, lake: Lake) -> Column:
    """The label of each row, as a training set built now would have it."""
    plan = replay.plan
    assert plan.label is not None
    label, spine = plan.label, replay.service.model.cases.spine
    source, columns = label.label.source, label.columns
    keyed = {name: to_arrow(rows.fields[name]) for name in label.label.on}
    names = [*columns, "_seq", KNOWN]
    parts = [lake.schema(source.name, None, names).empty_table()]
    for batch in lake.batches(source.name, columns=names):
        part = pa.Table.from_batches([batch])
        for name, wanted in keyed.items():
            kind = part.schema.field(name).type
            part = part.filter(pc.is_in(part.column(name), value_set=pc.unique(wanted).cast(kind)))
        parts.append(part)
    events = frame(pa.concat_tables(parts), columns, source.contract, source.name)
    moment = Column(spine.contract.columns()[spine.event_time].type, rows.at)
    asked = Frame(len(rows.at), {**rows.fields, spine.event_time: moment})
    return labels(label, asked, spine.event_time, events)[LABEL]


def _metrics(replay: Replay, rows: Sides, truth: Column) -> tuple[Judged, ...]:
    model, scorer = replay.service.model, replay.scorer
    moment = model.cases.spine.event_time
    texts = scorer.categories
    table = pa.table({name: _feature(rows.x[:, at], texts.get(name)) for at, name in enumerate(scorer.features)})
    beside = {name: feature_array(one) for name, one in rows.fields.items() if name not in table.column_names}
    times = pa.array(rows.at).cast(pa.timestamp("us", tz="UTC"))
    for name, values in {**beside, moment: times, "label": feature_array(truth)}.items():
        table = table.append_column(name, values)
    manifest = {"features": list(scorer.features), "event_time": moment, "columns": dict.fromkeys(table.column_names)}
    cases = read_cases(_Set(table, manifest), grouped_by(model), model.place, model.task, costed_by(model))
    if model.task.name in ("binary", "anomaly") and len(np.unique(cases.y)) < 2:
        return ()
    span, every = (int(rows.at.min()), int(rows.at.max()) + 1), np.ones(len(rows.at), np.bool_)
    context = context_of(model, cases, Fold(span, span, ~every, every))
    metrics, blocks = {one.label: one for one in model.metrics}, blocks_of(rows.at)
    sides = [(rows.old, rows.threshold), (rows.new, replay.version.record.threshold)]
    old, new = (measure(metrics, cases.y, score, replace(context, threshold=at), blocks) for score, at in sides)
    found = []
    for label, metric in metrics.items():
        one, other = old[label], new[label]
        apart = difference(other, one)
        told = None if apart is None else {name: float(value) for name, value in vars(apart).items()}
        better = None if one.value == other.value else (other.value > one.value) == metric.greater_is_better
        spans = interval(metric, one), interval(metric, other)
        found.append(Judged(label, one.value, other.value, *spans, told, better))
    return tuple(found)


def _feature(values: Any, texts: Sequence[str] | None) -> pa.Array:
    null = np.isnan(values)
    if texts is None:
        return pa.array(values.astype(np.float64), mask=null)
    places = np.where(null, 0, values).astype(np.int64)
    return pa.array([None if gone else texts[at] for at, gone in zip(places.tolist(), null.tolist(), strict=True)],
                    pa.string())  # fmt: skip
