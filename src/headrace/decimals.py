"""Decimals as floats: each the nearest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT_DIGITS = 15
"""Whole numbers of as many digits, and powers of ten up to 22, are floats: their quotient is rounded once."""


def as_floats(column: pa.Array | pa.ChunkedArray) -> Any:
    """Return decimals as float64, as ``float(Decimal)`` and DuckDB round them.

    Arrow's own cast multiplies by a power of ten that is no float, and so is wrong in the last digit at times.

    Example:
        >>> import decimal, pyarrow as pa
        >>> as_floats(pa.array([decimal.Decimal("2.01")])).to_pylist()
        [2.01]
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pat

    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([as_floats(part) for part in column.chunks], pa.float64())
    kind = column.type
    if not pat.is_decimal128(kind) or kind.precision > _EXACT_DIGITS or not 0 <= kind.scale <= _EXACT_DIGITS:
        return column.cast(pa.string()).cast(pa.float64())
    whole = pa.Array.from_buffers(pa.decimal128(kind.precision, 0), len(column), column.buffers(), offset=column.offset)
    return pc.divide(whole.cast(pa.float64()), float(10**kind.scale))
