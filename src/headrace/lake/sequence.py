"""Numbers of rows that are not given twice, also when the row that has the highest is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import deltalake
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.lake.bucket import Place, source
from headrace.lake.log import ordered

SEQUENCE = "sequence"
"""Application id under which a restore or a merge keeps the highest sequence: what is taken out leaves it unused."""


def highest_sequence(path: Place, table: deltalake.DeltaTable) -> int:
    """Return the highest sequence that a row of a table was ever given.

    Any file may have it: a row of a history that ends keeps its number beside those that follow it.
    """
    there = [_highest(path, one) for one in ordered(table)]
    return max(int(table.transaction_version(SEQUENCE) or 0), *there, 0)


def _highest(path: Place, file: Mapping[str, Any]) -> int:
    """Return the highest sequence in a file: from its statistics, or from itself where a writer left none."""
    told = file.get("max._seq")
    if told is None and file["num_records"] != 0:
        told = pc.max(pq.ParquetFile(source(path / file["path"])).read(["_seq"])["_seq"]).as_py()
    return int(told or 0)
