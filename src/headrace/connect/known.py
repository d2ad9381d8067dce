"""Since when a row that was loaded from history counts as known."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.declare import Contract


def known_at(contract: type[Contract], rows: pa.Table) -> pa.Array | pa.ChunkedArray:
    """History counts as known when it happened, unless a field says when it was; without times it was known always."""
    names = [contract.role(role) for role in ("known_time", "event_time", "valid_from")]
    columns = [rows[name] for name in names if name is not None]
    return pc.coalesce(*columns) if columns else pa.nulls(rows.num_rows, pa.timestamp("us", tz="UTC"))
