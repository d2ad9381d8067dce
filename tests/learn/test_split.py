"""Split by time: edges, gaps, and the folds that cannot be."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.learn.cases import Cases
from headrace.learn.split import check_labels, short_history, time_fold

DAY = 86_400_000_000


def cases(y, time_us=None, **more):
    time_us = np.arange(len(y), dtype=np.int64) if time_us is None else time_us
    return Cases((), np.zeros((len(y), 0), np.float32), y, time_us, **more)


def test_edges_are_half_open_and_at_midnight_for_whole_days():
    midnight = 20_000 * DAY
    time = midnight + np.array([0, 1, DAY - 1, DAY, 2 * DAY, 3 * DAY, 4 * DAY - 1, 4 * DAY, 5 * DAY + 7])
    fold = time_fold(time, hr.time_split(train="2d", test="1d", gap="3d"), matures_us=0)
    assert fold.test_span == (midnight + 5 * DAY, midnight + 6 * DAY)
    assert fold.train_span == (midnight, midnight + 2 * DAY)
    assert fold.train.nonzero()[0].tolist() == [0, 1, 2, 3]
    assert fold.test.nonzero()[0].tolist() == [8]


def test_the_gap_is_the_maturity_of_the_label_where_none_is_given():
    time = np.arange(40, dtype=np.int64) * DAY
    fold = time_fold(time, hr.time_split(train="10d", test="5d"), matures_us=7 * DAY)
    assert fold.test_span[0] - fold.train_span[1] == 7 * DAY
    assert int(fold.train.sum()) == 10
    assert int(fold.test.sum()) == 5


def test_hours_are_measured_back_from_the_last_case():
    time = np.array([0, 3_600_000_000, 2 * 3_600_000_000 + 5])
    fold = time_fold(time, hr.time_split(train="1h", test="1h", gap="1us"), 0)
    assert fold.test_span == (3_600_000_006, 7_200_000_006)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.lists(st.integers(0, 30 * DAY), min_size=1, max_size=60),
    st.sampled_from(["9d", "90h", "3w"]),
    st.sampled_from(["1d", "7h"]),
    st.integers(0, 10 * DAY),
)
def test_each_row_is_in_train_or_test_exactly_when_its_time_is(times, train, test, matures):
    time = np.array(times, dtype=np.int64)
    split = hr.time_split(train=train, test=test)
    try:
        fold = time_fold(time, split, matures)
    except hr.HeadraceError:
        reject()  # an empty part, which has tests of its own
    assert fold.train_span[1] + matures == fold.test_span[0]
    assert max(times) < fold.test_span[1]
    for row, us in enumerate(times):
        assert fold.train[row] == (fold.train_span[0] <= us < fold.train_span[1])
        assert fold.test[row] == (fold.test_span[0] <= us < fold.test_span[1])


@pytest.mark.parametrize("days", [0, 5, 12])
def test_an_empty_fold_is_told_with_the_span_there_is(days):
    time = np.arange(days, dtype=np.int64) * DAY
    with pytest.raises(hr.HeadraceError) as caught:
        time_fold(time, hr.time_split(train="10d", test="5d"), 7 * DAY)
    text = str(caught.value)
    assert "HR-LEARN-001" in text
    assert "test_split.py:" in text
    assert "train 10d, gap 7d and test 5d" in text
    assert ("no cases at all" if days == 0 else "cases from 1970-01-01 to") in text


@pytest.mark.parametrize(
    ("labels", "told"),
    [([0, 0, 0, 0], ["in train of which none", "in test of which none"]), ([0, 1, 1, 1], ["in test of which all"])],
)
def test_one_class_is_told_for_each_part(labels, told):
    fold = time_fold(np.arange(4, dtype=np.int64) * DAY, hr.time_split(train="2d", test="2d", gap="1us"), 0)
    fold = type(fold)(fold.train_span, fold.test_span, np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1], bool))
    with pytest.raises(hr.HeadraceError) as caught:
        check_labels(fold, cases(np.array(labels)), hr.binary(), "project.py:9")
    assert [fault.code for fault in caught.value.faults] == ["HR-LEARN-002"] * len(told)
    for fault, words in zip(caught.value.faults, told, strict=True):
        assert words in fault.found
        assert fault.place == "project.py:9"


def test_a_row_at_an_edge_is_in_one_part_only_and_all_rows_are_counted():
    start = 20_000 * DAY
    #        before     train: first, last           gap: first, last               test: first, last
    edges = [start - 1, start, start + 10 * DAY - 1, start + 10 * DAY, start + 17 * DAY - 1, start + 17 * DAY]
    time = np.array([*edges, start + 22 * DAY - 1], dtype=np.int64)
    fold = time_fold(time, hr.time_split(train="10d", test="5d"), matures_us=7 * DAY)
    assert fold.train.nonzero()[0].tolist() == [1, 2]
    assert fold.test.nonzero()[0].tolist() == [5, 6]
    told = fold.as_dict()
    assert (told["train_rows"], told["test_rows"], told["unused_rows"]) == (2, 2, 3)


def test_a_history_that_is_shorter_than_asked_is_told():
    split = hr.time_split(train="10d", test="5d", gap="7d")

    def told(*hours: int):
        time = np.array([*hours, 12 * 24, 21 * 24], dtype=np.int64) * (DAY // 24) + 1
        return short_history(time_fold(time[time > 0], split, 0), time[time > 0], split)

    assert told(0, 30) is None, "cases from the first day on"
    assert told(23, 30) is None
    fault = told(2 * 24 + 11, 80)
    assert "8 days of cases to learn from, where train asks for 10d (they begin on 1970-01-03)" in fault.found
    assert (fault.code, fault.severity) == ("HR-LEARN-021", "warning")
    assert "test_split.py:" in fault.place
