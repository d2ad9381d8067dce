"""The whole of a training: report, champion and challenger, the same digest again, planted failures, no network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.learn import train
from headrace.learn.gates import Evidence, judge
from headrace.learn.training import STEPS
from headrace.plan import model_fingerprint
from tests.learn.worlds import FEATURES, FakeBuilt, fit_boosting, fit_logistic, model, world

HERE = Path(__file__).resolve().parent


def fit_amount_only(train):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(), LogisticRegression(C=1e-8)).fit(train.X, train.y)


def fit_upside_down(train):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(), LogisticRegression()).fit(train.X, 1 - train.y)


def test_the_report_of_a_first_training(registry):
    told = []
    declared = model(fit_logistic, gates=(hr.at_least("roc_auc", 0.7), hr.not_worse_than_champion()), seed=4)
    report = train(
        declared,
        world(),
        registry,
        progress=lambda *step: told.append(step),
        service_thresholds=(0.5,),
    )
    assert told == [(name, i, len(STEPS)) for i, name in enumerate(STEPS)]
    assert tuple(report.seconds) == STEPS
    assert [(one.name, one.role) for one in report.candidates] == [
        ("prior_rate", "baseline"),
        ("logistic_regression", "baseline"),
        ("fit_logistic", "model"),
    ]
    prior, logistic, own = (one.metrics for one in report.candidates)
    assert list(own) == ["average_precision", "roc_auc", "card_precision_5"]
    assert prior["roc_auc"] == 0.5
    assert own["roc_auc"] == pytest.approx(logistic["roc_auc"], abs=1e-6), "the exported scores as the trained"
    assert [gate.name for gate in report.gates] == [
        "export_parity",
        "at_least(roc_auc)",
        "not_worse_than_champion(average_precision)",
    ]
    assert report.passed
    assert report.champion
    assert report.new
    record = registry.champion("fraud_score").record
    assert record.origin.training_set == "a" * 64
    assert record.origin.declaration == model_fingerprint(declared)
    assert set(record.origin.features) == set(FEATURES)
    assert record.origin.data == {"payments": 3, "chargebacks": 1}
    assert record.origin.environment["scikit-learn"]
    assert record.metrics["model"] == own
    low, high = record.intervals["model"]["roc_auc"]
    assert low < own["roc_auc"] < high
    assert json.loads(json.dumps(report.as_dict()))["champion"] is True
    assert "fraud_score version 1" in repr(report)
    assert "prior_rate" in repr(report).splitlines()[4]
    assert "<table>" in report._repr_html_()


def test_the_same_inputs_give_the_same_file_and_no_second_version(registry):
    declared = model(fit_boosting)
    first = train(declared, world(), registry)
    again = train(declared, world(), registry)
    assert again.version.digest == first.version.digest
    assert not again.new
    assert again.version.number == 1
    assert "known already: same file, declaration and data" in repr(again)
    assert len(registry.versions()) == 1
    assert train(declared, world(fingerprint="b" * 64), registry).version.number == 2
    assert train(model(fit_boosting, seed=9), world(), registry).version.number == 3


def test_champion_challenger_and_held(registry):
    weak = train(model(fit_amount_only), world(), registry)
    assert weak.champion
    better = train(model(fit_boosting), world(), registry)
    assert better.champion
    assert [one.name for one in better.candidates][-1] == "champion 1"
    assert better.version.record.parent == 1
    assert registry.version("fraud_score", 1).aliases == ()
    held = train(model(fit_logistic, gates=(hr.at_least("roc_auc", 0.999),)), world(), registry)
    assert held.version.standing == "held"
    assert "cannot serve: gates failed" in repr(held)
    assert "FAILED  roc_auc is" in repr(held)
    worse = train(model(fit_amount_only), world(fingerprint="c" * 64), registry)
    assert worse.version.aliases == ("challenger",)
    gate = hr.not_worse_than_champion()
    by_chance = train(model(fit_amount_only, gates=(gate,)), world(fingerprint="e" * 64), registry)
    assert by_chance.passed
    assert by_chance.version.standing == "challenger", "what is worse at all does not serve"
    assert "by no more than chance: difference -0." in by_chance.gates[1].sentence
    refused = train(
        model(fit_upside_down, gates=(gate, hr.better_than_baseline())),
        world(fingerprint="f" * 64),
        registry,
    )
    assert [gate.passed for gate in refused.gates] == [True, False, False]
    assert refused.version.standing == "held"
    assert registry.champion("fraud_score").number == 2


def test_a_champion_with_other_features_or_a_lost_file_is_compared_as_registered(registry):
    train(model(fit_boosting), world(), registry)
    champion = registry.champion("fraud_score")
    registry.path(champion).unlink()
    shutil.rmtree(registry.root / "artifacts" / champion.run)
    report = train(model(fit_amount_only), world(), registry)
    assert [one.name for one in report.candidates][-1] == "champion 1 (as registered)"
    assert report.version.standing == "challenger"
    gate = judge(
        hr.not_worse_than_champion(), Evidence({"a": hr.metric("a", len)}, {"a": 1.0}, {}, {"a": 2.0}, same_rows=False)
    )
    assert gate.sentence == "a is 1.0000, worse than the champion's 2.0000, as it was registered: of other rows"


def test_a_declared_baseline_takes_the_place_of_the_logistic_regression(registry):
    report = train(model(fit_boosting, baseline=fit_amount_only), world(), registry)
    assert [one.name for one in report.candidates] == ["prior_rate", "fit_amount_only", "fit_boosting"]


def returning(answer):
    """A fit whose estimator answers with something bad."""

    class Bad:
        def predict_proba(self, x):
            return answer(len(x))

    return lambda train: Bad()


def half_nan(n):
    return np.where(np.arange(n) % 2, 0.5, np.nan)


@pytest.mark.parametrize(
    ("built", "declared", "told"),
    [
        (
            lambda: world().with_column("label", pa.array([False] * 6000)),
            lambda: model(fit_boosting),
            ["HR-LEARN-002", "rows in train of which none is positive", "rows in test of which none is positive"],
        ),
        (lambda: world(), lambda: model(returning(half_nan)), ["HR-LEARN-007", "533 of 1066 scores", "test_train.py:"]),
        (
            lambda: world(),
            lambda: model(returning(lambda n: np.zeros((n, 3)))),
            ["HR-LEARN-006", "returned shape (1066, 3) for 1066 rows"],
        ),
        (lambda: world(), lambda: model(returning(lambda n: np.full(n, 0.5))), ["HR-LEARN-009", "found fit returned"]),
        (
            lambda: world(),
            lambda: model(fit_boosting, split=hr.time_split(train="200d", test="100d")),
            ["HR-LEARN-001", "no rows to learn from"],
        ),
        (
            lambda: world().with_column("now.night", pa.array([["yes"]] * 6000)),
            lambda: model(fit_boosting),
            ["HR-LEARN-003", "feature 'now.night' of type list<", "or text"],
        ),
        (
            lambda: world().with_column("now.amount", pa.array([1e300] + [1.0] * 5999)),
            lambda: model(fit_boosting),
            ["HR-LEARN-016", "1 values of feature 'now.amount' beyond 3.4e+38"],
        ),
        (
            lambda: world().with_column("label", pa.array([2.0, None] + [1.0] * 5998)),
            lambda: model(fit_boosting),
            ["HR-LEARN-008", "2 of 6000 labels that are neither 0 nor 1"],
        ),
        (
            lambda: FakeBuilt(world().table.slice(0, 0), world().manifest),
            lambda: model(fit_boosting),
            ["HR-LEARN-001", "no cases at all"],
        ),
        (
            lambda: world(),
            lambda: model(fit_boosting, metrics=(hr.card_precision(5, by="card_id"),)),
            ["HR-LEARN-012", "no column 'card_id'"],
        ),
    ],
    ids=[
        "no positives",
        "nan scores",
        "wrong shape",
        "no converter",
        "empty fold",
        "text feature",
        "beyond float32",
        "bad labels",
        "no cases",
        "no card column",
    ],
)
def test_bad_inputs_are_told_and_nothing_is_registered(registry, built, declared, told):
    with pytest.raises(hr.HeadraceError) as caught:
        train(declared(), built(), registry)
    for words in told:
        assert words in str(caught.value)
    assert registry.versions() == []


def fit_lightgbm(train):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1, random_state=train.seed).fit(train.X, train.y)


def test_features_that_are_all_null_or_constant(registry):
    built = world().with_column("now.night", pa.nulls(6000, pa.float64()))
    built = built.with_column("spending.count_7d", pa.array([3] * 6000))
    assert train(model(fit_lightgbm), built, registry).champion

    def fit_fragile(train):
        if train.X["now.night"].isna().all():
            raise ValueError("window shape cannot be larger than input array shape")

    def fit_dropping(train):
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(train.X, train.y)

    with pytest.warns(match="without any observed"), pytest.raises(hr.HeadraceError) as refused:
        train(model(fit_dropping), built, registry)
    assert "found now.night, null in every row of train, which SimpleImputer drops" in str(refused.value)
    assert "StandardScaler" not in str(refused.value)
    with pytest.raises(
        hr.HeadraceError, match=r"found ValueError in fit.*it may be that now.night has no value in any row"
    ):
        train(model(fit_fragile), built, registry)


def test_decimal_and_bool_features_are_numbers(registry):
    table = world().table
    amount = table["now.amount"].cast(pa.decimal128(18, 2), safe=False)
    built = world().with_column("now.amount", amount)
    assert train(model(fit_logistic), built, registry).metrics["roc_auc"] > 0.8


OFFLINE = """
import socket, sys, tempfile
from pathlib import Path

asked = []

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        asked.append((event, str(arguments[1:])))
        raise OSError("no network in this test")

sys.addaudithook(refuse)
import headrace.learn as learn

heavy = {"numba", "numpy", "duckdb", "pyarrow", "mlflow", "sklearn", "pandas", "onnx", "onnxruntime", "lightgbm"}
assert not heavy & set(sys.modules), "heavy at import"
from tests.learn.worlds import fit_boosting, model, world

registry = learn.Registry(Path(sys.argv[1]))
report = learn.train(model(fit_boosting), world(), registry)
assert report.champion and registry.champion("fraud_score") is not None
import mlflow.telemetry

assert mlflow.telemetry.get_telemetry_client() is None
assert not asked, asked
"""


def test_a_training_asks_no_network_and_writes_nothing_at_home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if key.startswith(("PYTHON", "OMP")) or key == "PATH"}
    root = HERE.parents[1]
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path / "models")],
        env={**kept, "HOME": str(home), "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stderr == ""
    assert list(home.rglob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "models"]
    left = sorted(path.name for path in (tmp_path / "models").iterdir())
    assert left == ["artifacts", "files", "lock", "mlflow.db", "pending"]
    assert not list((tmp_path / "models" / "pending").iterdir()), "what waits to be registered"


def test_a_champion_that_learned_other_features_of_the_same_names_is_not_given_these(registry):
    first = train(model(fit_boosting, mean="14d"), world(), registry)
    report = train(model(fit_amount_only), world(), registry)
    told = [one for one in report.candidates if one.role == "champion"]
    assert [one.name for one in told] == ["champion 1 (as registered)"]
    assert told[0].metrics == first.metrics


def test_what_is_worth_knowing_is_told_and_kept_with_the_version(registry):
    built = world()
    built.manifest["excluded"] = {"label not matured": 17}
    report = train(model(fit_logistic, split=hr.time_split("200d", "7d")), built, registry)
    (short,) = report.warnings
    assert short.code == "HR-LEARN-021"
    assert "26 days of cases to learn from, where train asks for 200d" in short.found
    assert [fault["code"] for fault in report.as_dict()["warnings"]] == ["HR-LEARN-021"]
    assert "where train asks for 200d" in repr(report)
    assert "where train asks for 200d" in report._repr_html_()
    fold = report.as_dict()["fold"]
    assert fold["train_rows"] + fold["test_rows"] + fold["unused_rows"] == 6000
    assert f"{fold['unused_rows']:,} before that or in the gap, 17 label not matured" in report.cases()
    kept = registry.version("fraud_score", 1).record.notes
    assert len(kept) == 1
    assert "26 days of cases" in kept[0]
    assert train(model(fit_logistic), world(), registry).warnings == ()


def test_scores_that_are_no_probabilities_are_refused_and_calibrated_ones_are_taken(registry):
    def fitting(wrapped):
        def fit(train):
            from sklearn.calibration import CalibratedClassifierCV
            from sklearn.impute import SimpleImputer
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler
            from sklearn.svm import LinearSVC

            svc = LinearSVC(random_state=train.seed)
            last = CalibratedClassifierCV(svc) if wrapped else svc
            return make_pipeline(SimpleImputer(), StandardScaler(), last).fit(train.X, train.y)

        return fit

    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-023.*LinearSVC, which gives no probabilities") as refused:
        train(model(fitting(False)), world(), registry)
    assert "CalibratedClassifierCV(LinearSVC(…))" in str(refused.value)
    assert registry.versions() == []
    assert train(model(fitting(True)), world(), registry).champion
