"""What the package shap says of the same trees; it is heavy, and only a test and a benchmark ask it."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.learn.cases import frame
from headrace.learn.explain import load, made_from
from tests.learn.explain.estimators import NAMES, TREES, learned

KNOWN = ["tree", "forest", "tree of numbers", "forest of numbers", "histograms", "LightGBM", "LightGBM of classes"]
"""Trees by themselves: shap knows nothing of what stands before them in a pipeline."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KNOWN)
def test_exact_contributions_are_those_of_shap(name: str) -> None:
    shap = pytest.importorskip("shap", reason="shap is not installed: pip install shap")
    estimator, x, task, classes = learned(TREES[name])
    found = load(made_from(estimator, NAMES, task, x, classes=classes)).explain(x[:60])
    told = np.asarray(shap.TreeExplainer(estimator).shap_values(frame(x[:60], NAMES), check_additivity=False))
    if told.ndim == 3 and found.values.ndim == 2:
        told = told[:, :, 1]  # of the second of two classes
    np.testing.assert_allclose(found.values, told, rtol=1e-4, atol=1e-5)
