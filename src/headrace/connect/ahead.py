"""Reading ahead: the next batch of a file is read while the one before it is validated and written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def ahead(batches: Iterator[_T]) -> Iterator[_T]:
    """Yield what an iterator gives, of which one more is held than is worked on; its errors come where they came.

    Example:
        >>> list(ahead(iter([1, 2, 3])))
        [1, 2, 3]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="headrace-ahead") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch
            del batch
