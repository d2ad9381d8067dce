"""Choosing on validation: the rule that is stated, thresholds for what can be done or what it costs, never the test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.choose import chosen, threshold_of
from headrace.learn.metrics import Context
from headrace.learn.tried import Tried
from tests.learn.worlds import fit_logistic, model, world

DAY = 86_400_000_000
SPLIT = hr.time_split(train="10d", test="5d", folds=2)


def told(*values: float) -> tuple[dict[str, float], ...]:
    return tuple({"roc_auc": one} for one in values)


def test_the_simplest_is_the_first_within_one_standard_error_of_the_best() -> None:
    small, middle, large = (
        Tried(name, {}, told(*values))
        for name, values in (("small", (0.70, 0.72)), ("middle", (0.78, 0.80)), ("large", (0.78, 0.84)))
    )
    every = (small, middle, large)
    assert chosen(every, hr.roc_auc(), "best") is large
    assert chosen(every, hr.roc_auc(), "simplest") is middle, "0.79 is within 0.03 of 0.81"
    assert chosen((small, large), hr.roc_auc(), "simplest") is large
    loss = [Tried(name, {}, tuple({"log_loss": one} for one in (a, b))) for name, a, b in
            (("small", 0.5, 0.5), ("large", 0.44, 0.50))]  # fmt: skip
    assert [chosen(loss, hr.log_loss(), rule).name for rule in ("best", "simplest")] == ["large", "small"]


@pytest.mark.parametrize("seed", range(20))
def test_a_threshold_for_a_capacity_is_the_lowest_that_it_allows(seed: int) -> None:
    luck = np.random.default_rng(seed)
    score = np.round(luck.random(500), int(luck.integers(1, 4)))
    rows, spans = Context(np.zeros(500, np.int64)), 5 * DAY
    for cases in (1, 20, 60, 200):
        at = threshold_of(hr.capacity(cases, per="1d"), np.zeros(500, np.int64), score, rows, spans)
        assert (score >= at).sum() <= cases * 5
        lower = score[score < at]
        assert not len(lower) or (score >= lower.max()).sum() > cases * 5


@pytest.mark.parametrize("seed", range(20))
def test_a_threshold_for_a_cost_is_the_cheapest_there_is(seed: int) -> None:
    luck = np.random.default_rng(seed)
    y = (luck.random(300) < 0.2).astype(np.int64)
    score, amount = np.round(luck.random(300) * 0.6 + 0.4 * y, 1), luck.lognormal(3, 1, 300)
    rows = Context(np.zeros(300, np.int64), amounts={"now.amount": amount})
    wrong = float(luck.choice([0.1, 5, 500]))

    def cost(at: float) -> float:
        acted = score >= at
        return float(wrong * (acted & (y == 0)).sum() + amount[~acted & (y == 1)].sum())

    at = threshold_of(hr.lowest_cost(wrong, "now.amount"), y, score, rows, [])
    assert cost(at) == pytest.approx(min(cost(one) for one in [*np.unique(score), 2.0]))


def test_of_several_ways_the_best_on_validation_is_taken_and_no_other_sees_the_test(registry: Any) -> None:
    seen: list[int] = []

    def fit_noise(train: Any) -> Any:
        from sklearn.dummy import DummyClassifier

        seen.append(len(train.X))
        return DummyClassifier(strategy="stratified", random_state=train.seed).fit(train.X, train.y)

    report = train(model([fit_noise, fit_logistic], split=SPLIT), world(), registry)
    assert [(one.name, one.role, one.chosen) for one in report.candidates] == [
        ("prior_rate", "baseline", False), ("logistic_regression", "baseline", False),
        ("fit_noise", "candidate", False), ("fit_logistic", "model", True),
    ]  # fmt: skip
    noise, own = report.candidates[2:]
    assert noise.metrics == {}
    assert own.validation["average_precision"] > noise.validation["average_precision"]
    assert len(seen) == 2, "once for each fold, and not for the test"
    choice = report.version.record.choice
    assert choice["name"] == "fit_logistic"
    assert [len(one["folds"]) for one in choice["tried"]] == [2, 2]
    assert "average_precision on validation" in repr(report)


def test_a_single_way_is_fitted_once(registry: Any) -> None:
    fits: list[int] = []

    def fit_once(train: Any) -> Any:
        fits.append(1)
        return fit_logistic(train)

    train(model(fit_once, split=SPLIT), world(), registry)
    assert len(fits) == 1


def test_a_threshold_is_chosen_on_validation_and_is_that_of_the_metrics(registry: Any) -> None:
    metrics = (hr.average_precision(), hr.precision(), hr.recall(), hr.expected_cost(5, "now.amount"))
    declared = model(fit_logistic, split=SPLIT, threshold=hr.capacity(3, per="1d"), metrics=metrics)
    report = train(declared, world(), registry)
    threshold = report.version.record.threshold
    assert 0 < threshold < 1
    assert threshold != 0.5
    fixed = model(fit_logistic, split=SPLIT, threshold=threshold, metrics=metrics)
    assert train(fixed, world(), registry).metrics == report.metrics
    other = model(fit_logistic, split=SPLIT, threshold=0.999, metrics=metrics)
    assert train(other, world(), registry).metrics["recall"] < report.metrics["recall"]


def test_where_there_is_no_fold_to_choose_on_that_is_told(registry: Any) -> None:
    long = hr.time_split(train="25d", test="7d")
    with pytest.raises(HeadraceError, match="HR-LEARN-026.*no fold of validation"):
        train(model([fit_logistic, lambda train: fit_logistic(train)], split=long), world(), registry)
