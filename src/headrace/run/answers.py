"""The rows that a query gives, on their way into a table: each keeps the contract of the table, or none is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.decimals import as_floats
from headrace.declare import Contract, Field, Table
from headrace.errors import Fault, HeadraceError
from headrace.plan.queries import promised
from headrace.types import FLOAT, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.contracts import Referred, Tally
    from headrace.lake.query import Answer
    from headrace.run.judged import Judged

DECLARED = ("HR-LAKE-001", "HR-LAKE-005", "HR-LAKE-006", "HR-LAKE-008", "HR-LAKE-011")
"""Faults of a step that are mended where its table is declared."""


def kept(
    answer: Answer, table: Table, judged: Judged | None = None, referred: Referred | None = None
) -> pa.RecordBatchReader:
    """Return the rows of an answer, in the types of the contract that its table has; as they are where it has none.

    Where the contract says when each row became known, the lake knows it, too.

    Args:
        answer: of the query.
        table: that it makes.
        judged: told what all rows were like, before they are committed.
        referred: yields the values of the tables that the contract's rules refer to.

    Raises:
        HeadraceError: HR-DATA-109, behind the last row, when some break a rule: these keep the table from its commit.
    """
    import pyarrow as pa

    columns = promised(table)
    if table.contract is None or columns is None:
        return pa.RecordBatchReader.from_batches(answer.schema, answer.batches)
    # What the query does not give at all, the lake tells from the schema, before any row.
    missing = table.contract.fields().keys() - set(answer.schema.names)
    schema = arrow_schema({name: kind for name, kind in columns.items() if name not in missing})
    return pa.RecordBatchReader.from_batches(schema, _held(answer, table, table.contract, judged, referred))


def _held(
    answer: Answer, table: Table, contract: type[Contract], judged: Judged | None, referred: Referred | None
) -> Iterator[pa.RecordBatch]:
    from headrace.contracts import tally

    learned = contract.role("known_time")
    with tally(contract, referred, None if judged is None else judged.history()) as counted:
        for batch in answer.batches:
            rows = counted.take(_given(contract, batch))
            if not counted.broken:
                rows = rows if learned is None else rows.append_column("_known_at", rows[learned])
                yield from rows.to_batches()
        counted.settle()
    if counted.broken:
        if judged is not None:
            judged.refuses(counted)
        raise HeadraceError(_fault(table, contract, counted))
    if judged is not None:
        judged.ends(counted)


def _given(contract: type[Contract], batch: pa.RecordBatch) -> pa.Table:
    """Return the columns of a contract as its rules read them."""
    import pyarrow as pa

    return pa.table({name: _readable(field, batch.column(name)) for name, field in contract.fields().items()})


def _readable(field: Field, column: pa.Array) -> pa.Array:
    """Return a column as it is, or cast where files have no such type: a query may give Decimal for float.

    A query computes in UTC, so its times without zone are in UTC, whatever those of files are.
    """
    import pyarrow.types as pat

    from headrace.contracts import readable

    naive = pat.is_timestamp(column.type) and column.type.tz is None
    if pat.is_decimal(column.type) and field.type.bare == FLOAT:
        return as_floats(column)
    return column if readable(field, column.type) and not naive else column.cast(field.type.arrow())


def _fault(table: Table, contract: type[Contract], counted: Tally) -> Fault:
    found = f"{counted.broken:,} of {counted.rows:,} rows of {table.name} break its contract: {counted.said()}"
    cure = "mend the query, such as by 'where …', or the contract; nothing was written"
    return Fault("HR-DATA-109", table.place, found, f"rows that keep {contract.name}", cure)
