"""Rows that go nowhere but are held against a contract: how many break each rule, in bounded memory, no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.contracts.validation import judge, repetition, total, unmarked
from headrace.declare import Contract
from headrace.sql import connected

if TYPE_CHECKING:
    import duckdb


@contextmanager
def tally(contract: type[Contract]) -> Iterator[Tally]:
    """Give a count of the rows that break a contract, for as many batches as there are.

    Example:
        >>> from headrace.declare import field, key
        >>> class Reading(Contract):
        ...     id: int = key()
        ...     value: float = field(ge=0)
        >>> with tally(Reading) as counted:
        ...     for ids in ([1, 2], [2, 3]):
        ...         _ = counted.take(pa.table({"id": ids, "value": [0.5, ids[1] - 2.5]}))
        ...     counted.rows, counted.broken, counted.said()
        (4, 1, 'HR-DATA-004 value: is below 0 (1 rows)')
    """
    # DuckDB spills what does not fit into memory, as an index of keys that no table holds yet could not.
    with connected() if contract.key_fields() else nullcontext() as connection:
        yield Tally(contract, connection)


class Tally:
    """How many rows of all batches break each rule of a contract. Made by ``tally``."""

    def __init__(self, contract: type[Contract], connection: duckdb.DuckDBPyConnection | None) -> None:
        self.rows = self.broken = 0
        """Rows taken; of these, how many break a rule, which of keys is known once all are settled."""
        self._contract, self._connection = contract, connection
        self._counts: list[dict[str, int]] = [{}]

    def take(self, batch: pa.Table) -> pa.Table:
        """Count the rows of a batch; return those that keep every rule, but for their keys, typed."""
        typed, problems = judge(self._contract, batch)
        good = unmarked(problems, batch.num_rows)
        kept = typed if good.all() else typed.filter(pa.array(good))
        self.rows += batch.num_rows
        self.broken += batch.num_rows - kept.num_rows
        self._counts = [total([*self._counts, {problem.rule: len(problem.rows) for problem in problems}])]
        if self._connection is not None:
            self._remember(self._connection, kept.select(list(self._contract.key_fields())))
        return kept

    def settle(self) -> None:
        """Count the rows whose key an earlier one has, once all are taken."""
        if self._connection is None or not self.rows:
            return
        query = "select (select count(*) from keys) - (select count(*) from (select distinct * from keys))"
        found = self._connection.execute(query).fetchone()
        repeated = int(found[0]) if found else 0
        if repeated:
            rule = repetition(self._contract.key_fields(), np.empty(0, np.int64)).rule
            self._counts.append({rule: repeated})
            self.broken += repeated

    def said(self) -> str:
        """Return each broken rule with the number of its rows, the most frequent first."""
        return "; ".join(f"{rule} ({rows:,} rows)" for rule, rows in total(self._counts).items())

    def _remember(self, connection: duckdb.DuckDBPyConnection, keys: pa.Table) -> None:
        connection.register("batch", keys.drop_null())
        connection.execute("create table if not exists keys as select * from batch limit 0")
        connection.execute("insert into keys select * from batch")
        connection.unregister("batch")
