"""Feature values on their way out: as rules see them, as answers and records hold them, as the model takes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column
from headrace.learn import Scorer
from headrace.plan.lower import plain_value
from headrace.types import LogicalType


def held(column: Column, row: int) -> Any:
    """Return one value as the kernel holds it: scaled decimals, microseconds, days; None for null."""
    if column.valid is not None and not column.valid[row]:
        return None
    if column.counts is not None:
        assert column.type.item is not None
        count = int(column.counts[row])
        items = Column(column.type.item, column.values[row, :count], None, column.dictionary)
        return [held(items, i) for i in range(count)]
    value = column.values[row].item()
    return column.dictionary[value].as_py() if column.dictionary is not None else value


def leaving(value: Any, kind: LogicalType) -> Any:
    """Return a held value as it leaves Headrace: decimals as float64; times as microseconds, dates as days."""
    if value is None or kind.name != "list":
        return plain_value(value, kind)
    assert kind.item is not None
    return [plain_value(one, kind.item) for one in value]


def vector(features: Mapping[str, Any], scorer: Scorer) -> npt.NDArray[np.float32]:
    """Return one row of model input: float64 rounded to float32, booleans 0 and 1, NaN for null; shape (1, n).

    Of text the place among those that the model knows.

    The same rounding as ``learn.cases`` does for whole columns; a test holds the two together.

    Raises:
        HeadraceError: HR-REQUEST-009 for a value beyond float32, which no model has learned from.
    """
    wide = scorer.row(features)
    with np.errstate(over="ignore"):
        row = wide.astype(np.float32)
    beyond = np.isinf(row[0])
    if beyond.any():
        found = f"feature {scorer.features[int(np.argmax(beyond))]} beyond float32"
        cure = "mend the value that it is made from, or scale the feature in its declaration"
        raise HeadraceError(Fault("HR-REQUEST-009", "", found, "values like those of the training set", cure))
    return row


def same(first: Any, second: Any) -> bool:
    """Return whether two values are equal to the last bit (0.0 is not -0.0; NaN is NaN)."""
    if isinstance(first, float) and isinstance(second, float):
        return struct.pack("<d", first) == struct.pack("<d", second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return type(first) is type(second) and bool(first == second)
