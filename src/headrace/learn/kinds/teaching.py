"""What skl2onnx does not know by itself, or not rightly: LightGBM, XGBoost, votes, linear discriminant analysis."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from headrace.learn.kinds.kind import below

_Converter = Callable[[Any, Any, Any], None]
_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
_CROSS_ENTROPY = "\nobjective=cross_entropy\n"


def teach() -> None:
    """Register converters with skl2onnx, for those libraries that are loaded already."""
    if "lightgbm" in sys.modules:
        _lightgbm()
    if "xgboost" in sys.modules:
        _xgboost()
    if "sklearn.discriminant_analysis" in sys.modules:
        _discriminant_analysis()
    if "sklearn.ensemble" in sys.modules:
        _vote()
        _histogram_boosting()


def _lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.common.shape_calculator import calculate_linear_regressor_output_shapes
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    def same(fitted: Any) -> Any:
        plain = copy.copy(fitted)
        plain._Booster = plain_booster(fitted.booster_)
        return plain

    _register(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", _instead(same, convert_lightgbm))
    numbers = calculate_linear_regressor_output_shapes
    _register(lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", _instead(same, convert_lightgbm), numbers, {})


def _xgboost() -> None:
    import xgboost
    from onnxmltools.convert.common.shape_calculator import calculate_linear_regressor_output_shapes
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    def same(fitted: Any) -> Any:
        plain = copy.deepcopy(fitted)
        plain.get_booster().feature_names = None  # the converter takes columns by their place only
        return plain

    numbers = calculate_linear_regressor_output_shapes
    _register(xgboost.XGBClassifier, "XGBoostXGBClassifier", _instead(same, convert_xgboost))
    _register(xgboost.XGBRegressor, "XGBoostXGBRegressor", _instead(same, convert_xgboost), numbers, {})


def plain_booster(booster: Any) -> Any:
    """Return the same booster as the converter knows it: of float32 thresholds, and of an objective with its name.

    A row goes to the left where its value is not above the threshold. Of values in float32 that is so for the largest
    float32 that is not above it, too; rounded to the nearest one, the threshold can reach a value that lies above it.
    Of labels 0 and 1, cross entropy is the binary objective under another name.
    """
    from lightgbm import Booster

    text = booster.model_to_string()
    # The sizes of the trees as texts change with their numbers; without them all is read in order.
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("tree_sizes=")]
    same = Booster(model_str="".join(_thresholds(lines)).replace(_CROSS_ENTROPY, "\nobjective=binary sigmoid:1\n", 1))
    same.params = {**booster.params, **({"objective": "binary"} if _CROSS_ENTROPY in text else {})}
    return same


def _thresholds(lines: Sequence[str]) -> Iterator[str]:
    """Lines of a model as text, with thresholds that float32 holds; of categories they are no numbers."""
    kinds = iter([line.partition("=")[2].split() for line in lines if line.startswith("decision_type=")])
    for line in lines:
        name, _, values = line.partition("=")
        if name == "threshold":
            numbers = (
                one if int(kind) & 1 else _below(one) for one, kind in zip(values.split(), next(kinds), strict=True)
            )
            line = f"{name}={' '.join(numbers)}\n"
        yield line


def _below(threshold: str) -> str:
    return repr(float(below(np.array([float(threshold)]))[0]))


def _discriminant_analysis() -> None:
    """Of two classes its probability is the logistic function of the decision, as of a logistic regression.

    skl2onnx takes the softmax of the decision and its negative instead, which is the logistic function of twice that.
    """
    from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    def same(fitted: Any) -> Any:
        logistic = LogisticRegression()
        logistic.coef_, logistic.intercept_, logistic.classes_ = fitted.coef_, fitted.intercept_, fitted.classes_
        return logistic

    convert = _instead(same, convert_sklearn_linear_classifier)
    _register(LinearDiscriminantAnalysis, "LogisticDiscriminantAnalysis", convert)


def _histogram_boosting() -> None:
    """Its thresholds are float64, which the converter rounds to the nearest float32, too."""
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from skl2onnx.operator_converters.random_forest import (
        convert_sklearn_random_forest_classifier,
        convert_sklearn_random_forest_regressor_converter,
    )
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def same(fitted: Any) -> Any:
        plain = copy.copy(fitted)
        plain._predictors = copy.deepcopy(fitted._predictors)
        for one in (tree for trees in plain._predictors for tree in trees):
            one.nodes["num_threshold"] = below(one.nodes["num_threshold"])
        return plain

    raw = {"raw_scores": [True, False]}
    shapes, convert = calculate_linear_classifier_output_shapes, convert_sklearn_random_forest_classifier
    options = _OPTIONS | raw | {"output_class_labels": [False, True]}
    _register(HistGradientBoostingClassifier, "PlainBoostingClassifier", _instead(same, convert), shapes, options)
    shapes, convert = calculate_linear_regressor_output_shapes, convert_sklearn_random_forest_regressor_converter
    _register(HistGradientBoostingRegressor, "PlainBoostingRegressor", _instead(same, convert), shapes, raw)


def _vote() -> None:
    """skl2onnx refuses ``flatten_transform``, which changes no score, and weights in a list, as scikit-learn has them.

    Of estimators that were dropped, scikit-learn leaves out the weights.
    """
    from skl2onnx.operator_converters.voting_classifier import convert_voting_classifier
    from sklearn.ensemble import VotingClassifier

    def same(fitted: Any) -> Any:
        plain = copy.copy(fitted)
        plain.flatten_transform = False
        plain.weights = None if fitted.weights is None else np.array(fitted._weights_not_none)
        return plain

    _register(VotingClassifier, "PlainVotingClassifier", _instead(same, convert_voting_classifier))


def _instead(same: Callable[[Any], Any], convert: _Converter) -> _Converter:
    """Convert another estimator in the place of one, which has the same scores."""

    def converted(scope: Any, operator: Any, container: Any) -> None:
        fitted = operator.raw_operator
        operator.raw_operator = same(fitted)
        convert(scope, operator, container)
        operator.raw_operator = fitted

    return converted


def _register(kind: type, alias: str, convert: _Converter, shapes: Any = None, options: Any = _OPTIONS) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    shapes = calculate_linear_classifier_output_shapes if shapes is None else shapes
    update_registered_converter(kind, alias, shapes, convert, options=options)
