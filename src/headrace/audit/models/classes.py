"""Which classes are taken for which: the confusion matrix, and precision and recall of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.audit.models.tested import Tested
from headrace.audit.models.yes_no import Bin
from headrace.learn.rates import wilson

SHOWN, BINS, LEAST_IN_BIN = 12, 10, 30


@dataclass(frozen=True)
class Class:
    """A class: how many rows have it, how many of those named so are right, and how many of its rows are named so."""

    name: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float


@dataclass(frozen=True)
class Classes:
    """What became of each class.

    Args:
        classes: all of them, the largest first.
        shown: names of the largest, in the order of ``confusion``; the last may stand for all others.
        confusion: rows: ``confusion[true][named]``.
        others: how many classes the last of ``shown`` stands for; 0 where it is one.
        sure: how often the named class is right, by how likely it was said to be.
    """

    classes: tuple[Class, ...]
    shown: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    others: int
    sure: tuple[Bin, ...]


def classes(tested: Tested) -> Classes:
    """Return what became of each class."""
    y, score, names = tested.test.y, tested.score, tested.cases.classes
    named, count = np.argmax(score, axis=1), len(names)
    whole = np.bincount(y * count + named, minlength=count * count).reshape(count, count)
    rows, said, right = whole.sum(axis=1), whole.sum(axis=0), np.diag(whole)
    order = np.argsort(-rows, kind="stable")
    each = [
        Class(
            names[at],
            int(rows[at]),
            float(right[at] / said[at]) if said[at] else None,
            float(right[at] / rows[at]) if rows[at] else None,
            float(2 * right[at] / max(rows[at] + said[at], 1)),
        )
        for at in order.tolist()
    ]
    kept = count if count <= SHOWN + 1 else SHOWN
    place = np.full(count, kept, np.int64)
    place[order[:kept]] = np.arange(kept)
    size = kept + (count > kept)
    small = np.zeros((size, size), np.int64)
    np.add.at(small, (place[:, None].repeat(count, 1), place[None].repeat(count, 0)), whole)
    shown = [names[at] for at in order[:kept].tolist()] + ([f"{count - kept} others"] if count > kept else [])
    sure = score[np.arange(len(y)), named] / score.sum(axis=1)
    confusion = tuple(tuple(int(one) for one in row) for row in small)
    return Classes(tuple(each), tuple(shown), confusion, count - kept, _sure(named == y, sure))


def _sure(
    right: np.ndarray[tuple[int], np.dtype[np.bool_]], sure: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[Bin, ...]:
    found = []
    for rows in np.array_split(np.argsort(sure, kind="stable"), BINS):
        if len(rows) >= LEAST_IN_BIN:
            share = float(right[rows].mean())
            found.append(Bin(float(sure[rows].mean()), share, *wilson(share, len(rows))))
    return tuple(found)
