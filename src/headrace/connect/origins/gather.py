"""Rows into batches: so many at a time that memory stays bounded, however long a row is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from headrace.connect.origins.cursors import Cursors
from headrace.connect.origins.reader import Batch

_ROWS = 50_000
_LETTERS = 32 << 20


def gathered(rows: Iterable[tuple[str, Any]], cursors: Cursors | None, batch_rows: int) -> Iterator[Batch]:
    """Yield texts of rows in batches, each with the value of its cursor, without those that an earlier run has read.

    Args:
        rows: the text and what the row has as its cursor.
        cursors: None where the origin has no cursor.
        batch_rows: rows of a batch at most.
    """
    most, letters = min(batch_rows, _ROWS), 0
    texts: list[str] = []
    values: list[Any] = []
    for text, given in rows:
        value = None if cursors is None else cursors.value(given)
        if cursors is not None and cursors.is_past(value):
            continue
        texts.append(text)
        values.append(value)
        letters += len(text)
        if len(texts) >= most or letters >= _LETTERS:
            yield _batch(texts, values, cursors)
            texts, values, letters = [], [], 0
    if texts:
        yield _batch(texts, values, cursors)


def _batch(texts: list[str], values: list[Any], cursors: Cursors | None) -> Batch:
    return Batch(pa.array(texts, pa.string()), None if cursors is None else cursors.array(values))
