"""The rows that are looked at, where they lie: DuckDB over the lake's files, a built set, or a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet

from headrace.audit.data.origins import Tagged
from headrace.audit.data.profile import ident, kind_of, number_in
from headrace.lake.query import view
from headrace.sql import connected, quoted, reading

if TYPE_CHECKING:
    import duckdb

    from headrace.lake import Lake
    from headrace.learn.trainingset import BuiltSet

SAMPLE, SEED = 200_000, 0
"""Rows, about, from which is told what needs rows side by side; and what they are drawn by."""
CELLS = 20_000_000
"""Values of a sample at most, each of 8 bytes."""
ALL, CASES = "_rows", "_cases"
"""Views of all rows, and of those that have a label."""
_LABEL, _BY = "_label", "_by"


def steady(value: float | None) -> float | None:
    """Return a mean or a deviation by twelve digits: the last ones hang on which thread of a query ends first.

    Example:
        >>> steady(0.1 + 0.2), steady(None)
        (0.3, None)
    """
    return None if value is None else float(f"{value:.12g}")


@dataclass(frozen=True)
class Column:
    """One column of the rows.

    Args:
        name: whole, as people write it, such as ``payments.amount``.
        path: by which the rows call it.
        type: of Arrow.
        about: what is said of it.
        sql: its value.
    """

    name: str
    path: str
    type: pa.DataType
    about: Tagged
    sql: str

    @property
    def kind(self) -> str:
        """``number``, ``time``, ``bool``, ``text``, ``list`` or ``other``."""
        return "bool" if pa.types.is_boolean(self.type) else kind_of(self.type, hidden=False)

    @property
    def number(self) -> str:
        """The SQL of its value as a double: of times microseconds UTC, of lists their length; null of infinity."""
        if self.kind == "list":
            return f"len({self.sql})::double"
        return f"{self.sql}::int::double" if self.kind == "bool" else number_in(self.sql, self.type)

    @property
    def text(self) -> str:
        """The SQL of its value as text."""
        return f"({self.sql})::varchar"


@dataclass(frozen=True)
class Truth:
    """The label that rows have.

    Args:
        name: such as ``fraud_cases.label``.
        says: what it is.
        task: ``binary``, ``multiclass`` or ``regression``: how it is read here.
        rows: that have one.
        mean: of it; of yes or no the rate; None for classes.
        classes: the most frequent ones, of several.
    """

    name: str
    says: str
    task: str
    rows: int
    mean: float | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Rows to be asked about.

    Args:
        connection: with the views ``ALL`` and ``CASES``; the same where all rows have a label.
        columns: by their paths.
        source: what they are, for people.
        count: of them.
        time: SQL of the moment of a row; empty where there is none.
        place: SQL of a number that each row has for itself.
        truth: the label, where there is one.
        by: the column by which they are parted.
    """

    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, Column]
    source: str
    count: int
    time: str = ""
    place: str = ""
    truth: Truth | None = None
    by: Column | None = None
    notes: tuple[str, ...] = field(default=())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of ours."""
        with reading(query):
            return self.connection.execute(query).fetchall()

    def table(self, query: str) -> pa.Table:
        """Return the same as a table of Arrow."""
        with reading(query):
            return self.connection.sql(query).to_arrow_table()

    @property
    def moment(self) -> str:
        """The SQL of a row's time, null where the calendar does not have it."""
        return f"(case when {self.time} >= '0001-01-01' and {self.time} < '9999-12-31' then {self.time} end)"

    def sampled(self, of: str = ALL, columns: int = 1) -> str:
        """Return the SQL of a sample of the rows: the same each time, in the order of the rows.

        Args:
            of: the view.
            columns: that are read of it: of very many, fewer rows are drawn.
        """
        size = min(SAMPLE, CELLS // max(columns, 1))
        count = self.count if of == ALL or self.truth is None else self.truth.rows
        if self.place:
            from_all = f"select *, {self.place} as _place from {of}"
        else:
            from_all = f"select *, row_number() over () as _place from {of}"
        if count <= size:
            return f"select * from ({from_all}) order by _place"
        share = int(size / count * 2**32)
        drawn = f"hash(_place + {SEED}) % {2**32} < {share}"
        return f"select * from ({from_all}) where {drawn} order by _place"


@contextmanager
def lake_rows(
    lake: Lake, name: str, columns: Mapping[str, Tagged], time: str, joined: Joined | None = None
) -> Iterator[Rows]:
    """Give the rows of a stream or table within a ``with`` block.

    Args:
        lake: that has it.
        name: of it.
        columns: paths, with what is said of each.
        time: column of a row's moment; empty where there is none.
        joined: a built set of these rows, which brings the label.
    """
    files, schema = lake.source_of(name)
    with connected() as connection:
        view(connection, "_source", files, schema)
        connection.execute(f"create view {ALL} as select * from _source")
        place = "_seq" if "_seq" in schema.names else ""
        found = {path: _column(f"{name}.{path}", path, schema, about) for path, about in columns.items()}
        source = f"{name}, version {lake.version(name)}"
        rows = Rows(connection, found, source, lake.rows(name), ident(time) if time else "", place)
        if joined is None:
            yield rows
            return
        _set_view(connection, joined.built)
        keys = " and ".join(f"r.{ident(one)} = s.{ident(one)}" for one in joined.on)
        said = f"select r.*, s.label as {_LABEL} from {ALL} r join _set s on {keys}"
        connection.execute(f"create view {CASES} as {said}")
        yield replace(rows, truth=joined.truth(rows))


@dataclass(frozen=True)
class Joined:
    """A built set that is set beside the rows of its spine.

    Args:
        built: the set.
        on: columns that both have, which name a row.
        name: of its label.
        says: what that is.
        task: of the model that learns it; empty where there is none.
    """

    built: BuiltSet
    on: tuple[str, ...]
    name: str
    says: str
    task: str

    def truth(self, rows: Rows) -> Truth | None:
        """Return the label of the rows in ``CASES``."""
        kind = rows.table(f"select {_LABEL} from {CASES} limit 0").schema.field(0).type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if text or self.task == "multiclass":
            found = rows.ask(f"select {_LABEL}::varchar as y, count(*) as n from {CASES} group by y order by n desc, y")
            known = [(name, count) for name, count in found if name is not None]
            count, classes = sum(count for _, count in known), tuple(str(name) for name, _ in known[:4])
            return Truth(self.name, self.says, "multiclass", count, None, classes) if count else None
        y = f"{_LABEL}::double"
        asked = f"select count({y}), avg({y}), bool_and({y} in (0, 1)) from {CASES} where isfinite({y})"
        ((count, mean, yes_or_no),) = rows.ask(asked)
        task = "binary" if yes_or_no and self.task not in ("regression", "quantiles", "ranking") else "regression"
        return Truth(self.name, self.says, task, count, steady(mean)) if count else None


@contextmanager
def set_rows(
    built: BuiltSet, features: Mapping[str, Tagged], joined: Joined | None, beside: Beside | None = None
) -> Iterator[Rows]:
    """Give the rows of a built training set within a ``with`` block: features as of the time of each row.

    Args:
        built: the set.
        features: with what is said of each.
        joined: tells of its label; None where it has none.
        beside: a column of the spine that is set beside them.
    """
    schema = pa.parquet.read_schema(built.files[0]) if built.files else pa.schema([])
    with connected() as connection:
        _set_view(connection, built)
        chosen, by = "s.*", None
        if beside is not None:
            files, spine = beside.lake.source_of(beside.spine, built.manifest["versions"][beside.spine])
            view(connection, "_spine", files, spine)
            by = _column(beside.name, beside.path, spine, beside.about)
            keys = " and ".join(f"s.{ident(one)} = p.{ident(one)}" for one in beside.on)
            said = f"select s.*, {_of('p', by)} as {_BY} from _set s left join _spine p on {keys}"
            connection.execute(f"create view {ALL} as {said}")
            by = replace(by, sql=_BY)
        else:
            connection.execute(f"create view {ALL} as select {chosen} from _set s")
        found = {name: _column(name, name, schema, about) for name, about in features.items()}
        source = f"{built.manifest['name']}, built of {_versions(built.manifest['versions'])}"
        rows = Rows(connection, found, source, built.rows, ident(str(built.manifest["event_time"])), by=by)
        if joined is None:
            yield rows
            return
        connection.execute(f"create view {CASES} as select *, label as {_LABEL} from {ALL}")
        yield replace(rows, truth=joined.truth(rows))


@dataclass(frozen=True)
class Beside:
    """A column of a set's spine, which is set beside its features."""

    lake: Lake
    spine: str
    name: str
    path: str
    about: Tagged
    on: tuple[str, ...]


@contextmanager
def frame_rows(
    table: pa.Table, columns: Mapping[str, Tagged], time: str, source: str, prefix: str = ""
) -> Iterator[Rows]:
    """Give the rows of a table in memory within a ``with`` block."""
    with connected() as connection:
        connection.register("_source", table)
        connection.execute(f"create view {ALL} as select * from _source")
        found = {path: _column(f"{prefix}{path}", path, table.schema, about) for path, about in columns.items()}
        yield Rows(connection, found, source, table.num_rows, ident(time) if time else "")


def _set_view(connection: duckdb.DuckDBPyConnection, built: BuiltSet) -> None:
    listed = ", ".join(quoted(str(path)) for path in built.files)
    connection.execute(f"create view _set as select * from read_parquet([{listed}])")


def _versions(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name} version {version}" for name, version in versions.items())


def _column(name: str, path: str, schema: pa.Schema, about: Tagged) -> Column:
    """A column, or a field within one by its path."""
    if path in schema.names:
        return Column(name, path, schema.field(path).type, about, ident(path))
    first, *within = path.split(".")
    kind, sql = schema.field(first).type, ident(first)
    for step in within:
        kind, sql = kind.field(step).type, f"{sql}.{ident(step)}"
    return Column(name, path, kind, about, f"({sql})")


def _of(alias: str, column: Column) -> str:
    return f"{alias}.{column.sql.strip('()')}"
