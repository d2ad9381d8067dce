"""The worst errors, row by row: what a data scientist looks up first. Values that tell of persons are left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.audit.models.blocks import Floats, Ints
from headrace.audit.models.tested import YES_NO, Tested
from headrace.audit.page import number
from headrace.clock import from_us

MOST, FEATURES = 6, 5


@dataclass(frozen=True)
class Wrong:
    """A test row: its place in the built set, when it was, label and score as text, and some of its features."""

    place: int
    at: str
    label: str
    score: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Worst:
    """Rows with the worst errors of a kind: what they have in common, and the features that are shown of each."""

    title: str
    features: tuple[str, ...]
    rows: tuple[Wrong, ...]


def worst(tested: Tested, features: Sequence[str], hidden: Collection[str]) -> tuple[Worst, ...]:
    """Return the rows with the worst errors.

    Args:
        tested: a version on its test rows.
        features: the most important first; some of them are shown.
        hidden: features of which no value is shown.
    """
    shown = tuple(one for one in features if one not in hidden)[:FEATURES]
    kinds = [(title, rows) for title, rows in _kinds(tested) if len(rows)]
    return tuple(Worst(title, shown, tuple(_row(tested, at, shown) for at in rows.tolist())) for title, rows in kinds)


def _kinds(tested: Tested) -> list[tuple[str, Ints]]:
    y, score, task = tested.test.y, tested.score, tested.model.task.name
    if task in YES_NO:
        alarms = _highest(np.where(y == 0, score, -np.inf))
        missed = _highest(np.where(y == 1, -score, -np.inf))
        return [
            ("False alarms with the highest scores", alarms[y[alarms] == 0]),
            ("Positives with the lowest scores", missed[y[missed] == 1]),
        ]
    if task == "multiclass":
        of_true = score[np.arange(tested.rows), y]
        wrong = _highest(np.where(np.argmax(score, axis=1) == y, -np.inf, -of_true))
        return [("True class thought least likely", wrong[np.argmax(score[wrong], axis=1) != y[wrong]])]
    if task == "regression":
        return [("Furthest from the truth", _highest(np.abs(y - score)))]
    if task == "quantiles":
        each = tested.each
        beyond = np.maximum(each[:, 0] - y, y - each[:, -1])
        found = _highest(beyond)
        return [("Furthest outside of what was foretold", found[beyond[found] > 0])]
    top = _highest(np.where(y == 0, score, -np.inf))
    return [("Irrelevant rows with the highest scores", top[y[top] == 0])]


def _highest(values: Floats) -> Ints:
    count = min(MOST, len(values))
    few = np.argpartition(-values, count - 1)[:count] if count else np.zeros(0, np.int64)
    found: Ints = few[np.argsort(-values[few], kind="stable")]
    return found


def _row(tested: Tested, at: int, features: Sequence[str]) -> Wrong:
    test = tested.test
    label = test.classes[int(test.y[at])] if test.classes else number(float(test.y[at]))
    each = tested.each[at]
    if test.classes:
        told = f"{test.classes[int(np.argmax(each))]} ({each.max():.3f})"
    else:
        told = " / ".join(number(float(one)) if tested.model.task.name not in YES_NO else f"{one:.4f}" for one in each)
    place = int(np.flatnonzero(tested.split.test.test)[at])
    when = f"{from_us(int(test.time_us[at])):%Y-%m-%d %H:%M}"
    return Wrong(place, when, label, told, tuple(_value(tested, at, name) for name in features))


def _value(tested: Tested, at: int, name: str) -> str:
    value, texts = float(tested.test.x[at, tested.test.names.index(name)]), tested.scorer.categories.get(name, ())
    if np.isnan(value):
        return "missing"
    return texts[int(value)] if texts else number(value)
