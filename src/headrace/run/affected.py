"""What changed rows touch in a table by query: the values they have, and what the query gives for these alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pat

from headrace import sql
from headrace.declare import Table
from headrace.declare.rules import Unique
from headrace.errors import Fault, HeadraceError
from headrace.lake.query import Answer, Source, over, streamed
from headrace.plan.increments import Increments, increments
from headrace.run.bounds import VALUE, bounds

if TYPE_CHECKING:
    import duckdb

    from headrace.lake import Lake
    from headrace.lake.changes import Changed

_VALUES = "headrace_values"


@contextmanager
def opened(table: Table, lake: Lake, versions: Mapping[str, int], changes: Mapping[str, Changed]) -> Iterator[Touched]:
    """Give what changes touch in a table by query, within a ``with`` block.

    Args:
        table: with a query.
        lake: with the tables that it reads.
        versions: of these, to be read.
        changes: of those that changed since the table was made.
    """
    held = {name: lake.source_of(name, version) for name, version in versions.items()}
    if lake.exists(table.name):
        held[table.name] = lake.source_of(table.name)
    differ = {
        name: tuple(lake.source_of(name, versions[name], some) for some in (what.added, what.removed))
        for name, what in changes.items()
    }
    sources = [*held.values(), *(one for some in differ.values() for one in some)]
    with sql.connected() as connection:
        connection.execute("create schema changed")
        sql.lock(connection, [path for files, _ in sources if isinstance(files, list) for path in files])
        yield Touched(table, connection, held, differ)


class Touched:
    """The rows of a table by query that changes of the tables that it reads can touch. Made by ``opened``."""

    def __init__(
        self,
        table: Table,
        connection: duckdb.DuckDBPyConnection,
        files: Mapping[str, Source],
        changes: Mapping[str, tuple[Source, ...]],
    ) -> None:
        self._table, self._connection, self._files = table, connection, files
        self.changed = tuple(changes)
        self._query = sql.readable(table.query or "")
        self._grown: set[str] = set()
        reads = {name: schema.names for name, (_, schema) in files.items() if name != table.name}
        with sql.told(reads):
            for name in reads:
                self._view(name)
            self.increments: Increments = increments(table.query or "", reads, connection)
            for name, (added, removed) in changes.items():
                self._differ(name, added, removed)

    def adds(self, found: Increments) -> frozenset[str] | None:
        """Return the tables of which only new rows are to be read, where all changes are of that kind."""
        return found.adds(self.changed) if self._grown >= set(self.changed) else None

    def by(self) -> tuple[str, ...]:
        """Return the columns by which the changes can be followed, of those that the table has as the query gives them.

        A contract may hold values in another type, in which two may be one.
        """
        if self._table.name not in self._files:
            return ()
        held = {one.name.lower(): one.type for one in self._files[self._table.name][1]}
        given = sql.described(self._connection, self._query).to_arrow_table().schema
        made = {one.name.lower(): one.type for one in given}
        return tuple(name for name in self.increments.by(self.changed) if _same(made.get(name), held.get(name)))

    def values(self, columns: tuple[str, ...]) -> pa.Table:
        """Return the values of columns of the table that changed rows have, each once."""
        parts = []
        for number, scan in enumerate(self.increments.scans):
            if scan.table in self.changed:
                made = (self._value(name, number, place) for place, name in enumerate(columns))
                parts.append(f"select distinct {', '.join(made)} from changed.{_name(scan.table)}")
        self._run(f"create or replace temp table {_VALUES} as {' union '.join(parts)}")
        found: pa.Table = self._connection.sql(f"from {_VALUES}").to_arrow_table()
        return found.rename_columns(columns)

    def of_values(self, columns: tuple[str, ...]) -> AbstractContextManager[Answer]:
        """Return what the query gives for the values, from no other rows than those that have them."""
        for name in {one.table for one in self.increments.scans}:
            self._restrict(name, columns)
        self._run(f"create or replace temp view headrace_answer as {self._query}")
        match = _match({place: _name(one) for place, one in enumerate(columns)})
        return streamed(self._connection, f"select * from headrace_answer semi join {_VALUES} on {match}")

    def of_new_rows(self, tables: frozenset[str]) -> AbstractContextManager[Answer]:
        """Return what the query gives for new rows of some tables; the others are read as they are."""
        for name in tables:
            if name in self.changed:
                self._run(f"create or replace view {_name(name)} as select * from changed.{_name(name)}")
            else:
                self._run(f"create or replace view {_name(name)} as {over(self._connection, [], self._files[name][1])}")
        return streamed(self._connection, self._query)

    def named(self, values: pa.Table) -> pa.Table:
        """Return values under the names and in the types that the table itself has for them."""
        schema = {one.name.lower(): one for one in self._files[self._table.name][1]}
        held = pa.schema([schema[name] for name in values.column_names])
        return values.rename_columns(held.names).cast(held)

    def require_unique(self, rows: pa.Table, columns: tuple[str, ...]) -> None:
        """Refuse new rows that share a key, or what else is to be unique, with a row that stays (HR-DATA-109)."""
        contract = self._table.contract
        if contract is None or not rows.num_rows:
            return
        rules = [one.of for one in contract.rules().values() if isinstance(one, Unique)]
        # The rows that stay have other values of these columns, so they differ in all that holds these.
        asked = [one for one in (contract.key_fields(), *rules) if one and not (columns and set(columns) <= set(one))]
        if asked:
            self._view(self._table.name)
            self._connection.register("headrace_rows", rows)
        for one in asked:
            self._require_other(tuple(one), rows.num_rows, columns)

    def _require_other(self, keys: tuple[str, ...], new: int, columns: tuple[str, ...]) -> None:
        match = _match({place: _name(one) for place, one in enumerate(columns)})
        stays = f"anti join {_VALUES} on {match}" if columns else ""
        there = " and ".join(f"{_name(one)} is not null" for one in keys)
        within = f"select {', '.join(map(_name, keys))} from headrace_rows where {there}"
        held = f"select {', '.join(map(_name, keys))} from {_name(self._table.name)} {stays}"
        twice = self._count(f"select count(*) from ({held} intersect {within})")
        if twice:
            found = f"{twice:,} of {new:,} new rows of {self._table.name} have {', '.join(keys)} of another row"
            expected = f"each {', '.join(keys)} once"
            cure = "mend the query, such as by 'where …', or the contract; nothing was written"
            raise HeadraceError(Fault("HR-DATA-109", self._table.place, found, expected, cure))

    def _differ(self, name: str, added: Source, removed: Source) -> None:
        """Make the rows that came and went a table; those in both did not change."""
        schema = self._files[name][1]
        came = over(self._connection, *added)
        if not _some(removed):
            self._grown.add(name)
            self._run(f"create view changed.{_name(name)} as {came}")
            return
        needed = {one for scan in self.increments.scans if scan.table == name for one in scan.columns}
        columns = ", ".join(_name(one) for one in schema.names if one.lower() in needed or not needed)
        went = over(self._connection, *removed)
        came, went = f"select {columns} from ({came})", f"select {columns} from ({went})"
        differ = f"({came} except all {went}) union all ({went} except all {came})"
        self._run(f"create table changed.{_name(name)} as {differ}")

    def _restrict(self, name: str, columns: tuple[str, ...]) -> None:
        """Let the query see no more of a table than the rows that have the values, and skip files that have none."""
        known: dict[str, dict[int, Any]] = {}
        for number, scan in enumerate(self.increments.scans):
            if scan.table == name:
                tracks = ((place, self.increments.columns[one].get(number)) for place, one in enumerate(columns))
                found = {place: track for place, track in tracks if track is not None}
                known[_match(_written(found))] = found
        if not all(known.values()):
            return
        kinds = {one.name.lower(): one.type for one in self._files[name][1]}
        limits = [bounds(self._connection, _VALUES, found, kinds) for found in known.values()]
        rows = over(self._connection, *self._files[name])
        within = " or ".join(f"({one})" for one in limits) if all(limits) else "true"
        rows = f"select * from ({rows}) where {within}"
        # A join by several conditions, one or the other, would compare all rows with all values.
        if len(known) == 1:
            rows = f"select * from ({rows}) semi join {_VALUES} on {next(iter(known))}"
        else:
            rows = f"{rows} and ({' or '.join(map(_among, known.values()))})"
        self._run(f"create or replace view {_name(name)} as {rows}")

    def _value(self, column: str, scan: int, place: int) -> str:
        made = self.increments.columns[column][scan].sql("duckdb")
        return f"({made})::{self.increments.types[column]} as {VALUE}{place}"

    def _view(self, name: str) -> None:
        self._run(f"create or replace view {_name(name)} as {over(self._connection, *self._files[name])}")

    def _run(self, statement: str) -> None:
        with sql.reading(self._query):
            self._connection.execute(statement)

    def _count(self, query: str) -> int:
        with sql.reading(self._query):
            found = self._connection.execute(query).fetchone()
        return int(found[0]) if found else 0


def _same(made: pa.DataType | None, held: pa.DataType | None) -> bool:
    """Whether two values that differ as the query gives them differ in the table, too."""
    if made is None or held is None:
        return False
    alike: tuple[Callable[[pa.DataType], bool], ...] = (pat.is_integer, pat.is_timestamp, pat.is_decimal, _is_text)
    return bool(made == held) or any(kind(made) and kind(held) for kind in alike)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pat.is_string(kind) or pat.is_large_string(kind) or pat.is_string_view(kind))


def _some(source: Source) -> bool:
    files, _ = source
    return bool(files) if isinstance(files, list) else bool(files.files)


def _written(tracks: Mapping[int, Any]) -> dict[int, str]:
    return {place: f"({track.sql('duckdb')})" for place, track in tracks.items()}


def _match(written: Mapping[int, str]) -> str:
    return " and ".join(f"{VALUE}{place} is not distinct from {one}" for place, one in written.items())


def _among(tracks: Mapping[int, Any]) -> str:
    """Return a condition like ``_match`` that looks values up: within a struct, null is equal to null."""
    here, there = (
        ", ".join(f"'{place}': {one}" for place, one in some.items())
        for some in (_written(tracks), {place: f"{VALUE}{place}" for place in tracks})
    )
    return f"{{{here}}} in (select {{{there}}} from {_VALUES})"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
