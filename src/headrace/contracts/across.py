"""Rules that other rows decide: keys and unique columns across batches and loads, and references to other tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.contracts.keys import KeyIndex, complete, local_database, repeated
from headrace.contracts.problems import KEY, REFERENCE, UNIQUE, Problem, Rows
from headrace.declare import Contract, Reference, Rule, Unique
from headrace.declare.rules import REJECT, STOP, WARN

if TYPE_CHECKING:
    import duckdb

Stored = Callable[[list[str]], Iterable[pa.Table | pa.RecordBatch]]
"""Yields some columns of the rows that a table holds."""
Referred = Callable[[Reference], Iterable[pa.Table | pa.RecordBatch]]
"""Yields the rows of another table, with the columns in which a reference is looked up, in its order."""


class Across:
    """Keys, unique columns and references of one contract, for as many batches as there are.

    Args:
        contract: with the rules.
        stored: of the rows that were accepted before.
        referred: of the tables that are referred to; references are not judged without it.
        key: index of the keys, where there is one already.

    Example:
        >>> from headrace.declare import key, unique
        >>> class Sale(Contract):
        ...     id: int = key()
        ...     receipt: str
        ...     one_receipt = unique("receipt")
        >>> rows = pa.table({"id": [1, 1, 2], "receipt": ["a", "b", "a"]})
        >>> [(one.name, one.rows.tolist()) for one in Across(Sale).problems(rows, np.ones(3, np.bool_))]
        [('key', [1]), ('one_receipt', [2])]
    """

    def __init__(
        self,
        contract: type[Contract],
        stored: Stored = lambda _: (),
        referred: Referred | None = None,
        key: KeyIndex | None = None,
    ) -> None:
        self._uniques = uniques_of(contract)
        self._indexes = [KeyIndex(names, _reading(stored, names)) for names, _ in self._uniques]
        if key is not None and contract.key_fields():
            self._indexes[0] = key
        self._key_severity = key_severity(contract)
        self._references = References(contract, referred)

    def problems(self, typed: pa.Table, good: npt.NDArray[np.bool_]) -> list[Problem]:
        """Return what other rows say of those of a batch, and remember the rows that are accepted.

        Args:
            typed: rows in the contract's types.
            good: whether nothing else keeps a row out.
        """
        found = self._references.problems(typed)
        good = good.copy()
        for problem in found:
            if problem.rejects:
                good[problem.rows] = False
        if not self._indexes:
            return found
        rejects = [one is None or one.severity != WARN for _, one in self._uniques]
        columns = [typed.select(names) for names, _ in self._uniques]
        for (names, one), rows in zip(self._uniques, repeated(self._indexes, columns, good, rejects), strict=True):
            if len(rows):
                found.append(repetition(names, rows, one, self._key_severity))
        return found

    def settle(self) -> None:
        """Say that the rows remembered so far are stored by now, or never will be."""
        for index in self._indexes:
            index.settle()


def uniques_of(contract: type[Contract]) -> list[tuple[list[str], Unique | None]]:
    """Return the columns whose values together no two rows may share, each with its rule, None for the key."""
    key = [(list(contract.key_fields()), None)] if contract.key_fields() else []
    rules = [one for one in contract.rules().values() if isinstance(one, Unique)]
    return [*key, *((list(one.of), one) for one in rules)]


def key_severity(contract: type[Contract]) -> str:
    """Return what becomes of a row whose key is there already: its load is refused where a key field says so."""
    fields = contract.fields()
    return STOP if any(fields[name].severity == STOP for name in contract.key_fields()) else REJECT


def repetition(names: Sequence[str], rows: Rows, rule: Rule | None = None, severity: str = REJECT) -> Problem:
    """Return the problem of rows whose key, or other unique columns, an earlier row has."""
    if rule is None:
        text = "is the key of an earlier row" if len(names) == 1 else "are the key of an earlier row"
        return Problem(KEY, ", ".join(names), text, rows, True, "key", severity)
    text = "is that of an earlier row" if len(names) == 1 else "are those of an earlier row"
    return Problem(UNIQUE, ", ".join(names), text, rows, True, rule.name, rule.severity)


def absence(rule: Reference, rows: Rows) -> Problem:
    """Return the problem of rows whose values another table does not have."""
    text = f"is not in {rule.to}" if len(rule.of) == 1 else f"are not in {rule.to}"
    return Problem(REFERENCE, ", ".join(rule.of), text, rows, True, rule.name, rule.severity)


def possible(contract: type[Contract]) -> list[Problem]:
    """Return each problem that other rows can make of a row, here of none."""
    none = np.empty(0, np.int64)
    references = [one for one in contract.rules().values() if isinstance(one, Reference)]
    repeated = [repetition(names, none, rule) for names, rule in uniques_of(contract)]
    return [*repeated, *(absence(one, none) for one in references)]


def _reading(stored: Stored, names: list[str]) -> Callable[[], Iterable[pa.Table | pa.RecordBatch]]:
    return lambda: stored(names)


class References:
    """The references of a contract; none are judged where nobody says what the other tables hold."""

    def __init__(self, contract: type[Contract], referred: Referred | None) -> None:
        rules = [one for one in contract.rules().values() if isinstance(one, Reference)]
        self._lookups = [] if referred is None else [(one, _Lookup(one, referred)) for one in rules]

    def problems(self, typed: pa.Table) -> list[Problem]:
        """Return the references of rows, in the contract's types, that lead nowhere."""
        found = []
        for one, lookup in self._lookups:
            rows = lookup.missing(typed.select(list(one.of)))
            if len(rows):
                found.append(absence(one, rows))
        return found


class _Lookup:
    """The distinct values of another table, read when the first row asks; DuckDB holds them."""

    def __init__(self, one: Reference, referred: Referred) -> None:
        self._names = [f"c{place}" for place in range(len(one.of))]
        self._rows = partial(referred, one)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def missing(self, keys: pa.Table) -> Rows:
        if self._connection is None:
            self._connection = self._filled(keys.schema.types)
        asked = keys.rename_columns(self._names)
        asked = asked.append_column("#place", pa.array(np.arange(keys.num_rows))).filter(pa.array(complete(keys)))
        self._connection.register("asked", asked)
        query = f'select "#place" as place from asked anti join held using ({", ".join(self._names)})'
        found = self._connection.execute(query).fetchnumpy()["place"]
        self._connection.unregister("asked")
        return np.sort(np.asarray(found, np.int64))

    def _filled(self, types: list[pa.DataType]) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection = local_database().cursor()
        empty = pa.schema(list(zip(self._names, types, strict=True))).empty_table()
        connection.register("part", empty)
        connection.execute("create temp table held as select * from part")
        for part in self._rows():
            connection.register("part", pa.table(part).rename_columns(self._names))
            connection.execute("insert into held select distinct * from part")
        connection.unregister("part")
        return connection
