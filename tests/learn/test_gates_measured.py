"""Gates that measure: each passes where it may, and fails where its fault was planted, saying what it saw."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from tests.learn.worlds import FakeBuilt, fit_logistic, model, world

SPLIT = hr.time_split(train="10d", test="5d", folds=2)


def outcome(registry: Any, gate: hr.Gate, built: FakeBuilt | None = None, fit: Any = fit_logistic, **more: Any) -> Any:
    declared = model(fit, split=SPLIT, gates=(gate,), **more)
    return train(declared, world() if built is None else built, registry).gates[-1]


def fit_overconfident(train: Any) -> Any:
    def rule(rows: Any) -> Any:
        return np.where(rows["now.amount"] > 40, 0.97, 0.01)

    return rule


def fit_by_luck(train: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=np.random.default_rng().integers(2**31))
    return make_pipeline(SimpleImputer(), forest).fit(train.X, train.y)


def banded(worse: bool) -> FakeBuilt:
    """Customers of three bands, of one of which the label is told by nothing."""
    built = world()
    luck = np.random.default_rng(2)
    bands = np.array(["young", "middle", "old"])[luck.integers(0, 3, built.table.num_rows)]
    table = built.table.append_column("age_band", pa.array(bands))
    label = table["label"].to_numpy(zero_copy_only=False).copy()
    if worse:
        old = np.flatnonzero(bands == "old")
        label[old] = luck.permutation(label[old])
    table = table.set_column(table.column_names.index("label"), "label", pa.array(label))
    manifest = built.manifest | {"columns": {name: str(table.schema.field(name).type) for name in table.column_names}}
    return FakeBuilt(table, manifest)


def test_a_row_within_its_time(registry: Any) -> None:
    good, bad = (outcome(registry, hr.latency(budget)) for budget in ("5s", "1us"))
    assert (good.passed, bad.passed) == (True, False)
    assert 1 < bad.value < 5e6
    assert "at the 99th percentile on this machine, not within 1 µs" in bad.sentence


def test_a_file_within_its_size(registry: Any) -> None:
    good, bad = (outcome(registry, hr.size(budget)) for budget in ("1 MB", "0.1 kB"))
    assert (good.passed, bad.passed) == (True, False)
    assert bad.value > 100


def test_rates_that_are_what_was_said(registry: Any) -> None:
    assert outcome(registry, hr.calibrated(0.05)).passed
    bad = outcome(registry, hr.calibrated(0.05), fit=fit_overconfident)
    assert not bad.passed
    assert bad.value > 0.05


def test_a_metric_that_holds_over_time(registry: Any) -> None:
    good = outcome(registry, hr.stable_over_time("roc_auc", within=0.3))
    assert good.passed
    assert "of 3 folds" in good.sentence, "two of validation and the test"
    bad = outcome(registry, hr.stable_over_time("roc_auc", within=0.0))
    assert not bad.passed
    short = model(fit_logistic, split=hr.time_split(train="25d", test="7d"), gates=(hr.stable_over_time(),))
    alone = train(short, world(), registry).gates[-1]
    assert not alone.passed
    assert "folds=" in alone.sentence


def test_groups_that_fare_alike(registry: Any) -> None:
    fair = hr.fair_across("age_band", "roc_auc", within=0.25)
    assert outcome(registry, fair, banded(worse=False)).passed
    bad = outcome(registry, fair, banded(worse=True))
    assert not bad.passed
    assert " for old (" in bad.sentence
    with pytest.raises(HeadraceError, match="HR-LEARN-012.*no column 'age_bnad'.*did you mean 'age_band'"):
        outcome(registry, hr.fair_across("age_bnad", "roc_auc"), banded(worse=False))


def test_a_group_with_nothing_but_false_alarms_is_one_that_fares_worse(registry: Any) -> None:
    """Of rows without positives a precision says all, and a ROC says nothing, which is told."""
    built = banded(worse=False)
    band = built.table["age_band"].to_numpy(zero_copy_only=False)
    label = np.where(band == "old", False, built.table["label"].to_numpy(zero_copy_only=False))
    built = built.with_column("label", pa.array(label))
    metrics = (hr.precision(0.05), hr.roc_auc())
    gates = (
        hr.fair_across("age_band", "precision_0_05", within=0.05),
        hr.fair_across("age_band", "roc_auc", within=0.9),
    )
    report = train(model(fit_logistic, split=SPLIT, metrics=metrics, gates=gates), built, registry)
    precise, ranked = report.gates[1:]
    assert not precise.passed
    assert "0.0000 for old (" in precise.sentence
    assert re.search(r"not compared, since it says nothing of them: old \([\d,]+ rows\)$", ranked.sentence)


def test_groups_are_judged_as_scikit_learn_would(registry: Any) -> None:
    from sklearn.metrics import roc_auc_score

    built = banded(worse=True)
    report = train(model(fit_logistic, split=SPLIT, gates=(hr.fair_across("age_band", "roc_auc"),)), built, registry)
    times = built.table["at"].cast(pa.int64()).to_numpy()
    start, end = (int(np.datetime64(one[:19], "us").astype(np.int64)) for one in report.fold["test"])
    test = (times >= start) & (times < end)
    names = list(built.manifest["features"])
    x = np.stack([built.table[name].to_pandas().to_numpy(float) for name in names], axis=1)[test]
    score = registry.load(report.version).score(x)
    label = built.table["label"].to_numpy(zero_copy_only=False)[test].astype(int)
    band = built.table["age_band"].to_numpy(zero_copy_only=False)[test]
    each = [roc_auc_score(label[band == one], score[band == one]) for one in np.unique(band)]
    assert report.gates[-1].value == pytest.approx(max(each) - min(each))


def test_no_feature_that_is_the_label(registry: Any) -> None:
    assert outcome(registry, hr.no_leak()).passed
    built = world()
    leaked = built.with_column("spending.count_7d", pa.array(built.table["label"].cast(pa.int64())))
    bad = outcome(registry, hr.no_leak(), leaked)
    assert not bad.passed
    assert "spending.count_7d alone orders 100.0% of all pairs" in bad.sentence


def test_twice_the_same_file(registry: Any) -> None:
    assert outcome(registry, hr.reproducible()).passed
    bad = outcome(registry, hr.reproducible(), fit=fit_by_luck)
    assert not bad.passed
    assert "train.seed" in bad.sentence
