"""Tables by query: what each reads, in which order they are made, and whether each gives what its contract says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from headrace import sql
from headrace.declare import Contract, Project, Table, sources_of
from headrace.declare.kept import Columns, beside, loaded, stated
from headrace.errors import Fault, HeadraceError, closest, nearest
from headrace.plan.increments import NEVER, Increments, declined, increments

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType


_NOT_KEPT = {"interval", "time", "time with time zone", "time_ns", "timestamp_s", "timestamp_ns", "timestamptz_ns"}
_NOT_KEPT |= {"union", "bit", "bignum", "variant", "geometry", "uhugeint"}
"""Types of DuckDB that no table of the lake can have, or that it would give back as something else."""


def reads_of(table: Table) -> tuple[str, ...]:
    """Return the names of the tables that a table by query reads.

    Raises:
        HeadraceError: HR-LAKE-005 and 006 for a query that is no SELECT.
    """
    try:
        return sql.tables(table.query or "")
    except HeadraceError as error:
        raise HeadraceError(placed(fault, table) for fault in error.faults) from None


def placed(fault: Fault, table: Table) -> Fault:
    """Return a fault that a query has, at the place where its table is declared."""
    found = fault.found if table.name in fault.found.split() else f"{table.name}: {fault.found}"
    return replace(fault, place=table.place, found=found)


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Return tables by query, each after those that its query reads.

    Raises:
        HeadraceError: HR-RUN-004 for queries that need each other; HR-LAKE-005 and 006 for what is no SELECT.
    """
    named = {table.name: table for table in tables}
    order, circles = _order({name: reads_of(table) for name, table in named.items()})
    if circles:
        raise HeadraceError(_circle(circle, named) for circle in circles)
    return [named[name] for name in order]


def promised(table: Table) -> Columns | None:
    """Return the columns that a table by query has in the lake, as its contract says; None where it has none."""
    if table.contract is None:
        return None
    columns = stated(table.contract)
    learned = table.contract.role("known_time")
    return columns | ({} if learned is None else {"_known_at": columns[learned]})


def query_faults(project: Project, only: Collection[str] | None = None) -> list[Fault]:
    """Return every fault of a project's tables by query that shows without any data.

    Args:
        project: with all that they read.
        only: names of the tables to look at; all where it is None.
    """
    named = {name: table for name, table in project.tables.items() if isinstance(table.query, str)}
    named = {name: table for name, table in named.items() if only is None or name in only}
    faults: list[Fault] = []
    reads = {}
    for name, table in named.items():
        try:
            reads[name] = reads_of(table)
        except HeadraceError as error:
            faults += error.faults
    order, circles = _order(reads)
    faults += [_circle(circle, named) for circle in circles]
    if order:
        faults += _described([named[name] for name in order], project)
    return faults


def given_columns(project: Project) -> dict[str, dict[str, str]]:
    """Return the columns that each table by query gives, in their order, with their types as DuckDB names them.

    Args:
        project: whose streams and tables they read.

    Raises:
        HeadraceError: a query that DuckDB cannot run over them.
    """
    tables = in_order(table for table in project.tables.values() if table.query is not None)
    found: dict[str, dict[str, str]] = {}
    with sql.connected() as connection:
        sql.lock(connection)
        _made(connection, project)
        for table in tables:
            with sql.told():
                given = sql.described(connection, table.query or "")
                if table.contract is None:
                    given.create(table.name)
            found[table.name] = {name: str(kind) for name, kind in zip(given.columns, given.types, strict=True)}
    return found


def ways(project: Project) -> dict[str, Increments]:
    """Return how each table by query of a sound project is brought up to date, without any data."""
    with sql.connected() as connection:
        sql.lock(connection)
        names = prepared(connection, project)
        return {one.name: _increments(one, connection, names) for one in _by_query(project)}


def prepared(
    connection: duckdb.DuckDBPyConnection, project: Project, only: Collection[str] | None = None
) -> dict[str, list[str] | None]:
    """Make every table of a sound project without rows; return all with the names of their columns.

    Args:
        connection: to make them in.
        project: that declares them.
        only: names of the tables by query without contract to make, whose queries are to be run; all where it is None.
    """
    names = _made(connection, project)
    for table in _by_query(project) if only is None else in_order(project.tables[name] for name in only):
        if table.contract is None:
            given = sql.described(connection, table.query or "")
            given.create(table.name)
            names[table.name] = given.columns
    return names


def behind(project: Project, table: Table) -> tuple[str, ...]:
    """Return the names of the tables by query without contract that one by query needs, for their columns.

    Args:
        project: that declares them.
        table: by query; it is none of them.
    """
    found: dict[str, None] = {}
    waiting = list(reads_of(table))
    while waiting:
        name = waiting.pop()
        other = project.tables.get(name)
        if other is None or other.query is None or other.contract is not None or name in (*found, table.name):
            continue
        found[name] = None
        waiting += reads_of(other)
    return tuple(found)


def _by_query(project: Project) -> list[Table]:
    return in_order(one for one in project.tables.values() if one.query is not None)


def _order(reads: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """Return tables, each after those that it reads, and the circles of those that cannot be ordered."""
    left, circles = dict(reads), list[list[str]]()
    while True:
        try:
            among = {name: [one for one in reads[name] if one in left] for name in left}
            return list(TopologicalSorter(among).static_order()), circles
        except CycleError as error:
            circles.append(error.args[1][:0:-1])
            left = {name: names for name, names in left.items() if name not in error.args[1]}


def _circle(names: list[str], named: Mapping[str, Table]) -> Fault:
    start = names.index(min(names))
    names = names[start:] + names[:start]
    found = f"queries that need each other: {' → '.join((*names, names[0]))}"
    cure = "let one of them read something else"
    return Fault("HR-RUN-004", named[names[0]].place, found, "tables in an order", cure)


def _described(tables: list[Table], project: Project) -> Iterator[Fault]:
    """Let DuckDB say what each query gives, over empty tables."""
    with sql.connected() as connection:
        sql.lock(connection)
        names = _made(connection, project)
        for table in tables:
            unknown = [name for name in reads_of(table) if name not in names]
            yield from (_unknown(name, table, project, names) for name in unknown)
            if not unknown and all(names[name] is not None for name in reads_of(table)):
                try:
                    yield from _told(table, connection, names)
                except HeadraceError as error:
                    yield from (placed(fault, table) for fault in error.faults)


def _told(table: Table, connection: duckdb.DuckDBPyConnection, names: dict[str, list[str] | None]) -> Iterator[Fault]:
    """Yield how a query misses its contract; a table that has none has from now on the columns that its query gives."""
    with sql.told({name: columns or () for name, columns in names.items()}, "the project"):
        given = sql.described(connection, table.query or "")
    known = {name: names[name] or () for name in reads_of(table)}
    yield from (placed(fault, table) for fault in sql.natural_joins(table.query or "", known))
    if table.contract is None:
        yield from _unfit(table, given)
        with suppress(HeadraceError), sql.told():
            given.create(table.name)
            names[table.name] = given.columns
    elif _sound(table.contract):
        yield from _misfits(table, table.contract, given)
    if table.incremental is True:
        found = _increments(table, connection, names)
        yield from () if found.any else (declined(table, found),)


def _increments(
    table: Table, connection: duckdb.DuckDBPyConnection, names: Mapping[str, list[str] | None]
) -> Increments:
    if table.incremental is False:
        return NEVER
    return increments(table.query or "", {name: names[name] or [] for name in reads_of(table)}, connection)


def _made(connection: duckdb.DuckDBPyConnection, project: Project) -> dict[str, list[str] | None]:
    """Make each table whose columns are known; return all tables with the names of their columns."""
    names: dict[str, list[str] | None] = {}
    for name, columns in _known(project).items():
        names[name] = None
        if columns is not None:
            # Names that differ in their case alone are no table of DuckDB, but may be one of the lake.
            with suppress(HeadraceError), sql.told():
                sql.make_empty(connection, name, columns)
                names[name] = list(columns)
    return names


def _known(project: Project) -> dict[str, Columns | None]:
    """Return the columns of each table that a query may name; None where they are not known (yet)."""
    known: dict[str, Columns | None] = dict(beside(project))
    for one in sources_of(project):
        if one.contract is None or not _sound(one.contract):
            known[str(one.name)] = None
        elif isinstance(one, Table) and one.query is not None:
            known[str(one.name)] = promised(one)
        else:
            known[str(one.name)] = loaded(one.contract)
    return known


def _sound(contract: type[Contract]) -> bool:
    return isinstance(contract, type) and issubclass(contract, Contract) and not contract.faults


def _unknown(name: str, table: Table, project: Project, known: Iterable[str]) -> Fault:
    close = closest(name, known)
    there = ", ".join(one.name for one in sources_of(project) if one.name != table.name)
    listed = "declare it, and name it in sources= of hr.Project(…)" + (f"; there is {there}" if there else "")
    found = f"{table.name}: no table {name} in the project"
    cure = listed if close is None else f"did you mean '{close}'?"
    return Fault("HR-LAKE-001", table.place, found, "the name of a stream or table", cure)


def _unfit(table: Table, given: duckdb.DuckDBPyRelation) -> Iterator[Fault]:
    """The columns of a query without contract that no table of the lake can have."""
    count = Counter(name.lower() for name in given.columns)
    yield from (_twice(table, name) for name in count if count[name] > 1)
    for name, kind in zip(given.columns, given.types, strict=True):
        if not _kept(kind):
            found, cure = f"{table.name}: its query gives {name} as {kind}", f"cast {name} in the query"
            yield Fault("HR-LAKE-008", table.place, found, "a type that the lake holds, such as TIMESTAMP", cure)


def _kept(kind: DuckDBPyType, within: str = "") -> bool:
    """Tell whether the lake holds a type and all that is within; no map holds a time without zone there."""
    if kind.id in _NOT_KEPT or (within == "map" and kind.id in ("timestamp", "timestamp_ms")):
        return False
    if kind.id not in ("list", "array", "struct", "map"):
        return True
    within = "map" if within == "map" else kind.id
    return all(_kept(part, within) for _, part in kind.children if not isinstance(part, int | list))


def _misfits(table: Table, contract: type[Contract], given: duckdb.DuckDBPyRelation) -> Iterator[Fault]:
    """The columns of a contract that a query does not give, or in a type whose values can never be the contract's."""
    types = given.to_arrow_table().schema.types
    for name, field in contract.fields().items():
        if name not in given.columns:
            found, expected = f"{table.name}: its query gives no column {name}", f"every column of {contract.name}"
            yield Fault("HR-LAKE-011", table.place, found, expected, nearest(name, dict.fromkeys(given.columns)))
            continue
        if given.columns.count(name) > 1:
            yield _twice(table, name)
        position = given.columns.index(name)
        if not _can_become(types[position], field.type.arrow()):
            found = f"{table.name}: its query gives {name} as {given.types[position]}"
            cure = f"cast {name} in the query, or declare in {contract.name} what the query gives"
            yield Fault("HR-LAKE-008", table.place, found, f"{field.type.bare!r}, as {contract.name} says", cure)


def _twice(table: Table, name: str) -> Fault:
    found = f"{table.name}: its query gives {name} more than once"
    return Fault("HR-LAKE-008", table.place, found, "each column once", f"name all but one {name} otherwise, by 'as'")


def _can_become(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Ask Arrow, which casts the rows of a run: whether there is a way between types, whatever the values."""
    import pyarrow as pa

    try:
        pa.nulls(0, given).cast(wanted)  # an array of a list would load pandas
    except pa.ArrowException:
        return False
    return True
