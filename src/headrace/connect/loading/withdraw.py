"""Withdrawing: a load that was cut off and can never be finished, since its file changed or is gone, is taken back.

Its rows were never counted as received. They leave by a new version of each table; older versions still have them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.loads import Ledger, Past
from headrace.errors import Fault
from headrace.lake import Lake


def withdraw(lake: Lake, stream: str, ledger: Ledger, broken: Sequence[Past], there: set[str]) -> list[Fault]:
    """Take the rows of loads out of the lake again; it can be killed at any point and done again.

    Args:
        lake: with the tables of the stream.
        stream: its name.
        ledger: told when all rows are out.
        broken: the loads.
        there: names of the files that there are now.

    Returns:
        A warning for each load that had rows; one that was refused had none, and nothing is told of it.
    """
    if not broken:
        return []
    counts = [forget(lake, table, broken) for table in (stream, f"quarantine_{stream}") if lake.exists(table)]
    ledger.withdraw(broken)
    rows = {past.id: sum(count.get(past.id, 0) for count in counts) for past in broken}
    return [_told(past, rows[past.id], past.name in there) for past in broken if rows[past.id]]


def forget(lake: Lake, table: str, loads: Sequence[Past]) -> dict[str, int]:
    """Rewrite a table without the rows of some loads, in bounded memory; return how many each had."""
    found: dict[str, int] = {}
    if not loads:
        return found
    ids = pa.array([past.id for past in loads])
    for part in lake.batches(table, columns=["_load"]):
        mine = part["_load"].filter(pc.is_in(part["_load"], ids))
        for one in mine.value_counts().to_pylist():
            found[one["values"]] = found.get(one["values"], 0) + one["counts"]
    if found:
        schema = lake.schema(table)
        kept = (part.filter(pc.invert(pc.is_in(part["_load"], ids))) for part in lake.batches(table))
        lake.overwrite(table, pa.RecordBatchReader.from_batches(schema, kept), message={"withdrawn": sorted(found)})
    return found


def _told(past: Past, rows: int, there: bool) -> Fault:
    what = "changed" if there else "is gone"
    found = f"a file that {what} while its load was cut off; its {rows:,} rows in the lake are withdrawn"
    cure = "none needed: it is loaded as it is now" if there else "put it back, if its rows are wanted"
    return Fault("HR-SOURCE-012", past.name, found, "files that stay as they are", cure, "warning")
