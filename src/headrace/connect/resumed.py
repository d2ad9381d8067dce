"""What a run that was cut off has left of its loads in the lake, looked up for all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from headrace.lake import Lake

Aside: TypeAlias = tuple[int, list[str]]
"""The position of a row in its file, and the reasons why it is in quarantine."""


def asides(lake: Lake, quarantine: str, loads: Collection[str]) -> dict[str, list[Aside]]:
    """Return the rows in quarantine of each load that has some there, in the order in which they came."""
    found: dict[str, list[Aside]] = {}
    ids = pa.array(loads, pa.string())
    for part in lake.batches(quarantine, columns=["_load", "_row", "reasons"]) if loads else ():
        mine = part.filter(pc.is_in(part["_load"], ids))
        for load, row, reasons in zip(*(column.to_pylist() for column in mine.columns), strict=True):
            found.setdefault(load, []).append((row, reasons))
    return found


def counted(lake: Lake, table: str, loads: Collection[str]) -> Counter[str]:
    """Return how many rows a table has of each load."""
    found: Counter[str] = Counter()
    ids = pa.array(list(loads), pa.string())
    for part in lake.batches(table, columns=["_load"]) if loads else ():
        mine = part["_load"].filter(pc.is_in(part["_load"], ids))
        found.update({one["values"]: one["counts"] for one in mine.value_counts().to_pylist()})
    return found
