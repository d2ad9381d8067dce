"""Intervals by draws of blocks: sums give what rows would, the spread is the textbook's, and the rate is held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import headrace as hr
from headrace.declare import Metric
from headrace.learn.intervals import DRAWS, LEAST, MOST, Difference, Measured, blocks_of, difference, interval, measure
from headrace.learn.metrics import Context, evaluate, mean_of
from headrace.learn.metrics.parts import Rows, parts_of

DAY = 86_400_000_000
LUCK = np.random.default_rng(7)


def days(count: int, rows: int = 50, seed: int = 3) -> tuple[np.ndarray, np.ndarray, Context]:
    rng = np.random.default_rng(seed)
    y = (rng.random(count * rows) < 0.3).astype(np.int64)
    score = np.clip(0.3 + 0.3 * (y - 0.3) + 0.1 * rng.standard_normal(count * rows), 0.01, 0.99)
    return y, score, Context(np.repeat(np.arange(count), rows) * DAY)


def measured(metric: Metric, y: np.ndarray, score: np.ndarray, context: Context) -> Measured:
    return measure({metric.label: metric}, y, score, context, blocks_of(context.time_us))[metric.label]


def world(kind: str) -> tuple[npt.NDArray[np.generic], np.ndarray, Context]:
    """Rows of ten days, in the form that a kind of metric asks for."""
    count = 400
    time, card = np.sort(LUCK.integers(0, 10, count)) * DAY, LUCK.integers(0, 60, count).astype(np.uint64)
    cost = LUCK.random(count)
    context = Context(time, {"customer_id": card, "query": time.astype(np.uint64) + card % 3}, {}, {"cost": cost}, 0.4,
                      (0.1, 0.5, 0.9), "query")  # fmt: skip
    yes = (LUCK.random(count) < 0.3).astype(np.int64)
    if kind == "binary":
        return yes, np.round(np.clip(0.3 * yes + LUCK.random(count) * 0.7, 0, 1), 2), context
    if kind == "classes":
        y = LUCK.integers(0, 4, count)
        raw = LUCK.random((count, 4)) + 0.5 * np.eye(4)[y]
        return y, raw / raw.sum(axis=1, keepdims=True), context
    y = LUCK.normal(1e6, 3, count) if kind == "number" else LUCK.integers(0, 3, count).astype(np.float64)
    score = y + LUCK.normal(0, 1, count)
    return y, np.stack([score - 1, score, score + 1], axis=1) if kind == "quantiles" else score, context


OF_ROWS = [
    *[("binary", one) for one in (
        hr.average_precision(), hr.roc_auc(), hr.log_loss(), hr.brier(), hr.precision(), hr.recall(), hr.f_score(2),
        hr.recall_at(0.13), hr.expected_cost(1, "cost"),
    )],
    *[("classes", one) for one in (hr.log_loss(), hr.brier(), hr.roc_auc(), hr.accuracy(), hr.f1(), hr.f1("weighted"))],
    *[("number", one) for one in (hr.rmse(), hr.mae(), hr.r2(), hr.pinball(0.3))],
    *[("quantiles", one) for one in (hr.pinball(), hr.coverage())],
]  # fmt: skip


@pytest.mark.parametrize(("kind", "metric"), OF_ROWS, ids=lambda one: one if isinstance(one, str) else one.label)
def test_a_draw_of_blocks_is_worth_what_its_rows_are(kind: str, metric: Metric) -> None:
    y, score, context = world(kind)
    block = blocks_of(context.time_us)
    parts = parts_of(metric, Rows(y, score, context, block, 10), mean_of(metric, score))
    assert parts is not None
    for drawn in [np.ones(10, np.int64), *np.random.default_rng(1).multinomial(10, np.full(10, 0.1), size=5)]:
        rows = np.concatenate([np.repeat(np.flatnonzero(block == one), times) for one, times in enumerate(drawn)])
        expected = evaluate(metric, y[rows], score[rows], context.take(rows))
        assert parts.value(drawn[None, :].astype(float) @ parts.sums)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", [hr.ndcg(5), hr.reciprocal_rank(), hr.card_precision(5)], ids=lambda one: one.label)
def test_metrics_of_groups_and_days_are_means_over_their_blocks(metric: Metric) -> None:
    y, score, context = world("ranking")
    yes = (y > 1).astype(np.int64)
    parts = parts_of(metric, Rows(yes, score, context, blocks_of(context.time_us), 10), mean_of(metric, score))
    assert parts is not None
    assert parts.value(parts.sums.sum(axis=0)[None])[0] == pytest.approx(evaluate(metric, yes, score, context))


def test_curves_of_many_scores_are_drawn_in_bins_that_keep_the_few_positives_apart() -> None:
    count = 200_000
    y = (LUCK.random(count) < 0.002).astype(np.int64)
    score = LUCK.beta(1 + 3 * y, 20)
    time = np.arange(count) * 10 * DAY // count
    for metric in (hr.average_precision(), hr.roc_auc(), hr.recall_at(0.01)):
        parts = parts_of(metric, Rows(y, score, Context(time), blocks_of(time), 10), None)
        assert parts is not None
        whole = parts.value(parts.sums.sum(axis=0)[None])[0]
        assert whole == pytest.approx(evaluate(metric, y, score, Context(time)), rel=0.02)


@pytest.mark.parametrize(("count", "blocks"), [(8, 8), (2 * MOST, MOST)])
def test_the_interval_of_a_mean_is_that_of_the_means_of_its_blocks(count: int, blocks: int) -> None:
    y, score, context = days(count)
    low, high = interval(hr.brier(), measured(hr.brier(), y, score, context)) or (0, 0)
    means = ((score - y) ** 2).reshape(blocks, -1).mean(axis=1)
    expected = stats.t.interval(0.95, blocks - 1, loc=means.mean(), scale=stats.sem(means))
    # 1000 draws know a spread to about a fortieth of it
    assert (low, high) == pytest.approx(expected, abs=0.08 * (expected[1] - expected[0]))


def test_a_metric_of_ones_own_is_drawn_by_rows() -> None:
    y, score, context = days(8)
    own = hr.metric("own", lambda y, score, rows: np.mean((score - y) ** 2), greater_is_better=False)
    mine, ours = (interval(one, measured(one, y, score, context)) for one in (own, hr.brier()))
    assert mine is not None
    assert ours is not None
    assert np.diff(mine)[0] == pytest.approx(np.diff(ours)[0], rel=0.25)


def test_the_difference_is_paired_and_tested() -> None:
    y, score, context = days(10)
    harder = np.clip(score + 0.05 * np.sin(np.arange(len(y))), 0.01, 0.99)
    one, other = (measured(hr.brier(), y, each, context) for each in (score, harder))
    found = difference(one, other)
    apart = ((score - y) ** 2 - (harder - y) ** 2).reshape(10, -1).mean(axis=1)
    expected = stats.t.interval(0.95, 9, loc=apart.mean(), scale=stats.sem(apart))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(expected, rel=0.1)
    assert found.p_value == pytest.approx(stats.ttest_1samp(apart, 0).pvalue, rel=0.5)
    assert difference(one, one) == Difference(0.0, 0.0, 0.0, 1.0)


def test_nothing_is_said_of_too_few_days_or_where_most_draws_have_no_positive() -> None:
    y, score, context = days(LEAST - 1)
    few = measured(hr.roc_auc(), y, score, context)
    assert few.blocks == 0
    assert interval(hr.roc_auc(), few) is None
    assert difference(few, Measured(0.5)) is None
    y, score, context = days(LEAST)
    y[50:] = 0
    assert measured(hr.roc_auc(), y, score, context).blocks == 0


def test_an_interval_stays_where_the_metric_can_be() -> None:
    spread = Measured(0.98, np.array([0.9, 0.95, 0.99, 0.97, 0.99] * 200), 5)
    assert len(spread.drawn) == DRAWS
    assert interval(hr.roc_auc(), spread)[1] == 1.0  # type: ignore[index]
    assert interval(hr.log_loss(), spread)[1] > 1.0  # type: ignore[index]


def test_groups_that_are_parted_are_the_blocks() -> None:
    groups = np.random.default_rng(1).integers(0, 2**63, 500, dtype=np.uint64) * np.uint64(2)
    block = blocks_of(np.zeros(500, np.int64), groups)
    assert set(block) == set(range(MOST))
    assert all(len(set(block[groups == one])) == 1 for one in groups[:20])


@pytest.mark.parametrize(
    ("metric", "count"), [(hr.roc_auc(), 14), (hr.average_precision(), 14), (hr.brier(), 7), (hr.rmse(), 7)],
    ids=lambda one: str(one) if isinstance(one, int) else one.label,
)  # fmt: skip
def test_intervals_hold_the_truth_at_their_rate(metric: Metric, count: int) -> None:
    """Days differ from each other, as those of payments do: 95 % of intervals hold what many days would give."""

    def some(number: int, seed: int) -> Measured:
        rng = np.random.default_rng(seed)
        rows = 300
        day = np.repeat(np.arange(number), rows)
        shift = rng.normal(0, 0.3, number)[day]
        hidden = rng.normal(0, 1, len(day)) + shift
        y: npt.NDArray[np.generic] = (hidden + rng.normal(0, 1, len(day)) > 1.5).astype(np.int64)
        score = stats.norm.cdf(hidden - 1.5 + 0.5 * shift)
        if metric.name == "rmse":
            y, score = hidden + rng.normal(0, 1, len(day)) * (1 + 0.3 * np.abs(shift)), hidden
        return measured(metric, y, score, Context(day * DAY))

    truth, held, tries = some(3000, 10**6).value, 0, 300
    for seed in range(tries):
        low, high = interval(metric, some(count, seed)) or (0.0, 0.0)
        held += low <= truth <= high
    # binomial: at a rate of 95 %, 300 tries lie below 91.7 % once in a hundred times
    assert 0.915 <= held / tries <= 0.99, held / tries
