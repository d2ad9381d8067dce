"""What skl2onnx does not know by itself, or does not know rightly: LightGBM, votes, linear discriminant analysis."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

_Converter = Callable[[Any, Any, Any], None]
_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


def teach() -> None:
    """Register converters with skl2onnx, for those libraries that are loaded already."""
    if "lightgbm" in sys.modules:
        _lightgbm()
    if "sklearn.discriminant_analysis" in sys.modules:
        _discriminant_analysis()
    if "sklearn.ensemble" in sys.modules:
        _vote()


def _lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _register(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", convert_lightgbm)


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


def _vote() -> None:
    """skl2onnx refuses ``flatten_transform``, which is about ``transform`` and changes no score."""
    from skl2onnx.operator_converters.voting_classifier import convert_voting_classifier
    from sklearn.ensemble import VotingClassifier

    def same(fitted: Any) -> Any:
        plain = copy.copy(fitted)
        plain.flatten_transform = False
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


def _register(kind: type, alias: str, convert: _Converter) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    update_registered_converter(kind, alias, calculate_linear_classifier_output_shapes, convert, options=_OPTIONS)


def booster(one: Any, width: int) -> Any:
    """Return a LightGBM booster as an ONNX model with one float32 input of so many columns."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [("X", FloatTensorType([None, width]))]
    return convert_lightgbm(one, name="model", initial_types=inputs, zipmap=False, target_opset=15)
