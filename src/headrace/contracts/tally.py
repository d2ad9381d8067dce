"""Rows that go nowhere but are held against a contract: how many break each rule, in bounded memory, no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.contracts.across import References, Referred, repetition, uniques_of
from headrace.contracts.problems import Problem
from headrace.contracts.quality import Figures, History
from headrace.contracts.validation import judge, total, unmarked
from headrace.declare import Contract
from headrace.sql import connected

if TYPE_CHECKING:
    import duckdb


@contextmanager
def tally(
    contract: type[Contract],
    referred: Referred | None = None,
    history: History | None = None,
    *,
    unique: bool = True,
) -> Iterator[Tally]:
    """Give a count of the rows that break a contract, for as many batches as there are.

    Args:
        contract: that the rows should keep.
        referred: yields the values of the tables that its rules refer to; without it references are not judged.
        history: of the loads to compare with.
        unique: whether keys and unique columns are among what is counted.

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
    with connected() if unique and uniques_of(contract) else nullcontext() as connection:
        yield Tally(contract, connection, References(contract, referred), Figures(contract, history))


class Tally:
    """How many rows of all batches break each rule of a contract. Made by ``tally``."""

    def __init__(
        self,
        contract: type[Contract],
        connection: duckdb.DuckDBPyConnection | None,
        references: References,
        figures: Figures,
    ) -> None:
        self.rows = self.broken = 0
        """Rows taken; of these, how many break a rule, which of keys is known once all are settled."""
        self.warned: Counter[str] = Counter()
        """Rows that break each rule that only warns; they are none of the broken."""
        self.figures = figures
        self._contract, self._connection, self._references = contract, connection, references
        self._uniques = uniques_of(contract)
        self._counts: list[dict[str, int]] = [{}]

    def take(self, batch: pa.Table) -> pa.Table:
        """Count the rows of a batch; return those that keep every rule, but for their keys, typed."""
        typed, problems = judge(self._contract, batch)
        problems += self._references.problems(typed)
        good = unmarked(problems, batch.num_rows)
        kept = typed if good.all() else typed.filter(pa.array(good))
        self.rows += batch.num_rows
        self.broken += batch.num_rows - kept.num_rows
        self._count({one.rule: len(one.rows) for one in problems if one.rejects})
        self.warned.update({one.rule: len(one.rows) for one in problems if not one.rejects})
        self.figures.take(batch.num_rows, kept, problems)
        if self._connection is not None:
            for number, (names, _) in enumerate(self._uniques):
                self._remember(self._connection, f"keys{number}", kept.select(names))
        return kept

    def settle(self) -> None:
        """Count the rows whose key an earlier one has, once all are taken."""
        if self._connection is None or not self.rows:
            return
        for number, (names, rule) in enumerate(self._uniques):
            held = f"keys{number}"
            query = f"select (select count(*) from {held}) - (select count(*) from (select distinct * from {held}))"
            found = self._connection.execute(query).fetchone()
            if found and found[0]:
                self._repeated(repetition(names, np.empty(0, np.int64), rule), int(found[0]))

    def _repeated(self, problem: Problem, rows: int) -> None:
        self.figures.failed[problem.name] += rows
        if problem.rejects:
            self._count({problem.rule: rows})
            self.broken += rows
            self.figures.accepted -= rows
        else:
            self.warned[problem.rule] += rows

    def _count(self, counts: dict[str, int]) -> None:
        self._counts = [total([*self._counts, counts])]

    def said(self) -> str:
        """Return each broken rule with the number of its rows, the most frequent first."""
        return "; ".join(f"{rule} ({rows:,} rows)" for rule, rows in total(self._counts).items())

    def _remember(self, connection: duckdb.DuckDBPyConnection, held: str, keys: pa.Table) -> None:
        connection.register("batch", keys.drop_null())
        connection.execute(f"create table if not exists {held} as select * from batch limit 0")
        connection.execute(f"insert into {held} select * from batch")
        connection.unregister("batch")
