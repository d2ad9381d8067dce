"""Figures as text: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0, which has examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from headrace.serve.metrics.families import BOUNDS, FAMILIES, Exemplar, Family, Figures, Labels, Spread

PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
_ENDS = (*(repr(one) for one in BOUNDS), "+Inf")
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(figures: Figures, openmetrics: bool = False) -> str:
    """Return figures as text.

    Args:
        figures: of all workers.
        openmetrics: whether as OpenMetrics 1.0, where buckets have the id of a record as their exemplar.

    Example:
        >>> print(exposition(Figures({"headrace_workers": {(): 2}})).splitlines()[-1])
        headrace_workers 2
    """
    lines = [line for family in FAMILIES.values() for line in _family(family, figures, openmetrics)]
    return "\n".join([*lines, "# EOF", ""] if openmetrics else [*lines, ""])


def wants_openmetrics(accept: str) -> bool:
    """Return whether a header ``accept`` prefers OpenMetrics to plain text.

    Example:
        >>> wants_openmetrics("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3")
        True
        >>> wants_openmetrics("*/*"), wants_openmetrics("application/openmetrics-text;q=0,text/plain")
        (False, False)
    """
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (one.strip() for one in part.split(";"))
        if kind in weights:
            weights[kind] = max(weights[kind], _weight(parameters))
    return weights["application/openmetrics-text"] > weights["text/plain"]


def _weight(parameters: list[str]) -> float:
    given = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0


def _family(family: Family, figures: Figures, openmetrics: bool) -> Iterator[str]:
    numbers, spreads = figures.numbers.get(family.name, {}), figures.spreads.get(family.name, {})
    if not numbers and not spreads:
        return
    name, kind = family.name, family.kind
    if openmetrics:
        name = name.removesuffix("_total").removesuffix("_info") if kind in ("counter", "info") else name
    else:
        kind = "gauge" if kind == "info" else kind
    yield f"# HELP {name} {family.tells}"
    yield f"# TYPE {name} {kind}"
    if openmetrics and family.unit:
        yield f"# UNIT {name} {family.unit}"
    for labels, value in sorted(numbers.items()):
        yield f"{family.name}{_labels(family.labels, labels)} {value!r}"
    for labels, spread in sorted(spreads.items()):
        yield from _buckets(family, labels, spread, openmetrics)


def _buckets(family: Family, labels: Labels, spread: Spread, openmetrics: bool) -> Iterator[str]:
    name, total = family.name, 0
    for end, total, exemplar in zip(_ENDS, accumulate(spread.counts), spread.exemplars, strict=True):
        example = _example(exemplar) if openmetrics and exemplar else ""
        yield f"{name}_bucket{_labels((*family.labels, 'le'), (*labels, end))} {total}{example}"
    yield f"{name}_sum{_labels(family.labels, labels)} {spread.sum!r}"
    yield f"{name}_count{_labels(family.labels, labels)} {total}"


def _example(exemplar: Exemplar) -> str:
    record_id, seconds, at = exemplar
    return f" # {_labels(('record_id',), (record_id,))} {seconds!r} {at / 1e6:.3f}"


def _labels(names: Labels, values: Labels) -> str:
    said = ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in zip(names, values, strict=True))
    return f"{{{said}}}" if said else ""
