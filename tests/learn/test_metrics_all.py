"""Every metric against scikit-learn's, or against its plain definition, on random labels and scores with ties."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as known

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn.metrics import Context, evaluate

SEEDS = range(25)


def context(count: int, **more: object) -> Context:
    return Context(np.zeros(count, np.int64), **more)  # type: ignore[arg-type]


def drawn(seed: int, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    luck = np.random.default_rng(seed)
    count = int(luck.integers(20, 400))
    y = (luck.random(count) < luck.uniform(0.05, 0.9)).astype(np.int64)
    y[:2] = 0, 1
    score = np.clip(luck.normal(0.3 + 0.3 * y, 0.3), 0, 1)
    return y, np.round(score, 1) if ties else score, luck


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_yes_or_no_are_those_of_scikit_learn(seed: int) -> None:
    y, score, luck = drawn(seed)
    threshold, beta = float(luck.choice([0.2, 0.5, 0.7])), float(luck.choice([0.5, 1, 2]))
    chosen = score >= threshold
    rows = context(len(y), threshold=threshold)
    for metric, expected in [
        (hr.average_precision(), known.average_precision_score(y, score)),
        (hr.roc_auc(), known.roc_auc_score(y, score)),
        (hr.log_loss(), known.log_loss(y, score)),
        (hr.brier(), known.brier_score_loss(y, score)),
        (hr.precision(), known.precision_score(y, chosen, zero_division=0)),
        (hr.precision(threshold), known.precision_score(y, chosen, zero_division=0)),
        (hr.recall(), known.recall_score(y, chosen)),
        (hr.f_score(beta), known.fbeta_score(y, chosen, beta=beta, zero_division=0)),
    ]:
        assert evaluate(metric, y, score, rows) == pytest.approx(expected, rel=1e-9, abs=1e-12), metric


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_classes_are_those_of_scikit_learn(seed: int) -> None:
    luck = np.random.default_rng(seed)
    count, classes = int(luck.integers(30, 300)), int(luck.integers(3, 6))
    y = luck.integers(0, classes, count)
    y[:classes] = np.arange(classes)
    raw = luck.random((count, classes)) + 0.5 * np.eye(classes)[y]
    score = raw / raw.sum(axis=1, keepdims=True)
    named, rows = np.argmax(score, axis=1), context(count)
    for metric, expected in [
        (hr.log_loss(), known.log_loss(y, score)),
        (hr.brier(), known.brier_score_loss(y, score, scale_by_half=False)),
        (hr.roc_auc(), known.roc_auc_score(y, score, multi_class="ovr", average="macro")),
        (hr.accuracy(), known.accuracy_score(y, named)),
        (hr.f1(), known.f1_score(y, named, average="macro", zero_division=0)),
        (hr.f1("weighted"), known.f1_score(y, named, average="weighted", zero_division=0)),
    ]:
        assert evaluate(metric, y, score, rows) == pytest.approx(expected, rel=1e-9), metric


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_numbers_are_those_of_scikit_learn(seed: int) -> None:
    luck = np.random.default_rng(seed)
    y, count = luck.normal(10, 3, 150), 150
    score, levels = y + luck.normal(0, 1, count), (0.1, 0.5, 0.9)
    several = np.stack([score - 1, score, score + 1], axis=1)
    rows = context(count, levels=levels)
    each = [known.mean_pinball_loss(y, several[:, at], alpha=one) for at, one in enumerate(levels)]
    for metric, given, expected in [
        (hr.rmse(), score, known.root_mean_squared_error(y, score)),
        (hr.mae(), score, known.mean_absolute_error(y, score)),
        (hr.r2(), score, known.r2_score(y, score)),
        (hr.pinball(0.3), score, known.mean_pinball_loss(y, score, alpha=0.3)),
        (hr.pinball(), several, np.mean(each)),
        (hr.pinball(0.9), several, each[2]),
        (hr.coverage(), several, np.mean((y >= several[:, 0]) & (y <= several[:, 2]))),
    ]:
        assert evaluate(metric, y, given, rows) == pytest.approx(expected, rel=1e-9), metric
    with pytest.raises(HeadraceError, match=r"HR-LEARN-012.*found pinball\(0.2\)"):
        evaluate(hr.pinball(0.2), y, several, rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_ndcg_is_that_of_scikit_learn_group_by_group(seed: int) -> None:
    luck = np.random.default_rng(seed)
    count = 200
    group, y = luck.integers(0, 12, count).astype(np.uint64), luck.integers(0, 4, count).astype(np.float64)
    score = np.round(luck.random(count) + y / 8, 1)
    rows = context(count, columns={"query": group}, group="query")
    for k in (None, 3, 10):
        each = [
            known.ndcg_score(y[None, group == one], score[None, group == one], k=k)
            for one in np.unique(group)
            if y[group == one].any() and (group == one).sum() > 1
        ]
        assert evaluate(hr.ndcg(k), y, score, rows) == pytest.approx(np.mean(each), rel=1e-9)
    first = []
    for one in np.unique(group):
        mine = group == one
        places = [int((score[mine] >= have).sum()) for have, good in zip(score[mine], y[mine], strict=True) if good]
        first += [1 / min(places)] if places else []
    assert evaluate(hr.reciprocal_rank(), y, score, rows) == pytest.approx(np.mean(first))


@pytest.mark.parametrize("seed", SEEDS)
def test_recall_at_a_rate_is_the_mean_over_all_orders_of_equal_scores(seed: int) -> None:
    y, score, luck = drawn(seed)
    rate = float(luck.uniform(0.02, 0.6))
    room = int(rate * len(y))
    found = []
    for _ in range(400):
        order = luck.permutation(len(y))
        top = order[np.argsort(-score[order], kind="stable")][:room]
        found.append(y[top].sum() / y.sum())
    exact = evaluate(hr.recall_at(room / len(y)), y, score, context(len(y)))
    assert exact == pytest.approx(np.mean(found), abs=4 * np.std(found) / 20 + 1e-9)


def test_costs_are_those_of_the_mistakes_that_are_made() -> None:
    y, score = np.array([0, 0, 1, 1]), np.array([0.9, 0.1, 0.9, 0.1])
    rows = context(4, amounts={"now.amount": np.array([1.0, 2.0, 30.0, 40.0])}, threshold=0.5)
    assert evaluate(hr.expected_cost(5, "now.amount"), y, score, rows) == (5 + 40) / 4
    assert evaluate(hr.expected_cost(5, "now.amount", threshold=0.05), y, score, rows) == (5 + 5) / 4
    with pytest.raises(HeadraceError, match="HR-LEARN-012.*found no column 'now.amonut'.*did you mean 'now.amount'"):
        evaluate(hr.expected_cost(5, "now.amonut"), y, score, rows)


def test_calibration_is_the_distance_of_rates_in_bins_of_equally_many_rows() -> None:
    luck = np.random.default_rng(3)
    score = luck.random(20_000)
    y = (luck.random(20_000) < score).astype(np.int64)
    assert evaluate(hr.calibration_error(), y, score, context(20_000)) < 0.015
    assert evaluate(hr.calibration_error(), y, score**2, context(20_000)) == pytest.approx(1 / 6, abs=0.01)


def test_a_metric_of_the_users_own_is_a_number_or_a_fault() -> None:
    y, score, _ = drawn(1)
    mean = hr.metric("mean_score", lambda y, score, rows: score.mean())
    assert evaluate(mean, y, score, context(len(y))) == pytest.approx(score.mean())
    with pytest.raises(HeadraceError, match="HR-LEARN-025.*ZeroDivisionError in the metric broken"):
        evaluate(hr.metric("broken", lambda y, score, rows: 1 / 0), y, score, context(len(y)))
