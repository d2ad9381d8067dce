"""Arrays as text within JSON: their kind, shape and bytes, which any program can read and none executes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_KINDS = ("<f8", "<f4", "<i4", "|b1")


def packed(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Return an array as values that JSON holds.

    Example:
        >>> packed(np.array([1.0, 2.0]))["shape"]
        [2]
    """
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {"kind": little.dtype.str, "shape": list(array.shape), "bytes": base64.b64encode(little.tobytes()).decode()}


def unpacked(raw: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return the array of ``packed``.

    Raises:
        ValueError: for another kind of number, or other bytes than the shape asks for.

    Example:
        >>> unpacked(packed(np.array([[1.0, 2.0]]))).tolist()
        [[1.0, 2.0]]
    """
    if raw["kind"] not in _KINDS:
        raise ValueError(f"numbers of the kind {raw['kind']!r}")
    held = np.frombuffer(base64.b64decode(raw["bytes"]), raw["kind"])
    return held.reshape(raw["shape"]).copy()
