"""Figures of a model's test as files of their own, for who looks at its run in MLflow: SVG that needs no page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.audit.models.yes_no import LOWEST, calibration
from headrace.audit.plot import HEIGHT, WIDTH, Axis, Interval, Line, Points, linear, logarithmic, plot, shares
from headrace.declare import Task
from headrace.learn import Record

Floats = npt.NDArray[np.float64]
_MOST = 1200
"""Points of a cloud, evenly taken: more say nothing, and are slow to show."""
_STYLE = (
    "svg{background:#fff;color:#1a1f24;font:12px system-ui,sans-serif}.grid{stroke:#eaeeec}.soft{fill:#57616b;"
    "font-size:11px}.title{fill:#1a1f24;font-size:12px;font-weight:600}.line{fill:none;stroke:#0b6a6e;stroke-width:2}"
    ".other{fill:none;stroke:#8a5a00;stroke-width:1.5}.guide{fill:none;stroke:#57616b;stroke-dasharray:4 3}"
    ".interval{stroke:#c3d3d3;stroke-width:5}.dot.line{fill:#0b6a6e;stroke:none}.cloud{fill:#0b6a6e;fill-opacity:.35}"
    ".dot.cloud{r:1.6}polyline.cloud{display:none}.mark{fill:#b02a20}.named{fill:#1a1f24;font-size:11px}"
)
_COLOURS = ("line", "other", "guide")


def figures(task: Task, y: npt.NDArray[Any], score: Floats, record: Record) -> dict[str, str]:
    """Return figures by name, each an SVG file.

    Args:
        task: of the model; what can be drawn hangs on it.
        y: labels of the test rows.
        score: of these rows, shape (n,), or (n, k) where a row has several scores.
        record: of the version.

    Example:
        >>> from headrace.declare import binary
        >>> from headrace.learn import Origin
        >>> y, score = np.array([0, 0, 1, 1] * 20), np.array([0.1, 0.4, 0.35, 0.8] * 20)
        >>> list(figures(binary(), y, score, Record("score", "", Origin("", ""), {}, ())))
        ['precision_recall', 'roc', 'calibration', 'scores']
    """
    found: dict[str, str] = {}
    if score.ndim == 1 and task.name in ("binary", "anomaly") and 0 < y.sum() < len(y):
        found |= {"precision_recall": _precision_recall(y, score), "roc": _roc(y, score)}
        if task.name == "binary" and score.min() >= 0 and score.max() <= 1:
            found["calibration"] = _calibration(y, score)
        found["scores"] = _scores(y, score)
    elif score.ndim == 1 and task.name == "regression":
        found |= {"predicted_and_true": _cloud(y, score), "errors": _errors(y, score)}
    return found | dict(_folds(record))


def _alone(picture: str) -> str:
    """A picture of a page as a file: with its own styles, and a size."""
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{2 * HEIGHT}" '
    head, _, rest = picture.partition(">")
    head = head.replace("<svg ", begin, 1).replace(f' style="max-width:{WIDTH}px"', "")
    return f"{head}><style>{_STYLE}</style>{rest}"


def _ends(y: npt.NDArray[Any], score: Floats) -> tuple[Floats, Floats]:
    """How many rows are taken from the highest score down, and how many positives of them, at each distinct score."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    return (last + 1).astype(np.float64), np.cumsum(y[order])[last].astype(np.float64)


def _some(*columns: Floats) -> Points:
    """Points of columns, evenly taken."""
    places = np.unique(np.linspace(0, len(columns[0]) - 1, 240).astype(np.int64))
    x, up = (one[places].tolist() for one in columns)
    return list(zip(x, up, strict=True))


def _precision_recall(y: npt.NDArray[Any], score: Floats) -> str:
    taken, hits = _ends(y, score)
    base = float(hits[-1] / taken[-1])
    lines = [Line("guide", [(0, base), (1, base)]), Line("line", _some(hits / hits[-1], hits / taken))]
    return _alone(plot(lines, shares("recall"), shares("precision"), "precision over recall"))


def _roc(y: npt.NDArray[Any], score: Floats) -> str:
    taken, hits = _ends(y, score)
    wrong = np.append(0.0, (taken - hits) / (taken - hits)[-1])
    right = np.append(0.0, hits / hits[-1])
    lines = [Line("guide", [(0, 0), (1, 1)]), Line("line", _some(wrong, right))]
    return _alone(plot(lines, shares("false positive rate"), shares("true positive rate"), "ROC curve"))


def _calibration(y: npt.NDArray[Any], score: Floats) -> str:
    bins = calibration(y.astype(np.int64), np.maximum(score, LOWEST))
    points = [(one.score, one.share) for one in bins]
    spans = [Interval(one.score, one.low, one.high) for one in bins]
    lines = [Line("guide", [(LOWEST, LOWEST), (1, 1)]), Line("line", points, dots=True)]
    across, up = (logarithmic(title, LOWEST, 1, percents=True) for title in ("predicted", "observed"))
    return _alone(plot(lines, across, up, "observed over predicted", intervals=spans))


def _scores(y: npt.NDArray[Any], score: Floats) -> str:
    """How the scores of either class are spread: the share of its rows in each of 20 bins."""
    edges = np.linspace(float(score.min()), max(float(score.max()), float(score.min()) + 1e-9), 21)
    middle = (edges[1:] + edges[:-1]) / 2
    lines, most = [], 0.0
    for kind, label in (("other", 0), ("line", 1)):
        held = np.histogram(score[y == label], edges)[0] / max(int((y == label).sum()), 1)
        most = max(most, float(held.max()))
        lines.append(Line(kind, list(zip(middle.tolist(), held.tolist(), strict=True))))
    across = linear("score (green: positives, brown: others)", float(edges[0]), float(edges[-1]))
    return _alone(plot(lines, across, linear("share of rows", 0, most), "scores of positives and others"))


def _cloud(y: npt.NDArray[Any], score: Floats) -> str:
    low, high = float(min(y.min(), score.min())), float(max(y.max(), score.max()))
    dots = Line("cloud", _dots(y, score), dots=True)
    lines = [Line("guide", [(low, low), (high, high)]), dots]
    return _alone(plot(lines, linear("true", low, high), linear("predicted", low, high), "predicted against true"))


def _errors(y: npt.NDArray[Any], score: Floats) -> str:
    wrong = score - y
    low, high = float(score.min()), float(score.max())
    lines = [Line("guide", [(low, 0), (high, 0)]), Line("cloud", _dots(score, wrong), dots=True)]
    up = linear("predicted less true", float(min(wrong.min(), 0)), float(max(wrong.max(), 0)))
    return _alone(plot(lines, linear("predicted", low, high), up, "errors over what is predicted"))


def _dots(x: npt.NDArray[Any], up: npt.NDArray[Any]) -> Sequence[tuple[float, float]]:
    places = np.unique(np.linspace(0, len(x) - 1, min(_MOST, len(x))).astype(np.int64))
    return [(float(x[i]), float(up[i])) for i in places]


def _folds(record: Record) -> Iterator[tuple[str, str]]:
    """The metric that decided, of each candidate over the folds of validation."""
    tried = [one for one in record.choice.get("tried", ()) if len(one["folds"]) > 1]
    if not tried:
        return
    label = next(iter(tried[0]["folds"][0]))
    values = [[float(fold[label]) for fold in one["folds"]] for one in tried]
    taken = record.choice["name"]
    order = sorted(range(len(tried)), key=lambda i: tried[i]["name"].split(" (")[0] == taken)
    lines = [
        Line(_COLOURS[0] if i == order[-1] else _COLOURS[1], list(enumerate(values[i], 1)), dots=i == order[-1])
        for i in order
    ]
    flat = [one for row in values for one in row]
    up = linear(label, min(flat), max(flat))
    count = max(map(len, values))
    ticks = tuple((float(i), str(i)) for i in range(1, count + 1))
    across = Axis("fold of validation (green: the one that was taken)", 1, count, ticks)
    yield "validation", _alone(plot(lines, across, up, f"{label} over the folds of validation"))
