"""Kinds of models whose libraries are extras: statsmodels, XGBoost, CatBoost, PyTorch; what is missing is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.cases import frame
from headrace.learn.explain import load as load_explanation
from headrace.learn.explain import made_from
from headrace.learn.export import check_parity, to_onnx
from headrace.learn.scorer import Scorer, digest_of
from tests.learn.explain.estimators import CLASSES, NAMES, TASKS, labels, rows
from tests.learn.worlds import FEATURES, model, world

SPLIT = hr.time_split(train="20d", test="5d")


def of(extra: str) -> Any:
    return pytest.importorskip(extra, reason=f"{extra} is not installed: pip install 'headrace[{extra}]'")


# -- statsmodels -------------------------------------------------------------------------------------------------------

Fit = Callable[[Any, Any, Any], Any]
"""Of statsmodels, rows with a constant, and labels."""
STATSMODELS: dict[str, tuple[str, Fit, str, str]] = {
    "OLS": ("regression", lambda sm, x, y: sm.OLS(y, x).fit(), "linear", "value"),
    "without a constant": ("regression", lambda sm, x, y: sm.WLS(y, x[list(NAMES)]).fit(), "linear", "value"),
    "shrunk": ("regression", lambda sm, x, y: sm.OLS(y, x).fit_regularized(alpha=0.1), "linear", "value"),
    "median": ("regression", lambda sm, x, y: sm.QuantReg(y, x).fit(0.5), "linear", "value"),
    "Logit": ("binary", lambda sm, x, y: sm.Logit(y, x).fit(disp=0), "linear", "log-odds"),
    "Logit of some columns": (
        "binary", lambda sm, x, y: sm.Logit(y, x[["const", NAMES[2], NAMES[0]]]).fit(disp=0), "linear", "log-odds",
    ),
    "GLM, binomial": (
        "binary", lambda sm, x, y: sm.GLM(y, x, family=sm.families.Binomial()).fit(), "linear", "log-odds",
    ),
    "GLM, Poisson": (
        "regression", lambda sm, x, y: sm.GLM(np.abs(y), x, family=sm.families.Poisson()).fit(), "linear", "log",
    ),
    "GLM, gamma": (
        "regression", lambda sm, x, y: sm.GLM(np.abs(y) + 1, x, family=sm.families.Gamma()).fit(),
        "permutation", "value",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The InversePower link")
@pytest.mark.parametrize("name", STATSMODELS)
def test_results_of_statsmodels_are_exported_and_explained(name: str) -> None:
    of("statsmodels")
    import statsmodels.api as sm

    kind, fit, how, space = STATSMODELS[name]
    x, task = rows(nulls=False), TASKS[kind]
    found = fit(sm, sm.add_constant(frame(x, NAMES)), labels(x, kind))
    content = to_onnx(found, NAMES, "p:1", task)
    assert check_parity(found, content, x, (0.5,), "p:1", (), task).passed
    explanation = load_explanation(made_from(found, NAMES, task, x), Scorer(content)).explain(x[:5])
    assert (explanation.kind, explanation.space) == (how, space)


def test_what_statsmodels_was_fitted_on_must_be_features() -> None:
    of("statsmodels")
    import statsmodels.api as sm

    x = rows(nulls=False)
    y, task = labels(x, "binary"), hr.binary()
    other = sm.Logit(y, frame(x, NAMES).rename(columns={NAMES[0]: "typo"})).fit(disp=0)
    with pytest.raises(HeadraceError, match="HR-LEARN-009.*the column 'typo', which is no feature"):
        to_onnx(other, NAMES, "p:1", task)
    with pytest.raises(HeadraceError, match="HR-LEARN-009.*the link 'Probit'"):
        to_onnx(sm.Probit(y, frame(x, NAMES)).fit(disp=0), NAMES, "p:1", task)


def test_a_logit_of_statsmodels_is_trained_and_registered(registry: Any) -> None:
    of("statsmodels")

    def logit(train: Any) -> Any:
        import statsmodels.api as sm

        known = train.X[[name for name in FEATURES if not train.X[name].isna().any()]]
        return sm.Logit(train.y, sm.add_constant(known)).fit(disp=0)

    report = train(model(logit, split=SPLIT), world(), registry)
    assert report.gates[0].passed
    scorer = registry.load(report.version)
    explainer = load_explanation(registry.file(report.version, "explain.json"), scorer)
    assert (explainer.kind, explainer.space) == ("linear", "log-odds")


# -- XGBoost -----------------------------------------------------------------------------------------------------------


def boosted() -> dict[str, tuple[str, dict[str, Any]]]:
    """Settings of XGBoost's classes, by task."""
    return {
        "yes or no": ("binary", {}),
        "by loss": ("binary", {"grow_policy": "lossguide", "max_leaves": 9}),
        "dropped trees": ("binary", {"booster": "dart", "rate_drop": 0.3}),
        "several trees at once": ("binary", {"num_parallel_tree": 3, "subsample": 0.7}),
        "from a start": ("binary", {"base_score": 0.2}),
        "classes": ("multiclass", {}),
        "numbers": ("regression", {}),
        "counts": ("regression", {"objective": "count:poisson"}),
    }


@pytest.mark.parametrize("name", boosted())
def test_trees_of_xgboost_are_explained_as_xgboost_does(name: str) -> None:
    xgboost = of("xgboost")
    kind, how = boosted()[name]
    x, task, classes = rows(), TASKS[kind], CLASSES if kind == "multiclass" else ()
    made = xgboost.XGBRegressor if kind == "regression" else xgboost.XGBClassifier
    estimator = made(n_estimators=8, max_depth=4, n_jobs=1, **how).fit(frame(x, NAMES), np.abs(labels(x, kind)))
    explainer = load_explanation(made_from(estimator, NAMES, task, x, classes=classes))
    assert explainer.kind == "tree", explainer
    found = explainer.explain(x[:80])
    told = estimator.get_booster().predict(xgboost.DMatrix(frame(x[:80], NAMES)), pred_contribs=True)
    told = np.moveaxis(told, 1, 2) if told.ndim == 3 else told
    np.testing.assert_allclose(found.values, told[:, :-1], rtol=1e-4, atol=1e-4 if kind == "regression" else 1e-5)
    np.testing.assert_allclose(found.base, told[:, -1], rtol=1e-5, atol=1e-5)


def test_early_stopped_trees_are_explained_as_they_score() -> None:
    xgboost = of("xgboost")
    x = rows()
    y = labels(x, "binary")
    stopped = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, learning_rate=0.6, n_jobs=1)
    stopped.fit(frame(x[:300], NAMES), y[:300], eval_set=[(frame(x[300:], NAMES), y[300:])], verbose=False)
    assert stopped.best_iteration + 1 < stopped.get_booster().num_boosted_rounds()
    found = load_explanation(made_from(stopped, NAMES, hr.binary(), x))
    assert found.kind == "tree"
    np.testing.assert_allclose(found.explain(x).scores, stopped.predict_proba(frame(x, NAMES))[:, 1], atol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_xgboost_is_exported_behind_steps_of_scikit_learn(kind: str) -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    xgboost = of("xgboost")
    x, task = rows(), TASKS[kind]
    made = xgboost.XGBRegressor if kind == "regression" else xgboost.XGBClassifier
    y, count = labels(x, kind), 3 if kind == "multiclass" else 0
    steps = make_pipeline(SimpleImputer(), "passthrough", made(n_estimators=20, n_jobs=1))
    found = steps.fit(frame(x, NAMES), y)
    classes = ("a", "b", "c")[:count]
    content = to_onnx(found, NAMES, "p:1", task, classes)
    assert check_parity(found, content, x, (0.5,), "p:1", None, task, count).passed


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:hinge"])
def test_a_booster_of_xgboost_must_give_probabilities(registry: Any, objective: str) -> None:
    xgboost = of("xgboost")

    def boost(train: Any) -> Any:
        how = {"objective": objective, "nthread": 1, "max_depth": 3, "seed": train.seed}
        return xgboost.train(how, xgboost.DMatrix(train.X, train.y), num_boost_round=8)

    if objective == "binary:hinge":
        with pytest.raises(HeadraceError, match='HR-LEARN-023.*objective="binary:logistic"'):
            train(model(boost, split=SPLIT), world(), registry)
        return
    report = train(model(boost, split=SPLIT), world(), registry)
    assert report.gates[0].passed
    assert load_explanation(registry.file(report.version, "explain.json"), registry.load(report.version)).kind == "tree"


# -- CatBoost ----------------------------------------------------------------------------------------------------------

SYMMETRIC = {
    "yes or no": ("binary", {}),
    "nulls last": ("binary", {"nan_mode": "Max"}),
    "classes": ("multiclass", {}),
    "numbers": ("regression", {}),
}
"""Settings of CatBoost's classes, by task."""


def symmetric(kind: str, x: np.ndarray, **more: Any) -> Any:
    catboost = of("catboost")
    made = catboost.CatBoostRegressor if kind == "regression" else catboost.CatBoostClassifier
    how = {"iterations": 8, "depth": 3, "verbose": 0, "thread_count": 1, "random_seed": 0, "allow_writing_files": False}
    return made(**how | more).fit(frame(x, NAMES), labels(x, kind))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_models_of_catboost_are_exported_and_explained_as_catboost_does(name: str) -> None:
    kind, how = SYMMETRIC[name]
    x, task, classes = rows(), TASKS[kind], CLASSES if kind == "multiclass" else ()
    estimator = symmetric(kind, x, **how)
    content = to_onnx(estimator, NAMES, "p:1", task, classes)
    again = to_onnx(symmetric(kind, x, **how), NAMES, "p:1", task, classes)
    assert digest_of(content) == digest_of(again), "the file does not say when it was trained"
    assert check_parity(estimator, content, x, (0.5,), "p:1", None, task, len(classes)).passed
    explainer = load_explanation(made_from(estimator, NAMES, task, x, classes=classes), Scorer(content))
    assert explainer.kind == "tree", explainer
    found = explainer.explain(x[:40])
    pool = of("catboost").Pool(frame(x[:40], NAMES))
    told = estimator.get_feature_importance(pool, type="ShapValues", shap_calc_type="Regular")
    told = np.moveaxis(told, 1, 2) if told.ndim == 3 else told
    np.testing.assert_allclose(found.values, told[:, :-1], atol=1e-9)
    np.testing.assert_allclose(found.base, told[:, -1], atol=1e-9)


def test_what_catboost_itself_cannot_export_is_told_in_its_words() -> None:
    estimator = symmetric("binary", rows(), grow_policy="Depthwise")
    with pytest.raises(HeadraceError, match="HR-LEARN-009.*CatBoostError.*non symmetric trees"):
        to_onnx(estimator, NAMES, "p:1")


def test_catboost_is_trained_and_registered(registry: Any) -> None:
    catboost = of("catboost")

    def boost(train: Any) -> Any:
        how = {"iterations": 20, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
        return catboost.CatBoostClassifier(random_seed=train.seed, **how).fit(train.X, train.y)

    report = train(model(boost, split=SPLIT), world(), registry)
    assert report.gates[0].passed
    assert load_explanation(registry.file(report.version, "explain.json"), registry.load(report.version)).kind == "tree"


# -- PyTorch -----------------------------------------------------------------------------------------------------------


def nets(torch: Any) -> dict[str, tuple[str, Any]]:
    """Modules by task; one fills nulls itself."""

    def net(count: int, *last: Any) -> Any:
        torch.manual_seed(0)
        layers = [torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, count)]
        return torch.nn.Sequential(*layers, *last)

    class Filled(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = net(1, torch.nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            return self.inner(torch.nan_to_num((x - 20) / 10)).squeeze(1)

    normed = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1), torch.nn.Sigmoid())
    return {
        "yes or no": ("binary", net(1, torch.nn.Sigmoid())),
        "nulls": ("binary", Filled()),
        "normed": ("binary", normed),
        "classes": ("multiclass", net(3, torch.nn.Softmax(dim=1))),
        "numbers": ("regression", net(1)),
        "quantiles": ("quantiles", net(3)),
        "autoencoder": ("anomaly", net(4)),
    }


@pytest.mark.parametrize("name", ["yes or no", "nulls", "normed", "classes", "numbers", "quantiles", "autoencoder"])
def test_modules_of_pytorch_are_exported_and_explained(name: str) -> None:
    kind, module = nets(of("torch"))[name]
    x, task, classes = rows(nulls=name == "nulls"), TASKS[kind], CLASSES if kind == "multiclass" else ()
    content = to_onnx(module, NAMES, "p:1", task, classes)
    assert digest_of(content) == digest_of(to_onnx(module, NAMES, "p:1", task, classes))
    nullable = None if name == "nulls" else ()
    assert check_parity(module, content, x, (0.5,), "p:1", nullable, task, len(classes)).passed
    found = load_explanation(made_from(module, NAMES, task, x, classes=classes), Scorer(content)).explain(x[:3])
    assert found.kind == "permutation"


def test_a_module_is_trained_and_registered(registry: Any) -> None:
    of("torch")

    def net(train: Any) -> Any:
        import torch

        torch.manual_seed(train.seed)
        filled = train.X.fillna(0)
        scale = torch.tensor(filled.std().to_numpy(), dtype=torch.float32)

        class Net(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.line = torch.nn.Linear(len(train.names), 1)

            def forward(self, x: Any) -> Any:
                return torch.sigmoid(self.line(torch.nan_to_num(x) / scale))

        made = Net()
        optimizer = torch.optim.Adam(made.parameters(), lr=0.1)
        x, y = torch.tensor(train.X.to_numpy(), dtype=torch.float32), torch.tensor(train.y.to_numpy()).float()
        for _ in range(60):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy(made(x)[:, 0], y)
            loss.backward()
            optimizer.step()
        return made

    report = train(model(net, split=SPLIT), world(), registry)
    assert report.gates[0].passed
    baseline = report.candidates[0].metrics["average_precision"]
    assert report.metrics["average_precision"] > baseline
