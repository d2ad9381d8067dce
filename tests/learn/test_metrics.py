"""Metrics against scikit-learn, and card precision against the Handbook's own code."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.declare.metrics import BY_TASK, NAMES
from headrace.learn.metrics import NEVER, Context, better, evaluate, known_from
from headrace.learn.metrics.binary import BINARY, BINARY_ROWS
from headrace.learn.metrics.others import CLASSES, CLASSES_ROWS, GROUPS, NUMBERS, NUMBERS_ROWS

DAY = 86_400_000_000
EMPTY = Context(np.zeros(0, np.int64))


@st.composite
def scored(draw):
    """Labels with both classes, and scores with many ties."""
    n = draw(st.integers(2, 60))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda labels: 0 < sum(labels) < len(labels)))
    value = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 1.0]), st.floats(0, 1))
    score = draw(st.lists(value, min_size=n, max_size=n))
    return np.array(y, dtype=np.int64), np.array(score, dtype=np.float64)


@given(scored())
@settings(max_examples=60, deadline=None)
def test_equal_to_scikit_learn(pair):
    y, score = pair
    chosen = score >= 0.5
    expected = {
        hr.average_precision(): reference.average_precision_score(y, score),
        hr.roc_auc(): reference.roc_auc_score(y, score),
        hr.log_loss(): reference.log_loss(y, score),
        hr.brier(): reference.brier_score_loss(y, score),
        hr.precision(0.5): reference.precision_score(y, chosen, zero_division=0.0),
        hr.recall(0.5): reference.recall_score(y, chosen),
    }
    for metric, value in expected.items():
        assert evaluate(metric, y, score, EMPTY) == pytest.approx(value, rel=1e-12, abs=1e-12), metric.name


def handbook_card_precision(frame: pd.DataFrame, k: int) -> float:
    """The Handbook's card_precision_top_k (chapter 4), with its sort made stable."""
    found: list[int] = []
    each = []
    for day in sorted(frame.day.unique()):
        today = frame[(frame.day == day) & ~frame.card.isin(found)]
        cards = today.groupby("card").max().sort_values("score", ascending=False, kind="stable").reset_index()
        caught = list(cards.head(k)[cards.head(k).y == 1].card)
        each.append(len(caught) / k)
        found.extend(caught)
    return float(np.mean(each))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 120))
@settings(max_examples=40, deadline=None)
def test_card_precision_is_the_handbooks(seed, k, n):
    rng = np.random.default_rng(seed)
    day, card, y = rng.integers(0, 6, n), rng.integers(0, 15, n), (rng.random(n) < 0.3).astype(np.int64)
    score = rng.permutation(n) / n
    context = Context(day * DAY + rng.integers(0, DAY, n), {"customer_id": card})
    expected = handbook_card_precision(pd.DataFrame({"day": day, "card": card, "y": y, "score": score}), k)
    assert evaluate(hr.card_precision(k), y, score, context) == pytest.approx(expected, rel=1e-12)


def handbook_test_days(frame: pd.DataFrame, first: int, train: int, delay: int, test: int) -> pd.DataFrame:
    """The rows that the Handbook's get_train_test_set (chapter 3.4) leaves in the test."""
    known = set(frame[(frame.day >= first) & (frame.day < first + train) & (frame.y == 1)].card)
    kept = []
    for day in range(first + train + delay, first + train + delay + test):
        before = frame[frame.day == day - delay - 1]
        known |= set(before[before.y == 1].card)
        today = frame[frame.day == day]
        kept.append(today[~today.card.isin(known)])
    return pd.concat(kept)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_cards_known_from_training_are_left_out_as_in_the_handbook(seed, k, delay):
    rng, n, train, test = np.random.default_rng(seed), 300, 6, 5
    day, card, y = rng.integers(0, 20, n), rng.integers(0, 60, n), (rng.random(n) < 0.2).astype(np.int64)
    frame = pd.DataFrame({"day": day, "card": card, "y": y, "score": rng.permutation(n) / n})
    first = 20 - train - delay - test
    expected = handbook_card_precision(handbook_test_days(frame, first, train, delay, test), k)
    time = day * DAY + rng.integers(0, DAY, n)
    since, tested = day >= first, day >= first + train + delay
    known = np.full(n, NEVER)
    known[since] = known_from(card[since], y[since], time[since], delay * DAY)
    context = Context(time, {"customer_id": card}, {"customer_id": known}).take(tested)
    found = evaluate(hr.card_precision(k), y[tested], frame.score.to_numpy()[tested], context)
    assert found == pytest.approx(expected, rel=1e-12)


def test_card_precision_by_hand():
    # day 0: cards 7 (max .9, fraud) and 8 (.8) are taken -> 1/2; day 1: 7 is known and left out, so 8 and 9: 9 is fraud
    time = np.array([0, 1, 2, 3, DAY, DAY + 1, DAY + 2, DAY + 3])
    card = np.array([7, 7, 8, 9, 7, 8, 9, 6])
    y = np.array([1, 0, 0, 1, 1, 0, 1, 0])
    score = np.array([0.2, 0.9, 0.8, 0.1, 1.0, 0.7, 0.6, 0.5])
    assert evaluate(hr.card_precision(2, by="card"), y, score, Context(time, {"card": card})) == (0.5 + 0.5) / 2


def test_equal_scores_keep_the_order_of_rows():
    context = Context(np.zeros(3, np.int64), {"customer_id": np.array([5, 3, 4])})
    flat = np.full(3, 0.5)
    assert evaluate(hr.card_precision(1), np.array([1, 0, 0]), flat, context) == 1.0
    assert evaluate(hr.card_precision(1), np.array([0, 1, 0]), flat, context) == 0.0


def test_faults_of_metrics():
    y, score = np.array([0, 1]), np.array([-0.5, 2.0])
    for metric in (hr.log_loss(), hr.brier()):
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-013 .*scores from -0\.5 to 2.*probabilities from 0 to 1"):
            evaluate(metric, y, score, EMPTY)
    context = Context(np.zeros(2, np.int64), {"customer_id": y})
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*'customer'.*did you mean 'customer_id'\?"):
        evaluate(hr.card_precision(1, by="customer"), y, score, context)
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*did you mean 'roc_auc'\?"):
        evaluate(type(hr.roc_auc())("roc_au"), y, score, EMPTY)


def test_every_declared_metric_has_a_function():
    every = (BINARY, BINARY_ROWS, CLASSES, CLASSES_ROWS, NUMBERS, NUMBERS_ROWS, GROUPS)
    assert {name for some in every for name in some} == NAMES
    assert set(BY_TASK["multiclass"]) == {*CLASSES, *CLASSES_ROWS}
    assert better(hr.log_loss(), 0.1, 0.2)
    assert not better(hr.roc_auc(), 0.7, 0.7)
