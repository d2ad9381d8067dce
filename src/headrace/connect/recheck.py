"""Rows that are in the lake already, against a contract that has changed: they were accepted under another one."""

from __future__ import annotations

import pyarrow as pa

from headrace.contracts import Referred, tally
from headrace.declare import Contract, Stream, Table
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake


def recheck(stream: Stream | Table, contract: type[Contract], lake: Lake, referred: Referred | None = None) -> None:
    """Read all rows of a table through a contract, in bounded memory; no row is moved or dropped.

    Bounds are what exact totals are computed within, so rows beyond them must not be built upon. A column that the
    table does not have yet is null in all rows.

    Raises:
        HeadraceError: HR-DATA-108 with the number of rows that break each rule.
    """
    fields = contract.fields()
    there = [name for name in fields if name in lake.schema(stream.name).names]
    # A table with its history has a row for each state of a key.
    alone = not (isinstance(stream, Table) and stream.history)
    with tally(contract, referred, unique=alone) as counted:
        for batch in lake.batches(stream.name, columns=there or None):
            counted.take(_whole(batch, contract, there))
        counted.settle()
    if counted.broken:
        found = f"{counted.rows:,} rows of {stream.name} in the lake, of which some break its changed contract"
        cure = "declare it as before, or load into a new stream; no row was moved or dropped"
        raise HeadraceError(Fault("HR-DATA-108", stream.place, f"{found}: {counted.said()}", "rows that keep it", cure))


def _whole(batch: pa.RecordBatch, contract: type[Contract], there: list[str]) -> pa.Table:
    columns = {
        name: batch.column(name) if name in there else pa.nulls(batch.num_rows, field.type.arrow())
        for name, field in contract.fields().items()
    }
    return pa.table(columns)
