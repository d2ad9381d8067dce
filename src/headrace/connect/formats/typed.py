"""Values of Python as columns of Arrow: of their own type where all agree, else as text."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def column(values: Sequence[Any]) -> pa.Array:
    """Return values as a column; of several types, each as the text that a person would write.

    Example:
        >>> column([1, 2.5, None]).type, column([1.0, "n/a", True]).to_pylist()
        (DataType(double), ['1', 'n/a', 'true'])
    """
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if one is None else written(one) for one in values], pa.string())


def written(value: Any) -> str:
    """Return a value as text in the form that files of text have it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)
