"""Values of Python as columns of Arrow: of their own type where all agree, else as text."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

_NUMBERS = {int, float, decimal.Decimal}
_DIGITS = 1e21
"""From here on a float is written with an exponent."""


def column(values: Sequence[Any]) -> pa.Array:
    """Return values as a column; of several types, each as the text that a person would write.

    Example:
        >>> column([1, 2.5, None]).type, column([1.0, "n/a", True]).to_pylist()
        (DataType(double), ['1', 'n/a', 'true'])
        >>> column([{"n": 1}, {"n": "x"}]).to_pylist()
        ['{"n": 1}', '{"n": "x"}']
    """
    kinds = {type(one) for one in values if one is not None}
    try:
        if len(kinds) < 2 or kinds <= _NUMBERS:  # of others Arrow may make one without a word: of a time a day
            return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    return pa.array([None if one is None else written(one) for one in values], pa.string())


def written(value: Any) -> str:
    """Return a value as text in the form that files of text have it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _DIGITS else repr(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case dict() | list():  # records whose fields are of several types
            return json.dumps(value, default=written, ensure_ascii=False)
    return str(value)
