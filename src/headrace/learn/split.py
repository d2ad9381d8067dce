"""Which cases a model learns from and which it is judged on: split by event time, with a gap in which labels mature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US, from_us
from headrace.declare import GroupSplit, Model, Task, TimeSplit
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.cases import Cases
from headrace.types import duration_text

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fold:
    """One way to learn and judge.

    Args:
        train_span: half-open, int64 microseconds UTC.
        test_span: of what it is judged on.
        train: rows to learn from.
        test: rows to judge on.
        by: column whose values lie in one part only, where these are what is parted.
    """

    train_span: tuple[int, int]
    test_span: tuple[int, int]
    train: Mask
    test: Mask
    by: str = ""

    @property
    def judged_us(self) -> float:
        """Microseconds in which as many rows come as are judged on: of groups, their share of the whole span."""
        begin, end = self.test_span
        return (end - begin) * (float(self.test.mean()) if self.by else 1.0)

    def as_dict(self) -> dict[str, object]:
        """Return spans as ISO 8601 text, how many rows lie in each, and how many in neither."""
        return {
            **({"by": self.by} if self.by else {}),
            "train": [from_us(us).isoformat() for us in self.train_span],
            "test": [from_us(us).isoformat() for us in self.test_span],
            "train_rows": int(self.train.sum()),
            "test_rows": int(self.test.sum()),
            "unused_rows": int((~(self.train | self.test)).sum()),
        }


@dataclass(frozen=True)
class Split:
    """How cases are parted: the last fold is judged on once, what has to be chosen before is chosen on the others."""

    test: Fold
    validation: tuple[Fold, ...]


def folds_of(cases: Cases, split: TimeSplit | GroupSplit, matures_us: int) -> Split:
    """Return the folds of a declared split.

    Args:
        cases: with the column that the split groups by, if it does.
        split: as declared.
        matures_us: how long labels need to mature, microseconds.

    Raises:
        HeadraceError: HR-LEARN-001 for a part without rows, HR-LEARN-012 for a column that the set does not have.
    """
    if isinstance(split, GroupSplit):
        return _by_groups(cases, split)
    test = time_fold(cases.time_us, split, matures_us)
    earlier = tuple(_earlier(cases.time_us, split, matures_us, test))
    if split.apart is None:
        return Split(test, earlier)
    names = _column(cases, split.apart, split.place)
    return Split(_apart(test, names, split, needed=True), tuple(_apart(one, names, split) for one in earlier))


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
    gap_us = _gap_us(split, matures_us)
    end = int(time_us.max()) + 1 if len(time_us) else 0
    if all(us % DAY_US == 0 for us in (split.train_us, split.test_us, gap_us)):
        end = -(-end // DAY_US) * DAY_US
    fold = _ending(time_us, end, split, gap_us)
    _check_rows(fold, time_us, split, gap_us)
    return fold


def _gap_us(split: TimeSplit, matures_us: int) -> int:
    return matures_us if split.gap_us is None else split.gap_us


def _ending(time_us: npt.NDArray[np.int64], end: int, split: TimeSplit, gap_us: int) -> Fold:
    test_span = (end - split.test_us, end)
    train_span = (test_span[0] - gap_us - split.train_us, test_span[0] - gap_us)
    return Fold(train_span, test_span, _within(time_us, train_span), _within(time_us, test_span))


def _earlier(time_us: npt.NDArray[np.int64], split: TimeSplit, matures_us: int, test: Fold) -> Iterator[Fold]:
    """Folds like that of the test, the last one at the end of what is learned from; the newest last.

    One that begins before the cases do learns from what there is, and is left out where that is less than half.
    """
    first, gap_us = int(time_us.min()), _gap_us(split, matures_us)
    for back in reversed(range(split.folds)):
        fold = _ending(time_us, test.train_span[1] - back * split.test_us, split, gap_us)
        if fold.train_span[1] - max(first, fold.train_span[0]) >= split.train_us / 2 and fold.test.any():
            yield fold


def _apart(fold: Fold, names: npt.NDArray[np.uint64], split: TimeSplit, *, needed: bool = False) -> Fold:
    train = fold.train & ~np.isin(names, np.unique(names[fold.test]))
    if needed and not train.any():
        found = f"no rows to learn from, since each {split.apart} of train is also in the part to judge on"
        cure = "load more history, or take apart= away"
        raise HeadraceError(Fault("HR-LEARN-001", split.place, found, "others to learn from", cure))
    return Fold(fold.train_span, fold.test_span, train, fold.test)


def _by_groups(cases: Cases, split: GroupSplit) -> Split:
    """A group lies where its number, which is a hash already, does: so much of all numbers is the part to judge on."""
    names, time = _column(cases, split.by, split.place), cases.time_us
    at = names.astype(np.float64) / 2.0**64
    test = at >= 1 - split.test
    whole = (int(time.min()), int(time.max()) + 1) if len(time) else (0, 0)
    part = np.floor(at / (1 - split.test) * split.folds).astype(np.int64)
    folds = [Fold(whole, whole, ~test & (part != one), ~test & (part == one), split.by) for one in range(split.folds)]
    found = Split(Fold(whole, whole, ~test, test, split.by), tuple(one for one in folds if one.test.any()))
    if not test.any() or test.all():
        groups = len(np.unique(names))
        told = f"no {split.by} to {'learn from' if test.all() else 'judge on'}, of {groups:,} in all"
        cure = "load more history, or choose another share test="
        raise HeadraceError(Fault("HR-LEARN-001", split.place, told, "groups in both parts", cure))
    return found


def _column(cases: Cases, name: str, place: str) -> npt.NDArray[np.uint64]:
    if name in cases.columns:
        return cases.columns[name]
    cure = nearest(name, cases.columns) or "name a key of the spine, of an entity or of the label"
    raise HeadraceError(Fault("HR-LEARN-012", place, f"no column {name!r} in the training set", "the group", cure))


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


def check_labels(fold: Fold, cases: Cases, task: Task, place: str) -> None:
    """Refuse a fold of which a part has labels that nothing can be learned from, or judged by.

    Args:
        fold: the split.
        cases: all of them.
        task: of the model.
        place: ``file:line`` of the model.

    Raises:
        HeadraceError: HR-LEARN-002, one fault for each part.
    """
    faults = []
    for name, mask in (("train", fold.train), ("test", fold.test)):
        found, expected = _amiss(cases.y[mask], cases.classes, task, name)
        if found:
            cure = "look at the label's value and maturity, or choose longer spans in time_split"
            faults.append(Fault("HR-LEARN-002", place, found, expected, cure))
    if faults:
        raise HeadraceError(faults)


def judging(split: Split, cases: Cases, model: Model) -> tuple[Split, tuple[Fault, ...]]:
    """Leave out folds of validation on which nothing can be learned or judged, and tell of each as a warning.

    Told is also that there are fewer than were asked for.

    Args:
        split: of which the last fold has both.
        cases: all of them.
        model: as declared.
    """
    kept, told = list[Fold](), list[Fault]()
    asked = model.split.folds
    if isinstance(model.split, TimeSplit) and asked > 1 and len(split.validation) < asked:
        fewer = f"{len(split.validation)} folds of validation, where folds={asked} asks for more days than there are"
        cure = "load more history, or shorten train= or test="
        told.append(Fault("HR-LEARN-021", model.split.place, fewer, f"{asked} folds", cure, "warning"))
    told += _few_apart(split.test, cases, model.split) if isinstance(model.split, TimeSplit) else []
    for fold in split.validation:
        parts = (("train", fold.train), ("test", fold.test))
        amiss = [_amiss(cases.y[mask], cases.classes, model.task, name) for name, mask in parts]
        found = next((one for one in amiss if one[0]), None)
        if found is None:
            kept.append(fold)
            continue
        until = from_us(fold.test_span[1]).strftime("%Y-%m-%d") if not fold.by else fold.by
        cure = "the others decide; longer spans in time_split, or fewer folds, would use all"
        said = f"a fold of validation (to {until}) with {found[0]}, which is left out"
        told.append(Fault("HR-LEARN-002", model.place, said, found[1], cure, "warning"))
    return replace(split, validation=tuple(kept)), tuple(told)


def _few_apart(fold: Fold, cases: Cases, split: TimeSplit) -> list[Fault]:
    """A warning where most of what could be learned from is of those that the test is about."""
    there, kept = int(_within(cases.time_us, fold.train_span).sum()), int(fold.train.sum())
    if split.apart is None or 2 * kept >= there:
        return []
    found = f"{kept:,} of {there:,} cases to learn from, since the others are of a {split.apart} that the test has, too"
    cure = "take apart= away, or hr.group_split(…), which parts them evenly"
    return [Fault("HR-LEARN-021", split.place, found, "more than half of them", cure, "warning")]


def _amiss(y: npt.NDArray[np.generic], classes: tuple[str, ...], task: Task, part: str) -> tuple[str, str]:
    """What is wrong with the labels of a part, and what was expected."""
    rows = len(y)
    if not rows:
        return f"no rows in {part}", "rows to learn from and to judge on"
    if task.name in ("binary", "anomaly"):
        positives = int((y == 1).sum())
        learned_without = task.name == "anomaly" and part == "train"
        if positives in (0, rows) and not learned_without:
            said = "none is" if positives == 0 else "all are"
            return f"{rows} rows in {part} of which {said} positive", "rows of both classes"
    elif task.name == "multiclass" and part == "train":
        missing = [one for at, one in enumerate(classes) if not (y == at).any()]
        if missing:
            return f"no rows in train of the classes {', '.join(missing[:5])}", "rows of each class"
    elif task.name != "multiclass" and len(np.unique(y)) == 1:
        return f"{rows} rows in {part}, all of the same label", "labels that differ"
    return "", ""
