"""What two looks at the figures say of the time between them: rates, percentiles, shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import inf
from typing import Any

from headrace.serve.metrics.reading import Sample

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Look:
    """Figures at a moment.

    Args:
        at_s: on a clock that never goes back.
        values: by name and labels.
    """

    at_s: float
    values: Mapping[tuple[str, _Labels], float]

    @classmethod
    def of(cls, samples: Iterable[Sample], at_s: float) -> Look:
        """Return the samples of one text."""
        return cls(at_s, {(one.name, frozenset(one.labels.items())): one.value for one in samples})

    def each(self, name: str) -> Iterable[tuple[dict[str, str], float]]:
        """Yield labels and value of each sample of a name."""
        return ((dict(labels), value) for (one, labels), value in self.values.items() if one == name)

    def single(self, name: str) -> float | None:
        """Return the sample without labels, None where there is none."""
        return self.values.get((name, frozenset()))


@dataclass(frozen=True)
class ServiceSeen:
    """A service between two looks.

    Args:
        name: of it.
        rate: requests that were decided, a second.
        decided: since it began.
        latency_s: percentile to seconds, None where nothing was decided.
        shares: decision to its share of those between the looks, or of all where there were none.
        models: name and version of what it decides with.
    """

    name: str
    rate: float
    decided: int
    latency_s: Mapping[str, float | None]
    shares: Mapping[str, float]
    models: tuple[str, ...]


@dataclass(frozen=True)
class StreamSeen:
    """Live events between two looks.

    Args:
        taken, decided: events a second.
        lag: events that wait to be decided; None where nothing decides them.
        refused: events without a decision, since the log began.
        latency_s: quantile to seconds from the log to the decision.
    """

    taken: float
    decided: float
    lag: int | None
    refused: int
    latency_s: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """A running service between two looks; what it did not tell is None or empty.

    Args:
        seconds: between the looks.
        services: by name.
        refused: code of each error to how many there were between the looks and since it began.
        stages: part of a decision to the seconds that one took on the average.
        under_way, workers: requests and processes.
        cpu: processors that were busy, memory_bytes: of all workers; up_s: seconds since the oldest began.
        spool_records, spool_bytes, state_bytes: what waits for the lake, and the state of keys.
        state_rebuilding: whether the state of keys is being made anew.
        state_age_s: source to seconds since the state held all of it.
        parity_compared, parity_differing: values since it began; differing must be 0.
        streams: live events by stream.
    """

    seconds: float
    services: tuple[ServiceSeen, ...]
    refused: Mapping[str, tuple[int, int]]
    stages: Mapping[str, float]
    under_way: float | None
    workers: float | None
    cpu: float | None
    memory_bytes: float | None
    spool_records: float | None
    spool_bytes: float | None
    state_bytes: float | None
    state_rebuilding: bool
    state_age_s: Mapping[str, float]
    parity_compared: float | None
    parity_differing: float | None
    streams: Mapping[str, StreamSeen]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        return asdict(self)


def seen(before: Look, now: Look) -> Seen:
    """Return what happened between two looks.

    A service that began anew in between counts from there: a figure that became smaller is taken for one from zero.
    """
    seconds = max(now.at_s - before.at_s, 1e-9)
    names = sorted({labels["service"] for labels, _ in now.each("headrace_request_seconds_count")})
    cpu = _grown(before, now, "process_cpu_seconds_total", frozenset())
    return Seen(
        seconds=seconds,
        services=tuple(_service(before, now, name, seconds) for name in names),
        refused=_refused(before, now),
        stages=_stages(before, now),
        under_way=now.single("headrace_under_way"),
        workers=now.single("headrace_workers"),
        cpu=None if now.single("process_cpu_seconds_total") is None else cpu / seconds,
        memory_bytes=now.single("process_resident_memory_bytes"),
        spool_records=now.single("headrace_spool_records"),
        spool_bytes=now.single("headrace_spool_bytes"),
        state_bytes=now.single("headrace_state_bytes"),
        state_rebuilding=bool(now.single("headrace_state_rebuilding")),
        state_age_s={labels["source"]: value for labels, value in now.each("headrace_state_age_seconds")},
        parity_compared=now.single("headrace_parity_compared_total"),
        parity_differing=now.single("headrace_parity_differing_total"),
        streams=_streams(before, now, seconds),
    )


def _streams(before: Look, now: Look, seconds: float) -> dict[str, StreamSeen]:
    lag = {labels["stream"]: int(value) for labels, value in now.each("headrace_stream_lag")}
    names = {*lag, *(labels["stream"] for labels, _ in now.each("headrace_events_total"))}
    found = {}
    for name in sorted(names):
        labels_of = frozenset({("stream", name)})
        taken = _grown(before, now, "headrace_events_total", labels_of)
        waits = lag.get(name)
        done = taken - ((waits or 0) - before.values.get(("headrace_stream_lag", labels_of), 0.0))
        quantiles = {
            labels["quantile"]: value
            for labels, value in now.each("headrace_stream_latency_seconds")
            if labels["stream"] == name
        }
        decided = 0.0 if waits is None else max(0.0, done / seconds)
        refused = sum(int(value) for _, value in now.each("headrace_stream_refused_total")) if waits is not None else 0
        found[name] = StreamSeen(taken / seconds, decided, waits, refused, quantiles)
    return found


def percentiles(buckets: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """Return percentiles of a histogram, each by the place in its bucket, where times are spread evenly in their logs.

    Args:
        buckets: upper end in seconds and how many lie below it, in their order.

    Example:
        >>> percentiles([(0.001, 0), (0.002, 100), (float("inf"), 100)])["50"]
        0.001414...
    """
    total = buckets[-1][1] if buckets else 0
    return {f"{one:g}": None if not total else _at(buckets, one / 100 * total) for one in PERCENTILES}


def _at(buckets: Sequence[tuple[float, float]], rank: float) -> float:
    ends = [(0.0, 0.0), *buckets]
    for (low, under), (high, below) in pairwise(ends):
        if below >= rank and below > under:
            if high == inf:
                return low
            share = (rank - under) / (below - under)
            return float(low * (high / low) ** share if low else high)
    return buckets[-1][0]


def _service(before: Look, now: Look, name: str, seconds: float) -> ServiceSeen:
    labels = frozenset({("service", name)})
    fresh = _grown(before, now, "headrace_request_seconds_count", labels)
    buckets = _buckets(before, now, name) if fresh else _buckets(Look(0, {}), now, name)
    models = {
        f"{one['model']} {one['version']}" for one, _ in now.each("headrace_model_info") if one["service"] == name
    }
    return ServiceSeen(
        name,
        fresh / seconds,
        int(now.values["headrace_request_seconds_count", labels]),
        percentiles(buckets),
        _shares(before if fresh else Look(0, {}), now, name),
        tuple(sorted(models)),
    )


def _buckets(before: Look, now: Look, service: str) -> list[tuple[float, float]]:
    name = "headrace_request_seconds_bucket"
    found = [
        (float(labels["le"]), _grown(before, now, name, frozenset(labels.items())))
        for labels, _ in now.each(name)
        if labels["service"] == service
    ]
    return sorted(found)


def _shares(before: Look, now: Look, service: str) -> dict[str, float]:
    name = "headrace_requests_total"
    counts = {
        labels["outcome"]: _grown(before, now, name, frozenset(labels.items()))
        for labels, _ in now.each(name)
        if labels["service"] == service and labels["code"] == "200"
    }
    total = sum(counts.values())
    return {decision: count / total if total else 0.0 for decision, count in counts.items()}


def _refused(before: Look, now: Look) -> dict[str, tuple[int, int]]:
    name, found = "headrace_refused_total", dict[str, tuple[int, int]]()
    for labels, value in now.each(name):
        fresh, whole = found.get(labels["code"], (0, 0))
        grown = _grown(before, now, name, frozenset(labels.items()))
        found[labels["code"]] = fresh + int(grown), whole + int(value)
    return dict(sorted(found.items(), key=lambda one: one[1], reverse=True))


def _stages(before: Look, now: Look) -> dict[str, float]:
    found = {}
    for labels, _ in now.each("headrace_stage_seconds_count"):
        key = frozenset(labels.items())
        count = _grown(before, now, "headrace_stage_seconds_count", key)
        if count:
            found[labels["stage"]] = _grown(before, now, "headrace_stage_seconds_sum", key) / count
    return found


def _grown(before: Look, now: Look, name: str, labels: _Labels) -> float:
    value = now.values.get((name, labels), 0.0)
    earlier = before.values.get((name, labels), 0.0)
    return value - earlier if value >= earlier else value
