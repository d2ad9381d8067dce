"""Which cases a model learns from and which it is judged on: by time, or by who they are of."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.declare.base import Declared, type_fault
from headrace.declare.durations import duration_faults
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault
from headrace.types import duration_us

_MOST_FOLDS = 50


@dataclass(frozen=True)
class TimeSplit(Declared):
    """The last ``test`` of the cases to judge by, and the ``train`` before it, a gap apart."""

    train: str
    test: str
    gap: str | None = None
    folds: int = 1
    apart: str | None = None

    def _look(self) -> list[Fault]:
        words = {"train": self.train, "test": self.test} | ({} if self.gap is None else {"gap": self.gap})
        faults = [
            fault
            for name, text in words.items()
            for fault in duration_faults(text, self.place, f"{name} of time_split")
        ]
        faults += number_faults(self.place, "folds of time_split", self.folds, int, low=1, high=_MOST_FOLDS)
        return faults + _column_faults(self.apart, self.place, "apart of time_split")

    def __repr__(self) -> str:
        more = {"gap": self.gap, "folds": None if self.folds == 1 else self.folds, "apart": self.apart}
        return call_of("time_split", train=self.train, test=self.test, **more)

    @property
    def train_us(self) -> int:
        return duration_us(self.train)

    @property
    def test_us(self) -> int:
        return duration_us(self.test)

    @property
    def gap_us(self) -> int | None:
        return None if self.gap is None else duration_us(self.gap)

    @property
    def said(self) -> str:
        """What it does, in a few words."""
        return f"{self.train} to learn, {self.test} to judge"


@dataclass(frozen=True)
class GroupSplit(Declared):
    """A share of the groups to judge by, all others to learn from: no group is in both."""

    by: str
    test: float = 0.2
    folds: int = 5

    def _look(self) -> list[Fault]:
        faults = _column_faults(self.by, self.place, "by of group_split")
        faults += number_faults(self.place, "test of group_split", self.test, int | float, low=0, high=1)
        if not faults and not 0 < self.test < 1:
            found, cure = f"test of group_split = {self.test}", "pass a share between, e.g. 0.2"
            faults.append(Fault("HR-MODEL-004", self.place, found, "groups to learn from and groups to judge on", cure))
        return faults + number_faults(self.place, "folds of group_split", self.folds, int, low=2, high=_MOST_FOLDS)

    def __repr__(self) -> str:
        return call_of("group_split", self.by, test=self.test, folds=None if self.folds == 5 else self.folds)

    @property
    def said(self) -> str:
        """What it does, in a few words."""
        return f"judged on {self.test:.0%} of all {self.by}"


def time_split(train: str, test: str, gap: str | None = None, *, folds: int = 1, apart: str | None = None) -> TimeSplit:
    """Split by event time: learn on ``train``, wait ``gap``, judge on the last ``test``.

    What has to be chosen before (between candidates, their parameters, a threshold) is chosen on ``folds`` like it that
    lie further back, each as long as the test and the last one at the end of train (prequential validation; Gama,
    Sebastião and Rodrigues, Machine Learning 90, 2013): at the begin of the test nobody knew later labels.

    Args:
        train: how much to learn from, e.g. ``"30d"``.
        test: how much to judge on, e.g. ``"7d"``.
        gap: time between them, in which labels mature; by default as long as the label takes.
        folds: how many folds to choose on, from the end of train backwards.
        apart: column, such as ``"customer_id"``, whose values in the part to judge on are left out of what is learned
            from, so that a model is judged on those it has never seen.

    Example:
        >>> time_split(train="30d", test="7d").test_us == 7 * 86_400_000_000
        True
    """
    return TimeSplit(train, test, gap, folds, apart)


def group_split(by: str, test: float = 0.2, *, folds: int = 5) -> GroupSplit:
    """Split by who cases are of: a share of the groups is judged on, all others are learned from.

    A group is put into its part by a hash of its name, so that it stays there when others come. For cases without an
    order in time; where there is one, ``time_split(…, apart=…)`` keeps groups apart and the future out.

    Args:
        by: column that names the group.
        test: share of the groups to judge on, between 0 and 1.
        folds: in how many parts the groups to learn from fall for choosing.

    Example:
        >>> group_split("customer_id", test=0.3)
        group_split('customer_id', test=0.3)
    """
    return GroupSplit(by, test, folds)


def _column_faults(value: object, place: str, what: str) -> list[Fault]:
    return (
        [] if value is None or isinstance(value, str) else [type_fault(place, what, value, "a column's name as text")]
    )
