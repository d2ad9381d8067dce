"""Rows that are wrong, planted among payments as text, so that a quarantine has something to hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.simulate.columns import Ints

TWICE = "payment twice"
SPOILS: dict[str, tuple[str, Callable[[str], str]]] = {
    "negative amount": ("amount", lambda value: f"-{value}"),
    "amount with letters": ("amount", lambda value: value.replace(".", "o")),
    "no customer": ("customer_id", lambda _: ""),
    "impossible date": ("at", lambda value: f"{value[:4]}-02-30{value[10:]}"),
}
"""Kind of fault to the column that it is in, and what becomes of the value."""
FAULTS = (*SPOILS, TWICE)
"""All kinds of faults: ``payment twice`` is the same row once more, at the end of its file."""


def draw(first: int, end: int, count: int, random: np.random.Generator) -> dict[str, Ints]:
    """Return for each kind of fault its rows, from ``first`` to before ``end``: ``count`` in all, no row twice."""
    chosen = first + random.choice(end - first, min(count, end - first), replace=False)
    return {fault: np.sort(chosen[number :: len(FAULTS)]) for number, fault in enumerate(FAULTS)}


def spoil(texts: pa.Table, chosen: dict[str, Ints]) -> pa.Table:
    """Return a table of strings with the faults in the chosen rows, if any."""
    if not any(len(rows) for rows in chosen.values()):
        return texts
    again = texts.take(pa.array(chosen[TWICE]))
    for fault, (column, becomes) in SPOILS.items():
        texts = _replaced(texts, column, chosen[fault], becomes)
    return pa.concat_tables([texts, again])


def _replaced(texts: pa.Table, column: str, rows: Ints, becomes: Callable[[str], str]) -> pa.Table:
    old = texts[column].combine_chunks()
    mask = np.zeros(len(old), dtype=np.bool_)
    mask[rows] = True
    new = pa.array([becomes(value) for value in old.take(pa.array(rows)).to_pylist()], type=pa.string())
    place = texts.column_names.index(column)
    return texts.set_column(place, column, pc.replace_with_mask(old, pa.array(mask), new))
