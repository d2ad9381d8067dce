"""Models that ONNX does not hold: in LightGBM's and XGBoost's own text, proved, registered, loaded by their digest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.cases import frame
from headrace.learn.explain import load as load_explanation
from headrace.learn.export import check_parity, export_like, require_parity
from headrace.learn.kinds.text import in_text
from headrace.learn.native import LIGHTGBM, XGBOOST, ending_of
from headrace.learn.scorer import Scorer, digest_of, load
from tests.learn.explain.estimators import CLASSES, NAMES, TASKS, labels, rows
from tests.learn.worlds import FEATURES, model, world

SPLIT = hr.time_split(train="20d", test="5d")


def linear_trees(train: Any) -> Any:
    from lightgbm import LGBMClassifier

    lines = LGBMClassifier(
        n_estimators=8, num_leaves=7, linear_tree=True, verbose=-1, n_jobs=1, random_state=train.seed
    )
    return lines.fit(train.X, train.y)


def dropped_trees(train: Any) -> Any:
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed: pip install 'headrace[xgboost]'")
    trees = xgboost.XGBClassifier(booster="dart", rate_drop=0.3, n_estimators=8, n_jobs=1, random_state=train.seed)
    return trees.fit(train.X, train.y)


FITS = {"LightGBM": (linear_trees, LIGHTGBM, "permutation"), "XGBoost": (dropped_trees, XGBOOST, "tree")}


@pytest.mark.parametrize("name", FITS)
def test_what_onnx_does_not_hold_is_trained_in_the_librarys_own_format(registry: Any, name: str) -> None:
    fit, ending, kind = FITS[name]
    pytest.importorskip(name.lower())
    built = world()
    declared = model(fit, split=SPLIT, gates=(hr.reproducible(),))
    report = train(declared, built, registry)
    (export, again) = report.gates
    assert export.passed
    assert again.passed, "the second file is of the same format"
    assert "in the library's own format, since as ONNX: " in export.sentence
    path = registry.path(report.version)
    assert (path.suffix, path.name) == (ending, f"{report.version.digest}{ending}")
    assert registry.intact(report.version)
    scorer = registry.load(report.version)
    some = np.stack([built.table[one].to_pandas().to_numpy(np.float32) for one in FEATURES], axis=1)[:60]
    assert scorer.score(some[:0]).shape == (0,)
    explainer = load_explanation(registry.file(report.version, "explain.json"), scorer)
    found = explainer.explain(some)
    assert found.kind == kind
    np.testing.assert_array_equal(found.scores, scorer.score(some))
    same = train(declared, built, registry)
    assert (same.new, same.version.digest) == (False, report.version.digest)

    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    assert not registry.intact(report.version)
    with pytest.raises(HeadraceError, match="HR-LEARN-011.*altered"):
        registry.load(report.version)


def boosters() -> dict[str, tuple[str, Any]]:
    """Of both libraries, with several outputs too."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    how = {"n_estimators": 6, "verbose": -1, "n_jobs": 1}
    found = {
        "LightGBM": ("binary", LGBMClassifier(**how)),
        "LightGBM of classes": ("multiclass", LGBMClassifier(**how)),
        "LightGBM of numbers": ("regression", LGBMRegressor(**how)),
    }
    try:
        from xgboost import XGBClassifier, XGBRegressor
    except ImportError:
        return found
    how = {"n_estimators": 6, "n_jobs": 1}
    lines = XGBClassifier(booster="gblinear", **how)
    return found | {
        "XGBoost": ("binary", XGBClassifier(**how)),
        "XGBoost of classes": ("multiclass", XGBClassifier(**how)),
        "XGBoost of numbers": ("regression", XGBRegressor(**how)),
        "XGBoost, linear": ("binary", lines),
        "XGBoost, several trees at once": ("binary", XGBClassifier(num_parallel_tree=3, subsample=0.7, **how)),
    }


@pytest.mark.parametrize("name", boosters())
def test_the_text_is_the_model_to_the_last_bit_also_with_nulls_and_extremes(name: str, tmp_path: Any) -> None:
    kind, estimator = boosters()[name]
    x, task = rows(), TASKS[kind]
    classes = CLASSES if kind == "multiclass" else ()
    outputs = ("score",) if not classes else tuple(f"score_{one}" for one in classes)
    estimator.fit(frame(x, NAMES), labels(x, kind))
    content = in_text(estimator, NAMES, outputs, {})
    assert content == in_text(estimator, NAMES, outputs, {})
    assert content == export_like(content, estimator, NAMES, "", task, classes, {})
    nullable = () if "linear" in name else None
    parity = check_parity(estimator, content, x, (0.5,), "p:1", nullable, task, len(classes))
    require_parity(parity, estimator, x, NAMES, "p:1")
    assert parity.rows >= 10_000, "where there are few real rows, others are drawn from them"
    assert parity.max_difference <= 1e-12
    path = tmp_path / f"model{ending_of(content)}"
    path.write_bytes(content)
    scorer = load(path, digest_of(content))
    assert (scorer.features, scorer.names) == (NAMES, outputs)


def test_the_text_is_still_one_that_the_library_reads_by_itself(tmp_path: Any) -> None:
    from lightgbm import Booster, LGBMClassifier

    x = rows()
    estimator = LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(frame(x, NAMES), labels(x, "binary"))
    (tmp_path / "model.txt").write_bytes(in_text(estimator, NAMES, ("score",), {}))
    read = Booster(model_file=str(tmp_path / "model.txt"))
    np.testing.assert_array_equal(read.predict(x), estimator.predict_proba(frame(x, NAMES))[:, 1])


def test_a_missing_library_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightgbm import LGBMClassifier

    x = rows()
    estimator = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(frame(x, NAMES), labels(x, "binary"))
    content = in_text(estimator, NAMES, ("score",), {})
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-048.*LightGBM.*pip install 'headrace\[learn\]'"):
        Scorer(content)


@pytest.mark.parametrize("content", [b"tree\nversion=v4\nnothing", b'{"learner": 1}'], ids=["LightGBM", "XGBoost"])
def test_a_text_that_is_no_model_is_a_fault(content: bytes) -> None:
    if ending_of(content) == XGBOOST:
        pytest.importorskip("xgboost", reason="XGBoost is not installed: pip install 'headrace[xgboost]'")
    with pytest.raises(HeadraceError, match="HR-LEARN-011"):
        Scorer(content)


def test_other_models_have_no_text() -> None:
    assert in_text(lambda rows: rows["a"], ("a",), ("score",), {}) is None
