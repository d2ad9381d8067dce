"""Tests of a table by query: a few rows in, the rows that come out, without a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headrace import sql
from headrace.declare import Project, Stream, Table
from headrace.declare.base import here
from headrace.errors import Fault, HeadraceError, nearest
from headrace.testing.differing import differences
from headrace.testing.given import given_rows
from headrace.testing.rows import Rows, as_table, columns

if TYPE_CHECKING:
    import pyarrow as pa


def check_query(project: Project, name: str, given: Mapping[str, Rows], expect: Rows) -> None:
    r"""Raise where the query of a table does not give the rows that are expected of a few given ones.

    Args:
        project: that declares the table.
        name: of a table by query.
        given: table to its rows, as dicts, as CSV text with a header, or as a table of pandas, Polars or Arrow; a table
            that is not named has none. A value that is not given is null where its contract takes that, else the
            least one that keeps its bounds; keys are numbered. Times are in UTC where they say no zone, lists and
            nested values of CSV are JSON.
        expect: the rows of the result, in any order, with the columns that matter; values are read as those of given.

    Raises:
        AssertionError: rows that are missing, that were not expected, or that differ in a column.
        HeadraceError: HR-TEST-001 no such table by query, 002 a table that the query does not read, 003 an unknown
            column, 004 a value that is none of its column, 005 given rows that break the contract of their table;
            HR-DATA-109 for a result that breaks that of the table; faults of the query, and of those that it needs.

    Example:
        >>> import headrace as hr
        >>> class Sale(hr.Contract):
        ...     sale_id: str = hr.key()
        ...     at: hr.Timestamp = hr.event_time()
        ...     amount: hr.Decimal(9, 2) = hr.field(ge=0)
        >>> sales = hr.Stream("sales", Sale)
        >>> daily = hr.Table("daily", query="select at::date as day, sum(amount) as total from sales group by all")
        >>> project = hr.Project("shop", sources=[sales, daily])
        >>> given = "at,amount\n2026-03-01T10:00Z,2.50\n2026-03-01T23:00Z,1.50\n"
        >>> check_query(project, "daily", {"sales": given}, [{"day": "2026-03-01", "total": "4.00"}])
    """
    __tracebackhide__ = True
    made = query_rows(project, name, given)
    what = f"expect of {name}"
    _known(columns(expect, what), made.schema.names, what)
    wanted = as_table(expect, made.schema, what)
    told = differences(made.select(wanted.schema.names), wanted)
    if told:
        raise AssertionError(f"{name} does not give what is expected:\n{told}")


def query_rows(project: Project, name: str, given: Mapping[str, Rows]) -> pa.Table:
    """Return the rows that the query of a table gives for a few given ones; see ``check_query`` for the arguments.

    Returns:
        A table in the types of the result, its rows in the order in which they come.
    """
    from headrace.lake.query import streamed
    from headrace.plan.queries import behind, prepared, query_faults, reads_of
    from headrace.run.answers import kept

    table = _table(project, name)
    reads = reads_of(table)
    if strange := [one for one in given if one not in reads]:
        raise _strange("HR-TEST-002", f"{name} does not read", strange, reads)
    needed = behind(project, table)
    if faults := [one for one in query_faults(project, (*needed, table.name)) if one.severity == "error"]:
        raise HeadraceError(faults)
    with sql.connected() as connection:
        sql.lock(connection)
        prepared(connection, project, needed)
        for one, rows in given.items():
            schema = connection.sql(f'from "{one}"').to_arrow_table().schema
            _known(columns(rows, one), schema.names, one)
            connection.register("given_rows", given_rows(rows, schema, _source(project, one), one))
            connection.execute(f'insert into "{one}" select * from given_rows')
        with streamed(connection, table.query or "") as answer:
            made: pa.Table = kept(answer, table).read_all()
    return made


def _table(project: Project, name: str) -> Table:
    found = project.tables.get(name)
    if found is not None and found.query is not None:
        return found
    there = [one.name for one in project.tables.values() if one.query is not None]
    cure = nearest(name, there) or f"the project has {', '.join(there) or 'none'}"
    raise HeadraceError(Fault("HR-TEST-001", here(), f"no table by query called {name!r}", "its name", cure))


def _source(project: Project, name: str) -> Stream | Table | None:
    return project.streams.get(name) or project.tables.get(name)


def _known(named: list[str], there: list[str], what: str) -> None:
    if unknown := [one for one in named if one not in there]:
        raise _strange("HR-TEST-003", f"{what} has no column", unknown, there)


def _strange(code: str, what: str, named: Sequence[str], there: Sequence[str]) -> HeadraceError:
    expected = f"one of {', '.join(there)}"
    return HeadraceError(
        Fault(code, here(), f"{what} {one}", expected, nearest(one, there) or "leave it out") for one in named
    )
