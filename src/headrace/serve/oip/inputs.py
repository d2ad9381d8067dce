"""From tensors to the rows that a model scores: one matrix in the order of its features, or one tensor for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn import Scorer
from headrace.serve.oip.tensors import TEXT, Tensor, wrong

INPUT, INPUT_TYPE = "input", "FP32"
"""The tensor that has all features of a row beside each other."""
LARGEST, MOST_ROWS = 16 << 20, 100_000
"""Bytes and rows of a request."""
LARGEST_JSON = 2 << 20
"""Bytes of JSON in it: lists of it are made while nothing else is, so that other requests would wait for more."""
_SHOWN = 8


def rows(scorer: Scorer, tensors: Sequence[Tensor]) -> npt.NDArray[np.float32]:
    """Return the rows of a request as the model takes them; everything that is wrong with them is told at once.

    Numbers become float32 by way of float64, as the rows of a service do, so that the scores have the same bits.

    Args:
        scorer: of the model.
        tensors: ``input``, FP32 of shape (n, features), NaN for null; or for each feature one by its name, of shape
            (n,) or (n, 1): BYTES for a text, of which one that the model does not know counts as null.

    Returns:
        Shape (n, features).

    Raises:
        HeadraceError: HR-INFER-003 for other names, 004 another datatype, 005 other shapes, 006 an infinite number, 008
            too many rows.
    """
    names = [one.name for one in tensors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise wrong("HR-INFER-003", twice[0], "it twice", "each tensor once", "leave one of them out")
    return _whole(scorer, tensors[0]) if names == [INPUT] else _by_feature(scorer, {one.name: one for one in tensors})


def _whole(scorer: Scorer, tensor: Tensor) -> npt.NDArray[np.float32]:
    width = len(scorer.features)
    if tensor.datatype != INPUT_TYPE:
        cure = "send FP32; tensors by the names of features may have others"
        raise wrong("HR-INFER-004", INPUT, f"the datatype {tensor.datatype}", INPUT_TYPE, cure)
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        expected = f"[rows, {width}]: the features of the model, in its order"
        raise wrong("HR-INFER-005", INPUT, f"the shape {list(tensor.shape)[:_SHOWN]}", expected)
    _few(tensor.shape[0])
    x: npt.NDArray[np.float32] = np.asarray(tensor.values, np.float32).reshape(-1, width)
    if np.isinf(x).any():
        at = int(np.argmax(np.isinf(x).any(axis=0)))
        raise wrong("HR-INFER-006", INPUT, f"an infinite {scorer.features[at]}", "finite numbers, and NaN for null")
    return x


def _by_feature(scorer: Scorer, tensors: dict[str, Tensor]) -> npt.NDArray[np.float32]:
    if faults := _names(scorer, tensors):
        raise HeadraceError(faults)
    height = max(one.shape[0] if _is_column(one) else 0 for one in tensors.values())
    faults = [fault for name in scorer.features for fault in _misfits(tensors[name], height, name in scorer.categories)]
    if faults:
        raise HeadraceError(faults)
    _few(height)
    x = np.empty((height, len(scorer.features)), np.float32)
    for at, name in enumerate(scorer.features):
        with np.errstate(over="ignore"):
            x[:, at] = _column(tensors[name].values, scorer.categories.get(name))
        if np.isinf(x[:, at]).any():
            faults += wrong("HR-INFER-006", name, "a number beyond float32", "values like those of training").faults
    if faults:
        raise HeadraceError(faults)
    return x


def _names(scorer: Scorer, tensors: dict[str, Tensor]) -> list[Fault]:
    known = scorer.features
    strange = [name for name in tensors if name not in known]
    missing = [name for name in known if name not in tensors]
    faults = [
        Fault(
            "HR-INFER-003", f"tensor {name[:64]!r}", "an unknown tensor", _expected(scorer), nearest(name[:64], known)
        )
        for name in strange[:_SHOWN]
    ]
    if missing and (len(missing) < len(known) or not strange):
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        found, cure = f"no tensor {', '.join(missing[:_SHOWN])}{more}", "send it; NaN, and null in JSON, is a null"
        faults.append(Fault("HR-INFER-003", "inputs", found, _expected(scorer), cure))
    return faults


def _expected(scorer: Scorer) -> str:
    return f"{INPUT} with {len(scorer.features)} columns, or a tensor for each feature"


def _is_column(tensor: Tensor) -> bool:
    return len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)


def _misfits(tensor: Tensor, height: int, text: bool) -> list[Fault]:
    faults: list[Fault] = []
    if not _is_column(tensor) or tensor.shape[0] != height:
        found, expected = f"the shape {list(tensor.shape)[:_SHOWN]}", f"[{height}] or [{height}, 1], as others have"
        faults += wrong("HR-INFER-005", tensor.name, found, expected).faults
    if text != (tensor.datatype == TEXT):
        expected = "BYTES, since the feature is text" if text else "BOOL, INT or FP, since the feature is a number"
        faults += wrong("HR-INFER-004", tensor.name, f"the datatype {tensor.datatype}", expected).faults
    return faults


def _column(values: Any, categories: Sequence[str] | None) -> npt.NDArray[np.float64]:
    if categories is None:
        return np.asarray(values).astype(np.float64)
    places = {text: float(at) for at, text in enumerate(categories)}
    return np.array([places.get(one, np.nan) for one in values], np.float64)


def _few(rows: int) -> None:
    if rows > MOST_ROWS:
        cure = "send several requests; a whole table is for headrace score"
        raise HeadraceError(Fault("HR-INFER-008", "inputs", f"{rows:,} rows", f"at most {MOST_ROWS:,}", cure))
