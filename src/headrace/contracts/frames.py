"""Data frames of pandas, Polars and Arrow as columns of Arrow, each of the type that it has."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

NOT_HELD = (TypeError, ValueError, ArithmeticError, RuntimeError)
"""What PyArrow raises of values that it has no type for: its own errors are of these kinds, and so are Python's."""


def frame_kind(value: object) -> str:
    """Return the library and the class of a value, such as ``pandas.DataFrame``."""
    return f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"


def columns_of(frame: Any) -> list[tuple[str, Any]] | None:
    """Return the columns of a frame with their names, None of what is no frame; an index that has a name is one, too.

    Example:
        >>> [name for name, _ in columns_of(pa.table({"n": [1]}))], columns_of([1])
        (['n'], None)
    """
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return list(zip(frame.schema.names, frame.columns, strict=True))
    match frame_kind(frame):
        case "pandas.DataFrame":
            index = [name for name in frame.index.names if name is not None and name not in frame.columns]
            levels = [(str(name), frame.index.get_level_values(name).to_series()) for name in index]
            return levels + [(str(name), frame.iloc[:, at]) for at, name in enumerate(frame.columns)]
        case "polars.DataFrame":
            return [(one.name, one) for one in frame.get_columns()]
    return None


def held(column: Any) -> pa.ChunkedArray:
    """Return a column as Arrow has it; NaN of pandas is null.

    Raises:
        TypeError, ValueError, ArithmeticError, RuntimeError: values that no column of Arrow holds, see ``NOT_HELD``.
    """
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.to_arrow() if hasattr(column, "to_arrow") else pa.array(column, from_pandas=True)
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
