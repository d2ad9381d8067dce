"""Estimators in the text format of their own library, for where ONNX does not hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.learn.kinds.kind import of_module
from headrace.learn.native import ATTRIBUTE, MARK


def in_text(
    estimator: Any, names: Sequence[str], outputs: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> bytes | None:
    """Return an estimator in its library's own text format; the same estimator gives the same bytes.

    Args:
        estimator: what ``fit`` returned.
        names: of the features, in the order of the columns.
        outputs: names of the scores.
        categories: texts of each feature that is text, in the order of their places.

    Returns:
        The file; None where it is not LightGBM's or XGBoost's by itself.
    """
    columns = [-1] if len(outputs) == 1 else list(range(len(outputs)))
    about = {"features": list(names), "scores": list(outputs), "columns": columns, "sign": 1}
    if categories:
        about["categories"] = {name: list(texts) for name, texts in categories.items()}
    said = json.dumps(about, sort_keys=True)
    plain = type(estimator).__name__ == "Booster"
    if of_module(estimator, "lightgbm"):
        text = (estimator if plain else estimator.booster_).model_to_string()
        return f"{text.rstrip()}\n\n{MARK}{said}\n".encode()
    if of_module(estimator, "xgboost"):
        booster = estimator.copy() if plain else estimator.get_booster().copy()
        best = None if plain else getattr(estimator, "best_iteration", None)
        booster = booster if best is None else booster[: int(best) + 1]
        booster.feature_names = None
        booster.set_attr(**{ATTRIBUTE: said})
        return bytes(booster.save_raw("json"))
    return None
