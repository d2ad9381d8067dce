"""Folds: by time further and further back, with labels that were known by then; by groups that stay where they are."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn.cases import Cases
from headrace.learn.split import folds_of

DAY = 86_400_000_000


def cases(days: int, per_day: int = 4, **columns: np.ndarray) -> Cases:
    time_us = np.repeat(np.arange(days) * DAY, per_day) + 20_000 * DAY
    return Cases((), np.zeros((len(time_us), 0), np.float32), np.zeros(len(time_us)), time_us, columns)


def names(count: int) -> np.ndarray:
    """Numbers of groups as a set has them."""
    return np.array([int.from_bytes(hashlib.blake2b(str(n).encode(), digest_size=8).digest(), "little")
                     for n in range(count)], np.uint64)  # fmt: skip


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 5), st.integers(1, 6), st.integers(20, 70))
@settings(max_examples=200, deadline=None)
def test_at_the_end_of_train_every_label_of_validation_was_known(
    train: int, test: int, gap: int, folds: int, days: int
) -> None:
    split = hr.time_split(train=f"{train}d", test=f"{test}d", gap=f"{gap}d" if gap else None, folds=folds)
    rows = cases(days)
    if train + test + gap > days:
        return
    found = folds_of(rows, split, 0)
    assert len(found.validation) <= folds
    ends = [fold.test_span[1] for fold in found.validation]
    assert ends == sorted(ends)
    for fold in found.validation:
        assert fold.test_span[1] <= found.test.train_span[1], "later labels were not known when the test began"
        assert fold.train_span[1] + gap * DAY == fold.test_span[0]
        assert not (fold.train & fold.test).any()
        assert not (fold.test & found.test.test).any()
    if found.validation:
        assert found.validation[-1].test_span[1] == found.test.train_span[1]
        assert all(
            a.test_span[1] == b.test_span[0] for a, b in zip(found.validation, found.validation[1:], strict=False)
        )


def test_a_fold_that_begins_long_before_the_cases_is_left_out() -> None:
    split = hr.time_split(train="10d", test="5d", folds=4)
    assert [len(folds_of(cases(days), split, 0).validation) for days in (14, 15, 20, 25, 30, 60)] == [
        0,
        1,
        2,
        3,
        4,
        4,
    ]


def test_who_is_judged_on_was_not_learned_from() -> None:
    rows = cases(40, customer_id=np.random.default_rng(1).choice(names(30), 160))
    found = folds_of(rows, hr.time_split(train="20d", test="5d", folds=2, apart="customer_id"), 0)
    for fold in (found.test, *found.validation):
        who = rows.columns["customer_id"]
        assert fold.train.any()
        assert not set(who[fold.train].tolist()) & set(who[fold.test].tolist())
    with pytest.raises(HeadraceError, match="HR-LEARN-012.*no column 'customer'.*did you mean 'customer_id'"):
        folds_of(rows, hr.time_split(train="20d", test="5d", apart="customer"), 0)
    with pytest.raises(HeadraceError, match="HR-LEARN-001.*each customer_id of train is also in the part to judge on"):
        folds_of(cases(40, customer_id=np.repeat(names(1), 160)), hr.time_split("20d", "5d", apart="customer_id"), 0)


def test_groups_stay_in_their_part_when_others_come() -> None:
    few, more = cases(50, customer_id=np.tile(names(100), 2)), cases(500, customer_id=np.tile(names(1000), 2))
    split = hr.group_split("customer_id", test=0.3, folds=4)
    small, large = folds_of(few, split, 0), folds_of(more, split, 0)

    def judged(rows: Cases, mask: np.ndarray) -> set[int]:
        return set(rows.columns["customer_id"][mask].tolist())

    known = set(names(100).tolist())
    assert judged(more, large.test.test) & known == judged(few, small.test.test)
    assert 0.24 < large.test.test.mean() < 0.36
    assert len(large.validation) == 4
    parts = [judged(more, fold.test) for fold in large.validation]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1000 - len(judged(more, large.test.test))
    for fold in (large.test, *large.validation):
        assert not judged(more, fold.train) & judged(more, fold.test)
        assert not judged(more, fold.train) & judged(more, large.test.test)


def test_one_group_can_be_in_one_part_only() -> None:
    with pytest.raises(HeadraceError, match="HR-LEARN-001.*no customer_id to .*, of 1 in all"):
        folds_of(cases(5, customer_id=np.repeat(names(1), 20)), hr.group_split("customer_id"), 0)
