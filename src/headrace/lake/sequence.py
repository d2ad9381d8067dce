"""Numbers of rows that are not given twice, also when the row that has the highest is taken out."""

from __future__ import annotations

import deltalake
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.lake.bucket import Place, source
from headrace.lake.log import ordered

SEQUENCE = "sequence"
"""Application id under which a restore or a merge keeps the highest sequence: what is taken out leaves it unused."""


def highest_sequence(path: Place, table: deltalake.DeltaTable) -> int:
    """Return the highest sequence that a row of a table was ever given.

    The last file has the highest of those that are there, since files are in the order of theirs.
    """
    last = [one["path"] for one in ordered(table)][-1:]
    there = [pc.max(pq.ParquetFile(source(path / one)).read(["_seq"])["_seq"]).as_py() for one in last]
    return max(int(table.transaction_version(SEQUENCE) or 0), *(one or 0 for one in there), 0)
