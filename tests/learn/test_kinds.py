"""Every kind of model, for every task: trained, exported, the same on real rows, judged; or refused with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.export import to_onnx
from headrace.learn.scorer import Scorer
from headrace.learn.scoring import scores
from tests.learn.worlds import FEATURES, FakeBuilt, model, world

SPLIT = hr.time_split(train="20d", test="5d")
AMOUNT, NIGHT = "now.amount", "now.night"


def labelled(kind: str) -> FakeBuilt:
    built, luck = world(), np.random.default_rng(0)
    amount = built.table[AMOUNT].to_numpy()
    night = built.table[NIGHT].to_numpy(zero_copy_only=False)
    labels = {
        "binary": built.table["label"],
        "multiclass": pa.array(np.where(amount > 60, "very high", np.where(night, "night", "low"))),
        "number": pa.array(amount * 2 + 10 * night + luck.normal(0, 3, len(amount))),
        "relevance": pa.array((amount > 40).astype(float) + (amount > 80)),
    }
    return built.with_column("label", labels[kind])


def piped(last: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), last)


def fit_classes(train: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    assert train.classes == ("low", "night", "very high")
    return piped(LogisticRegression(max_iter=200)).fit(train.X, train.y)


def fit_classes_of_lightgbm(train: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1, random_state=train.seed).fit(train.X, train.y)


def fit_number(train: Any) -> Any:
    from sklearn.linear_model import Ridge

    return piped(Ridge()).fit(train.X, train.y)


def fit_number_of_lightgbm(train: Any) -> Any:
    from lightgbm import Dataset
    from lightgbm import train as boost

    how = {"objective": "regression", "verbose": -1, "num_threads": 1, "seed": train.seed}
    return boost(how, Dataset(train.X, train.y), num_boost_round=10)


def fit_quantiles(train: Any) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    def of(level: float) -> Any:
        trees = GradientBoostingRegressor(loss="quantile", alpha=level, n_estimators=15, random_state=train.seed)
        return piped(trees).fit(train.X, train.y)

    return {level: of(level) for level in (0.1, 0.5, 0.9)}


def fit_ranking(train: Any) -> Any:
    from lightgbm import LGBMRanker

    order = np.argsort(train.group.to_numpy(), kind="stable")
    sizes = np.unique(train.group.to_numpy(), return_counts=True)[1]
    ranker = LGBMRanker(n_estimators=10, verbose=-1, n_jobs=1, random_state=train.seed)
    return ranker.fit(train.X.iloc[order], train.y.to_numpy()[order].astype(int), group=sizes)


def fit_isolation(train: Any) -> Any:
    from sklearn.ensemble import IsolationForest

    return piped(IsolationForest(n_estimators=20, random_state=train.seed)).fit(train.X)


def fit_autoencoder(train: Any) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    narrow = make_pipeline(SimpleImputer(), PCA(2, random_state=train.seed), LinearRegression())
    return narrow.fit(train.X, train.X.fillna(train.X.mean()))


def fit_rule(train: Any) -> Any:
    typical = float(train.X[AMOUNT].median())

    def rule(rows: Any) -> Any:
        large = rows[AMOUNT] > 4 * typical
        odd = rows["spending.mean_7d"].fillna(0).between(0, 10) & (rows[NIGHT] == 1)
        return np.where(large | odd, 0.9, (rows[AMOUNT] / (8 * typical)).clip(0, 0.8))

    return rule


def fit_of_another_program(train: Any) -> Any:
    """A logistic regression as a program in another language would write it: numbers on paper, and four operations."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[0.03], [0.01], [0.002], [1.9]], np.float32)
    nodes = [
        helper.make_node("IsNaN", ["in"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "in"], ["filled"]),
        helper.make_node("Gemm", ["filled", "weights", "intercept"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]
    given = [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["rows", len(FEATURES)])]
    said = [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 1])]
    constants = {"weights": weights, "intercept": np.array([-5.8], np.float32), "zero": np.zeros((1, 1), np.float32)}
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "glm", given, said, held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = Path("glm.onnx")
    path.write_bytes(made.SerializeToString())
    return path


CASES: dict[str, tuple[Any, str, hr.Task, tuple[hr.Metric, ...]]] = {
    "classes": (fit_classes, "multiclass", hr.multiclass(), (hr.log_loss(), hr.accuracy(), hr.f1())),
    "classes, LightGBM": (fit_classes_of_lightgbm, "multiclass", hr.multiclass(), (hr.log_loss(), hr.brier())),
    "number": (fit_number, "number", hr.regression(), (hr.rmse(), hr.mae(), hr.r2())),
    "number, LightGBM": (fit_number_of_lightgbm, "number", hr.regression(), (hr.rmse(),)),
    "quantiles": (fit_quantiles, "number", hr.quantiles(0.1, 0.5, 0.9), (hr.pinball(), hr.coverage())),
    "ranking": (fit_ranking, "relevance", hr.ranking(by="customer_id"), (hr.ndcg(3), hr.reciprocal_rank())),
    "isolation forest": (fit_isolation, "binary", hr.anomaly(), (hr.roc_auc(), hr.recall_at(0.1))),
    "autoencoder": (fit_autoencoder, "binary", hr.anomaly(), (hr.roc_auc(),)),
    "rule": (fit_rule, "binary", hr.binary(), (hr.average_precision(), hr.roc_auc())),
    "another program": (fit_of_another_program, "binary", hr.binary(), (hr.average_precision(), hr.log_loss())),
}


@pytest.mark.parametrize("name", CASES)
def test_a_model_of_each_kind_is_trained_exported_and_judged(
    registry: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit, label, task, metrics = CASES[name]
    built = labelled(label)
    report = train(model(fit, task=task, metrics=metrics, split=SPLIT), built, registry)
    assert report.gates[0].passed
    baseline, own = report.candidates[0].metrics, report.metrics
    first = metrics[0]
    sign = 1 if first.greater_is_better else -1
    better = sign * own[first.label] > sign * baseline[first.label]
    assert better, "than an answer that knows no feature"
    scorer = registry.load(report.version)
    rows = np.stack([built.table[one].to_pandas().to_numpy(np.float32) for one in FEATURES], axis=1)[:50]
    score = scorer.score(rows)
    assert score.shape == ((50,) if len(scorer.names) == 1 else (50, len(scorer.names)))
    names = {"multiclass": ("score_low", "score_night", "score_very_high"),
             "quantiles": ("score_0_1", "score_0_5", "score_0_9")}  # fmt: skip
    assert scorer.names == names.get(task.name, ("score",))
    again = train(model(fit, task=task, metrics=metrics, split=SPLIT), built, registry)
    assert (again.new, again.version.digest) == (False, report.version.digest)


def followed() -> dict[str, Any]:
    """Rules by functions of NumPy."""
    return {
        "select": lambda rows: np.select([rows[AMOUNT] > 90, rows[AMOUNT] > 40], [0.9, 0.5], 0.1),
        "log1p": lambda rows: 1 - np.exp(-np.log1p(rows[AMOUNT]) / 9),
        "expm1": lambda rows: np.expm1(np.minimum(rows[AMOUNT], 100.0) / 1000),
        "nan_to_num": lambda rows: np.nan_to_num(rows["spending.mean_7d"], nan=50.0) / 1000,
        "bounds by name": lambda rows: np.clip(rows[AMOUNT] / 500, min=0.05, max=0.4),
        "an upper bound by name": lambda rows: np.clip(rows[AMOUNT] / 500, 0.05, a_max=0.4),
        "bounds the other way round": lambda rows: rows[AMOUNT].clip(90, 10) / 100,
        "a column as bound": lambda rows: (rows[AMOUNT] - 40).clip(0, 60 - rows[AMOUNT]) / 1000 + 0.5,
        "whole parts": lambda rows: 2 ** -np.floor(+rows[AMOUNT] / 20),
        "truths added": lambda rows: ((rows[AMOUNT] > 40) + (rows[AMOUNT] > 80)) * 0.5,
        "truths multiplied": lambda rows: 0.9 * ((rows[AMOUNT] > 40) * (rows[AMOUNT] < 80)),
        "sign": lambda rows: 0.5 + 0.25 * np.sign(rows[AMOUNT] - 40.0),
        "round": lambda rows: (rows[AMOUNT] / 30).round().clip(0, 10) / 10,
    }


@pytest.mark.parametrize("name", followed())
def test_a_rule_by_numpy_is_the_same_in_its_file(name: str, registry: Any) -> None:
    built = world()
    report = train(model(lambda _: followed()[name], split=SPLIT), built, registry)
    assert report.gates[0].passed
    rows = built.table.select(FEATURES).to_pandas().astype(np.float32).astype(np.float64)
    told = np.asarray(followed()[name](rows), np.float64)
    there = np.isfinite(told)
    score = registry.load(report.version).score(rows.to_numpy(np.float32)[there])
    assert score == pytest.approx(told[there], abs=1e-6)


def rules() -> dict[str, tuple[Any, str]]:
    """Rules that cannot be followed, and what is told of them."""
    return {
        "rolling": (
            lambda rows: rows[AMOUNT].fillna(0).rolling(1).mean() * 0 + 0.5,
            r"\.rolling of a column within a rule",
        ),
        "apply": (lambda rows: rows[AMOUNT].apply(lambda one: 0.5), r"\.apply of a column within a rule"),
        "len": (
            lambda rows: rows[AMOUNT] * 0 + 1 / len(rows),
            r"a rule that cannot be followed .TypeError.*docs/models.md",
        ),
        "sum of the frame": (lambda rows: rows.sum(axis=1) * 0 + 0.5, r"\.sum of the frame within a rule"),
        "numpy": (lambda rows: np.cumsum(rows[AMOUNT]) * 0 + 0.5, r"numpy\.cumsum within a rule|cumsum"),
    }


@pytest.mark.parametrize("name", rules())
def test_a_rule_that_cannot_be_followed_says_what_stands_in_the_way(registry: Any, name: str) -> None:
    rule, told = rules()[name]
    with pytest.raises(HeadraceError, match=f"HR-LEARN-009.*({told})"):
        train(model(lambda train: rule, split=SPLIT), world(), registry)


def test_labels_that_are_none_of_the_task_are_told_with_the_task_that_they_are_of(registry: Any) -> None:
    for kind, task, told in (
        ("multiclass", hr.binary(), "task=hr.multiclass"),
        ("number", hr.binary(), "task=hr.regression"),
        ("multiclass", hr.regression(), "task=hr.multiclass"),
        ("number", hr.multiclass(), "task=hr.regression"),
    ):
        with pytest.raises(HeadraceError, match=f"HR-LEARN-008.*{told}"):
            train(model(fit_number, task=task, metrics=None, split=SPLIT), labelled(kind), registry)


def test_a_model_that_gives_other_scores_than_the_task_asks_for_is_told(registry: Any) -> None:
    with pytest.raises(HeadraceError, match=r"HR-LEARN-006.*expected \(\d+, 3\)"):
        train(model(fit_number, task=hr.quantiles(0.1, 0.5, 0.9), metrics=(hr.pinball(),), split=SPLIT),
              labelled("number"), registry)  # fmt: skip


@pytest.mark.parametrize("objective", ["binary", "regression", "multiclass"])
@pytest.mark.parametrize("library", ["lightgbm", "sklearn"])
def test_values_on_both_sides_of_each_threshold_go_where_the_library_sends_them(library: str, objective: str) -> None:
    import lightgbm
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    luck = np.random.default_rng(3)
    x = np.round(luck.lognormal(3, 1, (3000, 2)), 2).astype(np.float32)
    y = ((x[:, 0] > 20) ^ (x[:, 1] > 30) ^ (luck.random(3000) < 0.1)).astype(int) + (x[:, 1] > 50)
    task, count = hr.regression(), 1
    if objective == "binary":
        y, task = (y > 0).astype(int), hr.binary()
    elif objective == "multiclass":
        task, count = hr.multiclass(), 3
    kind = lightgbm.LGBMRegressor if objective == "regression" else lightgbm.LGBMClassifier
    frame = pd.DataFrame(x.astype(np.float64), columns=["a", "b"])
    if library == "lightgbm":
        fitted = kind(n_estimators=30, verbose=-1, n_jobs=1).fit(frame, y)
        found = fitted.booster_.trees_to_dataframe()["threshold"].dropna().to_numpy(np.float64)
    else:
        plain = HistGradientBoostingRegressor if objective == "regression" else HistGradientBoostingClassifier
        fitted = plain(max_iter=30).fit(frame, y)
        nodes = [tree.nodes for trees in fitted._predictors for tree in trees]
        found = np.concatenate([one["num_threshold"][one["is_leaf"] == 0] for one in nodes])
    edges = found.astype(np.float32)
    near = np.concatenate([np.nextafter(edges, np.float32(side)) for side in (-np.inf, np.inf)] + [edges])
    rows = np.stack([near, luck.permutation(near)], axis=1)
    scorer = Scorer(to_onnx(fitted, ["a", "b"], "", task, [str(one) for one in range(count)] if count > 1 else ()))
    expected = scores(fitted, rows, ("a", "b"), "", task, count if count > 1 else 0)
    assert np.abs(scorer.score(rows) - expected).max() < 1e-4 * max(1, np.abs(expected).max())
