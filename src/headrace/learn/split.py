"""Which cases a model learns from and which it is judged on: split by event time, with a gap in which labels mature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US, from_us
from headrace.declare import TimeSplit
from headrace.errors import Fault, HeadraceError
from headrace.types import duration_text

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fold:
    """One way to learn and judge: half-open spans in int64 microseconds UTC, and the rows that lie in them."""

    train_span: tuple[int, int]
    test_span: tuple[int, int]
    train: Mask
    test: Mask

    def as_dict(self) -> dict[str, object]:
        """Return spans as ISO 8601 text, how many rows lie in each, and how many in neither."""
        return {
            "train": [from_us(us).isoformat() for us in self.train_span],
            "test": [from_us(us).isoformat() for us in self.test_span],
            "train_rows": int(self.train.sum()),
            "test_rows": int(self.test.sum()),
            "unused_rows": int((~(self.train | self.test)).sum()),
        }


def time_fold(time_us: npt.NDArray[np.int64], split: TimeSplit, matures_us: int) -> Fold:
    """Return the fold whose test is the last ``split.test`` of the cases, after ``split.train`` and a gap.

    A split in whole days has its edges at midnight UTC, so that metrics by day see whole days.

    Args:
        time_us: event times, int64 microseconds UTC, any order.
        split: lengths of train, test and gap.
        matures_us: how long labels need to mature, microseconds; the gap where the split names none.

    Raises:
        HeadraceError: HR-LEARN-001 when train or test has no rows.

    Example:
        >>> from headrace.declare import time_split
        >>> days = np.arange(10) * 86_400_000_000
        >>> fold = time_fold(days, time_split(train="4d", test="2d"), 3 * 86_400_000_000)
        >>> fold.train.nonzero()[0].tolist(), fold.test.nonzero()[0].tolist()
        ([1, 2, 3, 4], [8, 9])
    """
    gap_us = matures_us if split.gap_us is None else split.gap_us
    end = int(time_us.max()) + 1 if len(time_us) else 0
    if all(us % DAY_US == 0 for us in (split.train_us, split.test_us, gap_us)):
        end = -(-end // DAY_US) * DAY_US
    test_span = (end - split.test_us, end)
    train_span = (test_span[0] - gap_us - split.train_us, test_span[0] - gap_us)
    train, test = (_within(time_us, span) for span in (train_span, test_span))
    fold = Fold(train_span, test_span, train, test)
    _check_rows(fold, time_us, split, gap_us)
    return fold


def _within(time_us: npt.NDArray[np.int64], span: tuple[int, int]) -> Mask:
    mask: Mask = (time_us >= span[0]) & (time_us < span[1])
    return mask


def _check_rows(fold: Fold, time_us: npt.NDArray[np.int64], split: TimeSplit, gap_us: int) -> None:
    empty = [name for name, mask in (("train", fold.train), ("test", fold.test)) if not mask.any()]
    if not empty:
        return
    have = "no cases at all"
    if len(time_us):
        have = f"cases from {from_us(int(time_us.min())):%Y-%m-%d} to {from_us(int(time_us.max())):%Y-%m-%d}"
    found = f"no rows to {' and '.join('learn from' if name == 'train' else 'judge on' for name in empty)} ({have})"
    lengths = (split.train_us, gap_us, split.test_us)
    expected = "cases in each part of train {}, gap {} and test {}".format(
        *(duration_text(us) if us else "0" for us in lengths)
    )
    raise HeadraceError(Fault("HR-LEARN-001", split.place, found, expected, "load more history or shorten time_split"))


def short_history(fold: Fold, time_us: npt.NDArray[np.int64], split: TimeSplit) -> Fault | None:
    """Return a warning when the cases begin later than the span to learn from, by a day or a tenth of it, else None.

    Args:
        fold: the split.
        time_us: event times, int64 microseconds UTC, any order.
        split: as declared.
    """
    first = int(time_us.min())
    late = first - fold.train_span[0]
    if late < min(DAY_US, split.train_us // 10):
        return None
    there_us = fold.train_span[1] - first
    there = f"{round(there_us / DAY_US)} days" if there_us >= DAY_US else duration_text(there_us)
    found = f"{there} of cases to learn from, where train asks for {duration_text(split.train_us)}"
    found += f" (they begin on {from_us(first):%Y-%m-%d})"
    cure = "load more history, or ask for a shorter train; the model learned from what is there"
    return Fault("HR-LEARN-021", split.place, found, "cases in the whole span to learn from", cure, "warning")


def check_classes(fold: Fold, y: npt.NDArray[np.int64], place: str) -> None:
    """Refuse a fold of which a part has cases of one class only.

    Args:
        fold: the split.
        y: labels, 0 or 1, one for each case.
        place: ``file:line`` of the model.

    Raises:
        HeadraceError: HR-LEARN-002, one fault for each part.
    """
    faults = []
    for name, mask in (("train", fold.train), ("test", fold.test)):
        rows, positives = int(mask.sum()), int(y[mask].sum())
        if positives in (0, rows):
            found = f"{rows} rows in {name} of which {'none is' if positives == 0 else 'all are'} positive"
            cure = "look at the label's value and maturity, or choose longer spans in time_split"
            faults.append(Fault("HR-LEARN-002", place, found, "rows of both classes", cure))
    if faults:
        raise HeadraceError(faults)
