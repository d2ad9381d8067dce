"""Contributions of one row and of many: Headrace against LightGBM's own, and the package shap."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import headrace as hr
from bench.measure import Result, in_turn
from headrace.learn.explain import load, made_from
from headrace.learn.export import to_onnx
from headrace.learn.scorer import Scorer

FEATURES, TREES, DEPTH = 30, 300, 6
NAMES = tuple(f"now.f{at}" for at in range(FEATURES))


def rows(count: int) -> np.ndarray:
    """Rows of thirty features, one value of ten null, whose target mixes five of them."""
    luck = np.random.default_rng(1)
    x = luck.lognormal(1, 1, (count, FEATURES)).astype(np.float32)
    x[luck.random(x.shape) < 0.1] = np.nan
    return x


def boosted(x: np.ndarray, trees: int) -> Any:
    """Trees of LightGBM that are full: 64 leaves of depth 6."""
    from lightgbm import LGBMClassifier

    filled, luck = np.nan_to_num(x, nan=1.0), np.random.default_rng(2)
    signal = filled[:, 0] + filled[:, 1] * filled[:, 2] - filled[:, 3] * (filled[:, 4] > 2)
    y = signal + luck.normal(0, 4, len(x)) > 9
    how = {"max_depth": DEPTH, "num_leaves": 2**DEPTH, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    return LGBMClassifier(n_estimators=trees, **how).fit(x.astype(np.float64), y)


def rivals(estimator: Any, x: np.ndarray, told: dict[str, str]) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """Each returns the contributions of rows."""
    content = made_from(estimator, NAMES, hr.binary(), x[:1000])
    assert content is not None
    scorer = Scorer(to_onnx(estimator, NAMES, ""))
    explainer_of_ours = load(content, scorer)
    told["explain.json"] = f"{len(content) / 1e6:.1f} MB"
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "Headrace, which also scores": lambda some: explainer_of_ours.explain(some).values,
        "LightGBM pred_contrib, one thread": lambda some: np.asarray(
            estimator.booster_.predict(some.astype(np.float64), pred_contrib=True, num_threads=1)
        )[:, :-1],
    }
    try:
        import shap
    except ImportError:
        told["shap"] = "is not installed: pip install shap"
        return found
    explainer = shap.TreeExplainer(estimator)

    def by_shap(some: np.ndarray) -> np.ndarray:
        return np.asarray(explainer.shap_values(some.astype(np.float64)))

    return found | {f"shap {shap.__version__} TreeExplainer, which asks LightGBM": by_shap}


def compared(name: str, estimator: Any, x: np.ndarray, count: int, rounds: int) -> Result:
    """The seconds of rivals that say the same, to the ninth digit."""
    told: dict[str, str] = {}
    asked = rivals(estimator, x, told)
    some = x[:count]
    mine = next(iter(asked.values()))(some)
    apart = 0.0
    for rival, run in asked.items():
        found = run(some)
        if not np.allclose(found, mine, rtol=1e-6, atol=1e-8):
            raise AssertionError(f"{rival} and Headrace disagree by {np.abs(found - mine).max():.2g}")
        apart = max(apart, float(np.abs(found - mine).max()))
    seconds, _ = in_turn({rival: lambda run=run: run(some) for rival, run in asked.items()}, rounds)  # type: ignore[misc]
    what = f"{count:,} of {FEATURES} features, {estimator.n_estimators} trees of depth {DEPTH}"
    return Result(name, what, seconds, f"largest difference {apart:.1g}", "10 ms for one row", told)


def suite(small: bool) -> list[Result]:
    """Run the benchmark at its full or at a tenth of its size."""
    trees = TREES // (10 if small else 1)
    x = rows(4000 if small else 20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = boosted(x, trees)
        one = compared("contributions of one row", estimator, x, 1, 5 if small else 30)
        many = compared("contributions of rows", estimator, x, 20 if small else 200, 1 if small else 3)
    return [one, many]
