"""Model files in the library's own text format, where ONNX does not hold the model: LightGBM's and XGBoost's."""

from __future__ import annotations

import json
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError

ONNX, LIGHTGBM, XGBOOST = ".onnx", ".txt", ".json"
"""How names of model files end."""
METADATA = "headrace"
"""Key in the metadata of a model file: JSON of ``features`` in order, names of ``scores``, the ``output`` and the
``columns`` that hold them, the ``sign`` that makes the higher one the stranger one, and of each feature that is text
the ``categories`` that its model knows."""
MARK = "headrace:"
"""Begins the line, after all that LightGBM reads, that says what a scorer must know."""
ATTRIBUTE = "headrace"
"""The attribute of XGBoost's model that says it."""


class Runtime(Protocol):
    """What runs a model file.

    Args:
        about: what the file says of itself, as ``METADATA`` tells.
    """

    about: dict[str, Any]

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return what the model answers for rows, shape (n,) or (n, columns)."""

    def each(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return it with the bits that each row has alone."""


def ending_of(content: bytes) -> str:
    """Return how the name of a model file ends, by what is in it.

    Example:
        >>> ending_of(b"tree" + bytes([10]) + b"version=v4"), ending_of(b'{"learner": {}}'), ending_of(b"")
        ('.txt', '.json', '.onnx')
    """
    return LIGHTGBM if content.startswith(b"tree\n") else XGBOOST if content.startswith(b"{") else ONNX


def open_native(content: bytes) -> Runtime:
    """Return what runs a file of ``headrace.learn.kinds.text``.

    Raises:
        HeadraceError: HR-LEARN-048 where its library is not installed, 011 for a file that it does not read.
    """
    name, runtime = ("LightGBM", _LightGBM) if ending_of(content) == LIGHTGBM else ("XGBoost", _XGBoost)
    try:
        return runtime(content)
    except ImportError as error:
        found = f"a model in {name}'s own format, and no {name}"
        cure = f"pip install 'headrace[{'learn' if name == 'LightGBM' else 'xgboost'}]'"
        raise HeadraceError(Fault("HR-LEARN-048", "", found, f"{name}, which runs it", cure)) from error
    except Exception as error:
        found = f"a model file that {name} does not read ({type(error).__name__})"
        cure = "headrace train, which writes one that it does"
        raise HeadraceError(Fault("HR-LEARN-011", "", found, "a file exported by headrace.learn", cure)) from error


class _LightGBM:
    """A booster that reads its own text, on one thread."""

    def __init__(self, content: bytes) -> None:
        from lightgbm import Booster

        text, _, said = content.decode().rpartition(f"\n{MARK}")  # JSON has no line break that a text could hide
        self.about: dict[str, Any] = json.loads(said)
        self._booster = Booster(model_str=text)

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return np.asarray(self._booster.predict(x, num_threads=1))

    each = run  # it goes from tree to tree for each row


class _XGBoost:
    """A booster that reads its own JSON, on one thread."""

    def __init__(self, content: bytes) -> None:
        from xgboost import Booster

        self._booster = Booster({"nthread": 1})
        self._booster.load_model(bytearray(content))
        self.about: dict[str, Any] = json.loads(self._booster.attr(ATTRIBUTE) or "")
        self._linear = json.loads(content)["learner"]["gradient_booster"]["name"] == "gblinear"

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        if self._linear:  # which has no shorter way
            from xgboost import DMatrix

            return np.asarray(self._booster.predict(DMatrix(x)))
        return np.asarray(self._booster.inplace_predict(x))

    each = run  # it goes from tree to tree for each row
