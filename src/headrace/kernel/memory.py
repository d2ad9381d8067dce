"""Memory for large arrays, from the allocator that Arrow brings: it keeps what was freed for the next of that size.

Fresh memory from the system is paid for page by page; a build that takes and frees gigabytes can spend a third of its
time on that alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_LARGE = 1 << 20


def empty(shape: int | tuple[int, ...], dtype: Any = np.int64) -> NDArray[Any]:
    """Return an array like ``numpy.empty``; a large one begins with a line of the cache."""
    items = int(np.prod(shape))
    size = items * np.dtype(dtype).itemsize
    if size < _LARGE:
        return np.empty(shape, dtype=dtype)
    return np.frombuffer(pa.allocate_buffer(size), dtype=dtype, count=items).reshape(shape)
