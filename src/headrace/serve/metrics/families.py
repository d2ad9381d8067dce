"""What is measured: every family of figures with its labels, and how those of several workers become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import msgspec

Labels = tuple[str, ...]
"""Values of a family's labels, in its order."""
Exemplar = tuple[str, float, int]
"""Id of a record, seconds it took, and when that was, microseconds UTC."""

_E6 = (1.0, 1.5, 2.2, 3.3, 4.7, 6.8)
BOUNDS: tuple[float, ...] = (*(float(f"{one}e{ten}") for ten in range(-6, 1) for one in _E6), 10.0)
"""Upper ends of the buckets of every histogram, seconds: 1 µs to 10 s by the preferred numbers E6 (IEC 60063).

Each is about 1.47 times the one before, so a percentile that is read from them is off by a fifth at most.
"""


class Spread(msgspec.Struct):
    """A histogram: how many fell into each bucket (the last is beyond all bounds), their sum, and one of each."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0
    exemplars: list[Exemplar | None] = msgspec.field(default_factory=lambda: [None] * (len(BOUNDS) + 1))


class Figures(msgspec.Struct):
    """Everything that was measured, by family and labels."""

    numbers: dict[str, dict[Labels, float]] = msgspec.field(default_factory=dict)
    spreads: dict[str, dict[Labels, Spread]] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """One family of figures.

    Args:
        name: as Prometheus' text format has it.
        kind: what it is; an ``info`` is always 1 and says something by its labels.
        tells: one line of help.
        labels: none of them ever holds a value of a row.
        unit: in which it is, where its name ends with it.
        over: what several workers' figures come to.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    tells: str
    labels: Labels = ()
    unit: str = ""
    over: Literal["sum", "max", "min"] = "sum"


_ALL = (
    Family(
        "headrace_requests_total",
        "counter",
        "Requests to a service: its decision, or refused; and the status of HTTP.",
        ("service", "outcome", "code"),
    ),
    Family(
        "headrace_refused_total",
        "counter",
        "Refusals by the code of the error; docs/errors.md says what each means.",
        ("service", "code"),
    ),
    Family("headrace_events_total", "counter", "Live events that were taken.", ("stream",)),
    Family(
        "headrace_request_seconds",
        "histogram",
        "Time from a whole request to its answer, of requests that were decided.",
        ("service",),
        "seconds",
    ),
    Family(
        "headrace_stage_seconds",
        "histogram",
        "Time of each part of a decision: parse, state, features, score, record.",
        ("stage",),
        "seconds",
    ),
    Family("headrace_under_way", "gauge", "Requests that have begun and are not answered yet."),
    Family("headrace_spool_records", "gauge", "Records that are durable here and not in the lake yet."),
    Family("headrace_spool_bytes", "gauge", "Size of the spool.", (), "bytes", "max"),
    Family(
        "headrace_state_age_seconds",
        "gauge",
        "Time since the newest event in the state of keys became known.",
        ("source",),
        "seconds",
        "max",
    ),
    Family("headrace_state_bytes", "gauge", "Size of the state of keys.", (), "bytes", "max"),
    Family("headrace_state_rebuilding", "gauge", "1 while the state of keys is being made anew.", over="max"),
    # these are kept with the state: who compares next goes on with them
    Family("headrace_parity_compared_total", "counter", "Served values that were recomputed from history.", over="max"),
    Family(
        "headrace_parity_differing_total",
        "counter",
        "Served values that history does not confirm; must be 0.",
        over="max",
    ),
    Family(
        "headrace_shadow_records_total",
        "counter",
        "Records that a shadow scored after the answer: it agrees, would flip the decision, or skipped it.",
        ("service", "model", "version", "outcome"),
        over="max",
    ),
    Family("headrace_shadow_failing", "gauge", "Whether the shadow of a service fails now.", ("service",), over="max"),
    # a log is one for all workers
    Family("headrace_stream_lag", "gauge", "Live events that wait to be decided.", ("stream",), over="max"),
    Family("headrace_stream_decided_total", "counter", "Live events that were decided.", ("service",), over="max"),
    Family("headrace_stream_refused_total", "counter", "Live events without a decision.", ("service",), over="max"),
    Family(
        "headrace_stream_latency_seconds",
        "gauge",
        "From the log to the decision, of the last ten seconds of a worker that runs.",
        ("stream", "quantile"),
        "seconds",
        "max",
    ),
    Family(
        "headrace_model_info",
        "info",
        "Version of its model that a service decides with.",
        ("service", "model", "version", "digest"),
        over="max",
    ),
    Family("headrace_workers", "gauge", "Processes that answer."),
    Family("process_cpu_seconds_total", "counter", "CPU time of all workers.", (), "seconds"),
    Family("process_resident_memory_bytes", "gauge", "Memory of all workers.", (), "bytes"),
    Family("process_open_fds", "gauge", "Open files and connections of all workers."),
    Family("process_max_fds", "gauge", "Open files and connections that one worker may have.", over="min"),
    Family(
        "process_start_time_seconds", "gauge", "When the oldest worker began, seconds since 1970.", (), "seconds", "min"
    ),
)
FAMILIES: Mapping[str, Family] = {one.name: one for one in _ALL}
"""All families by name, in the order in which they are shown."""
_FOLDS: Mapping[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


def merged(every: list[Figures]) -> Figures:
    """Return what several workers' figures come to."""
    found = Figures()
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            spreads = [one.spreads.get(name, {}) for one in every]
            labels = dict.fromkeys(chain.from_iterable(spreads))
            found.spreads[name] = {one: _together([each[one] for each in spreads if one in each]) for one in labels}
            continue
        numbers = [one.numbers.get(name, {}) for one in every]
        fold = _FOLDS[family.over]
        labels = dict.fromkeys(chain.from_iterable(numbers))
        found.numbers[name] = {one: fold([each[one] for each in numbers if one in each]) for one in labels}
    return found


def lasting(figures: Figures) -> Figures:
    """Return what stays true of a worker that has ended: what it counted, not what it had."""
    counted = {name: one for name, one in figures.numbers.items() if FAMILIES[name].kind == "counter"}
    return Figures(counted, figures.spreads)


def _together(spreads: list[Spread]) -> Spread:
    counts = [sum(column) for column in zip(*(one.counts for one in spreads), strict=True)]
    newest = (max(filter(None, column), key=lambda one: one[2], default=None) for column in _exemplars(spreads))
    return Spread(counts, sum(one.sum for one in spreads), list(newest))


def _exemplars(spreads: list[Spread]) -> zip[tuple[Exemplar | None, ...]]:
    return zip(*(one.exemplars for one in spreads), strict=True)
