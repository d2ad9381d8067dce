"""Rows that are in the lake already, against a contract that has changed: they were accepted under another one."""

from __future__ import annotations

import pyarrow as pa

from headrace.contracts import Referred, tally
from headrace.declare import Contract, Stream, Table
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake


def recheck(stream: Stream | Table, contract: type[Contract], lake: Lake, referred: Referred | None = None) -> None:
    """Read all rows of a table through a contract, in bounded memory; no row is moved or dropped.

    Bounds are what exact totals are computed within, so rows beyond them must not be built upon.

    Raises:
        HeadraceError: HR-DATA-108 with the number of rows that break each rule, HR-LAKE-008 for other columns.
    """
    fields = contract.fields()
    lake.require(stream.name, pa.schema([(name, field.type.arrow()) for name, field in fields.items()]))
    with tally(contract, referred) as counted:
        for batch in lake.batches(stream.name, columns=list(fields)):
            counted.take(pa.Table.from_batches([batch]))
        counted.settle()
    if counted.broken:
        found = f"{counted.rows:,} rows of {stream.name} in the lake, of which some break its changed contract"
        cure = "declare it as before, or load into a new stream; no row was moved or dropped"
        raise HeadraceError(Fault("HR-DATA-108", stream.place, f"{found}: {counted.said()}", "rows that keep it", cure))
