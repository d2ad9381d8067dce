"""Leaks: twenty that were planted are found, each by its kind; twenty clean sets are left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import headrace as hr
from headrace.learn.cases import Cases
from headrace.learn.leaks import leaks
from headrace.learn.split import Fold
from tests.learn.worlds import Chargeback, Payment, fit_logistic, model

DAY_US = 86_400_000_000
START_US = 1_767_225_600_000_000
ROWS = 3000


def clean(seed: int) -> Cases:
    """Cases of which some features tell much, some little: amounts, counts with ties, flags, nulls by chance."""
    luck = np.random.default_rng(seed)
    time_us = np.sort(luck.integers(0, 60 * DAY_US, ROWS)) + START_US
    strength = float(luck.uniform(0.3, 2.5))
    hidden = luck.normal(0, 1, ROWS)
    y = (luck.random(ROWS) < 1 / (1 + np.exp(2.5 - strength * hidden))).astype(np.int64)
    x = np.stack(
        [
            np.exp(3 + 0.7 * hidden + luck.normal(0, 0.7, ROWS)),
            luck.poisson(4 + np.clip(hidden, 0, 3)).astype(float),
            luck.integers(0, 2, ROWS).astype(float),
            np.where(luck.random(ROWS) < 0.2, np.nan, hidden + luck.normal(0, 1, ROWS)),
            (time_us // DAY_US % 7).astype(float),
            luck.integers(0, 200, ROWS).astype(float),
        ],
        axis=1,
    ).astype(np.float32)
    names = ("now.amount", "spending.count_7d", "now.night", "spending.mean_7d", "now.weekday", "now.shop_size")
    return Cases(names, x, y, time_us)


def fold_of(cases: Cases) -> Fold:
    edge = START_US + 45 * DAY_US
    early = cases.time_us < edge
    return Fold((START_US, edge), (edge, edge + 15 * DAY_US), early, ~early)


def with_feature(cases: Cases, name: str, values: np.ndarray) -> Cases:
    x = np.concatenate([cases.x, values[:, None].astype(np.float32)], axis=1)
    return replace(cases, names=(*cases.names, name), x=x)


def found(cases: Cases, declared: hr.Model | None = None) -> set[tuple[str, str]]:
    return {(one.kind, one.feature) for one in leaks(declared or model(fit_logistic), cases, fold_of(cases))}


@pytest.mark.parametrize("seed", range(20))
def test_clean_sets_are_left_alone(seed: int) -> None:
    assert found(clean(seed)) == set()


def luck_of(cases: Cases) -> np.random.Generator:
    return np.random.default_rng(len(cases.y) + int(cases.y.sum()))


def noisy(share: float) -> Callable[[Cases], np.ndarray]:
    return lambda cases: np.where(luck_of(cases).random(ROWS) < share, 1 - cases.y, cases.y)


PLANTED: dict[str, tuple[str, Callable[[Cases], np.ndarray]]] = {
    "the label": ("too_good", lambda cases: cases.y),
    "the label turned": ("too_good", lambda cases: 1 - cases.y),
    "the label scaled": ("too_good", lambda cases: cases.y * 250.0 + 10),
    "the label with a little noise": ("too_good", lambda cases: cases.y + luck_of(cases).normal(0, 0.2, ROWS)),
    "the label, rarely wrong": ("too_good", noisy(0.004)),
    "an amount that was paid back": ("too_good", lambda cases: cases.y * luck_of(cases).lognormal(3, 1, ROWS)),
    "a state that follows": ("too_good", lambda cases: cases.y * 3.0 + luck_of(cases).integers(0, 3, ROWS)),
    "filled for yes alone": ("missing", lambda cases: np.where(cases.y == 1, luck_of(cases).random(ROWS), np.nan)),
    "filled for no alone": ("missing", lambda cases: np.where(cases.y == 0, luck_of(cases).random(ROWS), np.nan)),
    "filled for most of yes": (
        "missing",
        lambda cases: np.where((cases.y == 1) & (luck_of(cases).random(ROWS) < 0.95), 1.0, np.nan),
    ),
    "a day number that is later": ("future", lambda cases: (cases.time_us + 3 * DAY_US * cases.y) / 1e6),
    "closed at, in seconds": (
        "future",
        lambda cases: cases.time_us / 1e6 + 86_400 * luck_of(cases).uniform(1, 9, ROWS),
    ),
    "closed at, in milliseconds": ("future", lambda cases: cases.time_us / 1e3 + 5 * 86_400_000.0),
    "closed at, in microseconds": ("future", lambda cases: cases.time_us + 2.0 * DAY_US),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_feature_is_found_by_its_kind(name: str) -> None:
    kind, make = PLANTED[name]
    cases = clean(3)
    assert (kind, "now.planted") in found(with_feature(cases, "now.planted", make(cases)))


def test_what_is_no_matter_of_more_or_less_is_found_too() -> None:
    cases = clean(3)
    luck = luck_of(cases)
    outside = np.where(luck.random(ROWS) < 0.5, luck.uniform(0, 3, ROWS), luck.uniform(6, 9, ROWS))
    middle = np.where(cases.y == 1, luck.uniform(4, 5, ROWS), outside)
    assert ("too_good", "now.planted") in found(with_feature(cases, "now.planted", middle))
    kinds = np.where(cases.y == 1, 1.0, luck.choice([0.0, 2.0], ROWS))  # the second of three texts
    texts = replace(with_feature(cases, "now.planted", kinds), categories={"now.planted": ("a", "m", "z")})
    assert ("too_good", "now.planted") in found(texts)
    many = luck.integers(0, 900, ROWS).astype(float)
    names = replace(with_feature(cases, "now.planted", many), categories={"now.planted": tuple(map(str, range(900)))})
    assert not found(names)


def habits(seed: int, stays: bool) -> Cases:
    """Customers of whom some commit fraud all the time; where they do not stay so, their number says nothing later."""
    luck = np.random.default_rng(seed)
    cases = clean(seed)
    who = luck.permutation(40_000)[:600][luck.integers(0, 600, ROWS)]
    bad = {int(one) for one in np.unique(who)[luck.random(len(np.unique(who))) < 0.2]}
    y = np.array([int(one) in bad for one in who]).astype(np.int64)
    late = cases.time_us >= START_US + 45 * DAY_US
    if not stays:
        y[late] = luck.permutation(y[late])
    return with_feature(replace(cases, y=y), "now.who", who.astype(float))


def test_a_name_in_numbers_that_is_learned_by_heart_is_found() -> None:
    assert ("identity", "now.who") in found(habits(5, stays=False))
    assert ("identity", "now.who") not in found(habits(5, stays=True)), "what holds later is no leak"
    cases = habits(5, stays=False)
    x = cases.x.copy()
    x[:, -1] = np.where(luck_of(cases).random(ROWS) < 0.02, np.nan, x[:, -1] * 0.37 + 0.11)
    assert ("identity", "now.who") in found(replace(cases, x=x)), "with nulls, and as no whole numbers"


@pytest.mark.parametrize("seed", range(10))
def test_whole_numbers_with_many_values_are_no_names(seed: int) -> None:
    luck = np.random.default_rng(seed)
    cases = clean(seed)
    for name, values in {
        "metres": luck.exponential(5000, ROWS).round(),
        "cents": (luck.lognormal(3, 1, ROWS) * 100).round(),
        "second": cases.time_us // 1_000_000 % 86_400,
        "age": luck.integers(0, 3000, ROWS) + 40 * cases.y,
    }.items():
        assert found(with_feature(cases, f"now.{name}", values.astype(float))) == set()


def test_cases_that_are_there_twice_are_found() -> None:
    cases = clean(4)
    late = np.flatnonzero(cases.time_us >= START_US + 45 * DAY_US)
    x = cases.x.copy()
    x[late] = cases.x[: len(late)]
    assert ("overlap", "") in found(replace(cases, x=x))


payments = hr.Stream("payments", Payment)
chargebacks = hr.Stream("chargebacks", Chargeback)
LABEL = hr.label(chargebacks, "is_fraud", on="payment_id", matures="7d")
NOW = hr.Features("now", payments, features={"amount": "amount"})


def declared(*groups: hr.Features) -> hr.Model:
    cases = hr.TrainingSet("cases", spine=payments, features=[NOW, *groups], label=LABEL)
    return hr.Model("m", cases, fit=fit_logistic, split=hr.time_split(train="20d", test="7d"))


class Truth(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    payment_id: str
    customer_id: int
    is_fraud: int


class Flag(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    customer_id: int
    bad: int


truths = hr.Stream("truths", Truth)
flags = hr.Table("flags", Flag, query="select at as since, customer_id, is_fraud as bad from truths")


def of_truth(source: hr.Stream | hr.Table, **features: object) -> hr.Model:
    label = hr.label(truths, "is_fraud", on="payment_id", matures="7d")
    risk = hr.Features("risk", source, by=hr.Entity("customer_id"), features=features)
    cases = hr.TrainingSet("cases", spine=payments, features=[NOW, risk], label=label)
    return hr.Model("m", cases, fit=fit_logistic, split=hr.time_split(train="20d", test="7d"))


def test_a_feature_of_a_table_that_is_made_of_the_truth_is_found() -> None:
    made = of_truth(flags, fraud="bad")
    (leak,) = [one for one in leaks(made, clean(1), fold_of(clean(1))) if one.kind == "label"]
    assert leak.feature == "risk.fraud"
    assert "truths.is_fraud" in leak.sentence
    assert "delay='7d'" in leak.sentence


def test_a_window_over_the_truth_sees_what_was_known_and_is_none() -> None:
    made = of_truth(
        truths, fraud=hr.sum("is_fraud", "28d"), late=hr.last("is_fraud", "28d", delay="7d"), n=hr.count("28d")
    )
    assert found(clean(1), made) == set()


def test_a_key_as_a_feature_is_found() -> None:
    keyed = hr.Features("own", payments, features={"who": "customer_id"})
    counted = hr.Features("spending", payments, hr.Entity("customer_id"), {"n": hr.count("7d")})
    assert ("identity", "own.who") in found(clean(1), declared(keyed, counted))
