"""Intervals by days against the textbook: of a mean, the jackknife is the standard error of the days' means."""

import numpy as np
import pytest
from scipy import stats

import headrace as hr
from headrace.learn.intervals import LEAST, MOST, Measured, difference, interval, measure
from headrace.learn.metrics import Context

DAY = 86_400_000_000


def days(count, rows=50, seed=3):
    rng = np.random.default_rng(seed)
    y = (rng.random(count * rows) < 0.3).astype(np.int64)
    score = np.clip(0.3 + 0.3 * (y - 0.3) + 0.1 * rng.standard_normal(count * rows), 0.01, 0.99)
    return y, score, Context(np.repeat(np.arange(count), rows) * DAY)


@pytest.mark.parametrize(("count", "blocks"), [(8, 8), (2 * MOST, MOST)])
def test_the_interval_of_a_mean_is_that_of_the_means_of_its_blocks(count, blocks):
    y, score, context = days(count)
    found = interval(hr.brier(), measure({"brier": hr.brier()}, y, score, context)["brier"])
    means = ((score - y) ** 2).reshape(blocks, -1).mean(axis=1)
    expected = stats.t.interval(0.95, blocks - 1, loc=means.mean(), scale=stats.sem(means))
    assert found == pytest.approx(expected)


def test_the_difference_is_paired():
    y, score, context = days(10)
    harder = np.clip(score + 0.05 * np.sin(np.arange(len(y))), 0.01, 0.99)
    one, other = (measure({"brier": hr.brier()}, y, each, context)["brier"] for each in (score, harder))
    apart = ((score - y) ** 2 - (harder - y) ** 2).reshape(10, -1).mean(axis=1)
    expected = stats.t.interval(0.95, 9, loc=apart.mean(), scale=stats.sem(apart))
    assert difference(one, other) == pytest.approx(expected)
    assert difference(one, one) == (0.0, 0.0)


def test_nothing_is_said_of_too_few_days_or_of_days_that_hold_all_of_a_class():
    y, score, context = days(LEAST - 1)
    few = measure({"roc_auc": hr.roc_auc()}, y, score, context)["roc_auc"]
    assert few.without == ()
    assert interval(hr.roc_auc(), few) is None
    assert difference(few, Measured(0.5)) is None
    y, score, context = days(LEAST)
    y[50:] = 0
    assert measure({"roc_auc": hr.roc_auc()}, y, score, context)["roc_auc"].without == ()


def test_an_interval_stays_where_the_metric_can_be():
    spread = Measured(0.98, (0.9, 0.95, 0.99, 0.97, 0.99))
    assert interval(hr.roc_auc(), spread)[1] == 1.0
    assert interval(hr.log_loss(), spread)[1] > 1.0
