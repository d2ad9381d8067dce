"""Figures of a version's test, drawn by whoever trains it and kept with it; a figure that fails costs no version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.metrics import Scores
from headrace.learn.version import Record

Figures = Callable[[Task, npt.NDArray[Any], Scores, Record], Mapping[str, str]]
"""Task, labels and scores of the test rows, and the record -> SVG by name."""


def drawn(figures: Figures | None, task: Task, y: npt.NDArray[Any], score: Scores, record: Record) -> dict[str, bytes]:
    """Return figures as files, below ``figures/``.

    Args:
        figures: draws them; None for none.
        task: of the model.
        y: labels of the test rows.
        score: of them.
        record: of the version, for its metrics and those of the folds.

    Example:
        >>> import numpy as np
        >>> from headrace.declare import binary
        >>> from headrace.learn.version import Origin
        >>> one, told = np.ones(1), Record("score", "", Origin("", ""), {}, ())
        >>> drawn(lambda *_: {"nothing": "<svg/>"}, binary(), one, one, told)
        {'figures/nothing.svg': b'<svg/>'}
    """
    if figures is None:
        return {}
    try:
        return {f"figures/{name}.svg": text.encode() for name, text in figures(task, y, score, record).items()}
    except Exception as error:  # noqa: BLE001 - an hour of fitting is worth more than a picture
        logging.getLogger(__name__).warning("a figure could not be drawn (%s)", type(error).__name__)
        return {}
