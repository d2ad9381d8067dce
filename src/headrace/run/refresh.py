"""Tables by query, brought up to date: from the rows that changed where these say what they touch, else anew.

Each commit says which versions of which tables it was made from. From the log of these the next run knows what was
added and taken out since. So the table is after each run what its query gives over all rows, however late some came,
and a run that is killed between two commits finds them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.declare import Fresh, Stream, Table
from headrace.declare.rules import Rule, Unique
from headrace.errors import HeadraceError
from headrace.plan.increments import declined
from headrace.plan.queries import placed, promised, reads_of
from headrace.run.answers import DECLARED, kept
from headrace.run.progress import FAULTS, THIS_RUN
from headrace.types import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.contracts import Referred
    from headrace.lake import Lake
    from headrace.lake.changes import Changed
    from headrace.lake.query import Answer
    from headrace.run.affected import Touched
    from headrace.run.judged import Judged

Inputs = Mapping[str, str]
_MOST = 0.5
"""Of the rows of a table: where more changed, all are read in about the time in which these would be found."""
MIXED = "mixed"
"""What a commit says whose rows are in part made from other versions than those that it names, by a backfill."""
_OTHER_COLUMNS = ("HR-LAKE-008", "HR-LAKE-011")


@dataclass(frozen=True)
class Moment:
    """A table as it is read.

    Args:
        rows: version that brought its rows.
        newest: version that is read: the same rows, perhaps in other files.
        identity: of the table, which another one of its name does not have.
    """

    rows: int
    newest: int
    identity: str

    @property
    def said(self) -> str:
        """The rows as an input of a step: a table that was dropped and made again counts its versions anew."""
        return f"version {self.rows} of {self.identity[:8]}"


@dataclass(frozen=True)
class Refreshed:
    """What was done to a table by query: how, in words, and how many rows were made."""

    how: str
    rows: int


AS_IT_WAS = Refreshed("as it was", 0)
"""Of a table that nothing touched."""


class Anew(Exception):
    """A table has to be made anew; the text says why."""


def brought_up(
    table: Table, lake: Lake, declared: Inputs, sources: Mapping[str, Stream | Table], *, full: bool = False
) -> dict[str, Any]:
    """Bring a table by query up to date, and return the figures of the step that does.

    Args:
        table: to be made.
        lake: with the tables that its query reads.
        declared: the declaration as an input, which changes with its meaning.
        sources: streams and tables of the project, by name.
        full: whether to make it anew though nothing changed.

    Raises:
        HeadraceError: as ``refresh``, at the table's place where it is mended there.
    """
    from headrace.connect import looks_up
    from headrace.run.judged import Judged

    judged = Judged(table, lake)
    try:
        done = refresh(table, lake, declared, judged, looks_up(lake, sources), full=full)
    except HeadraceError as error:
        raise HeadraceError(placed(one, table) if one.code in DECLARED else one for one in error.faults) from None
    version = lake.version(table.name)
    faults = [fault.as_dict() for fault in judged.told(version)]
    this_run = {"rows": done.rows, "how": done.how}
    return {THIS_RUN: this_run, "rows": lake.rows(table.name), "version": version, FAULTS: faults}


def refresh(
    table: Table,
    lake: Lake,
    declared: Inputs,
    judged: Judged | None = None,
    referred: Referred | None = None,
    *,
    full: bool = False,
) -> Refreshed:
    """Bring a table by query up to date.

    Args:
        table: to be made.
        lake: with the tables that its query reads.
        declared: the declaration as an input, which changes with its meaning.
        judged: learns what the rows are like that are made.
        referred: yields the values of the tables that the contract's rules refer to.
        full: whether to make it anew though nothing changed.

    Raises:
        HeadraceError: HR-LAKE for a query that cannot be run, HR-DATA-109 for rows that break its contract,
            HR-TABLE-003 where it is to be incremental and cannot be.
    """
    moments, message = _now(table, lake, declared)
    # The commit names its inputs: after a kill between commit and journal it is found and not repeated.
    before, tables = made_from(lake, table.name), message["tables"]
    if not full and before.get("inputs") == message["inputs"] and before.get("tables", tables) == tables:
        return AS_IT_WAS
    rows = _Rows(table, judged, referred)
    try:
        if full:
            raise Anew("as asked")
        with _anew_where_values_fail():
            return _incremental(table, lake, moments, before, message, rows)
    except Anew as reason:
        return _anew(table, lake, moments, message, str(reason), rows)


def why_anew(table: Table, lake: Lake, declared: Inputs) -> str:
    """Return why a table by query will be made anew by ``refresh``, as far as its log says; nothing where it need not.

    Args:
        table: to be made.
        lake: with the tables that its query reads.
        declared: the declaration as an input, which changes with its meaning.
    """
    try:
        since(table, lake, made_from(lake, table.name), _now(table, lake, declared)[1])
    except Anew as reason:
        return str(reason)
    return ""


def _now(table: Table, lake: Lake, declared: Inputs) -> tuple[dict[str, Moment], dict[str, Any]]:
    """Return the tables that a query reads as they are, and what a commit that is made from them says of them."""
    moments = {name: moment(lake, name) for name in reads_of(table) if lake.exists(name)}
    inputs = {**declared, **inputs_of(reads_of(table), moments)}
    return moments, {"inputs": inputs, "tables": {name: one.identity for name, one in moments.items()}}


@dataclass(frozen=True)
class _Rows:
    """The rows that a query gives, held against the contract of their table."""

    table: Table
    judged: Judged | None
    referred: Referred | None

    def kept(self, answer: Answer) -> pa.RecordBatchReader:
        return kept(answer, self.table, self.judged, self.referred)

    def together(self) -> bool:
        """Whether the contract promises something of all rows together, such as how many there are."""
        rules = () if self.table.contract is None else self.table.contract.rules().values()
        return any(_of_all(one) for one in rules if not isinstance(one, Fresh))


def _of_all(rule: Rule) -> bool:
    return not rule.of_rows or (isinstance(rule, Unique) and rule.severity == "warn")


def inputs_of(reads: Iterable[str], moments: Mapping[str, Moment]) -> dict[str, str]:
    """Return the tables that a query reads as inputs of its step."""
    return {f"rows {name}": moments[name].said if name in moments else "none" for name in reads}


def moment(lake: Lake, name: str) -> Moment:
    """Return a table as it is now, while others may write to it."""
    while True:
        newest = lake.extent(name).version
        rows = lake.version(name)
        if lake.extent(name).version == newest:
            return Moment(rows, newest, lake.identity(name))


def made_from(lake: Lake, name: str) -> Mapping[str, Any]:
    """Return what the commit that brought the rows of a table says of its inputs; nothing where it is not a run's."""
    if not lake.exists(name):
        return {}
    rows = lake.version(name)
    found: Mapping[str, Any] = next(one["message"] for one in lake.history(name) if one["version"] == rows)
    return found if "inputs" in found else {}


def since(table: Table, lake: Lake, before: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, int]:
    """Return the version of each table from which a table by query was made before.

    Raises:
        Anew: where it was made by another query, from other tables, from several versions, or by no run.
    """
    if table.incremental is False:
        raise Anew("it is declared so")
    if not before:
        raise Anew("somebody else wrote to it" if lake.exists(table.name) else "for the first time")
    if before.get(MIXED):
        raise Anew("a backfill made a part of it from newer rows")
    old, now = before.get("inputs", {}), message["inputs"]
    if {key for key in (*old, *now) if not key.startswith("rows ") and old.get(key) != now.get(key)}:
        raise Anew("its declaration changed")
    if before.get("tables") != message["tables"] or old.keys() != now.keys():
        raise Anew("it reads other tables")
    rows = {key.removeprefix("rows "): value for key, value in old.items() if key.startswith("rows ")}
    return {name: int(value.split()[1]) for name, value in rows.items()}


def changes(lake: Lake, moments: Mapping[str, Moment], past: Mapping[str, int]) -> dict[str, Changed]:
    """Return what changed in each table that has not the rows any more that it had.

    Raises:
        Anew: where that cannot be told, or is most of a table.
    """
    found = {}
    for name, now in moments.items():
        if past[name] == now.rows:
            continue
        what = lake.changed(name, past[name], now.newest)
        if what is None:
            raise Anew(f"the past of {name} was cleared away")
        if lake.schema(name, past[name]) != lake.schema(name, now.newest):
            raise Anew(f"the columns of {name} changed")
        if _touched(lake, name, past[name], what) > _MOST * lake.rows(name, now.newest):
            raise Anew(f"most rows of {name} changed")
        found[name] = what
    return found


def _touched(lake: Lake, name: str, past: int, what: Changed) -> int:
    """Return how many rows changed, as the commits say: one that merges writes whole files for a few rows."""
    commits = [one for one in lake.history(name) if one["version"] > past]
    if any(one["operation"] not in ("append", "compact", "merge", "replace") for one in commits):
        return what.rows
    gone = sum(one["message"].get("deleted", 0) for one in commits if one["operation"] in ("merge", "replace"))
    return int(sum(one["rows"] for one in commits if one["operation"] != "compact") + gone)


def _incremental(
    table: Table,
    lake: Lake,
    moments: Mapping[str, Moment],
    before: Mapping[str, Any],
    message: Mapping[str, Any],
    made: _Rows,
) -> Refreshed:
    from headrace.run.affected import opened

    past = since(table, lake, before, message)
    if made.together():
        raise Anew("its contract promises something of all rows together")
    what = changes(lake, moments, past)
    with opened(table, lake, {name: one.newest for name, one in moments.items()}, what) as touched:
        found = touched.increments
        if not found.any and table.incremental:
            raise HeadraceError(declined(table, found))
        if not found.any:
            raise Anew(found.reasons[0][0] if found.reasons else "no column of it says which rows changed")
        added = touched.adds(found)
        if added is not None:
            return _added(table, lake, touched, added, message, made)
        return _replaced(table, lake, touched, message, made)


def _added(
    table: Table, lake: Lake, touched: Touched, tables: frozenset[str], message: Mapping[str, Any], made: _Rows
) -> Refreshed:
    """Put what comes of new rows behind what came of those before."""
    with touched.of_new_rows(tables) as answer:
        rows = made.kept(answer).read_all()
    touched.require_unique(rows, ())
    with _same_columns():
        lake.append(table.name, rows, message=message)
    return Refreshed(f"{rows.num_rows:,} row{'' if rows.num_rows == 1 else 's'} added", rows.num_rows)


def _replaced(table: Table, lake: Lake, touched: Touched, message: Mapping[str, Any], made: _Rows) -> Refreshed:
    """Put the rows of all values that changed rows have in the place of those that are there."""
    columns = touched.by()
    if not columns:
        raise Anew(f"a change of {' or '.join(touched.changed)} can touch any row")
    values = touched.values(columns)
    said = f"{values.num_rows:,} value{'' if values.num_rows == 1 else 's'} of {', '.join(columns)}"
    if not values.num_rows:
        return AS_IT_WAS
    with touched.of_values(columns) as answer:
        rows = made.kept(answer).read_all()
    touched.require_unique(rows, columns)
    with _same_columns():
        lake.replace(table.name, rows, touched.named(values), message=message)
    return Refreshed(f"for {said}", rows.num_rows)


@contextmanager
def _anew_where_values_fail() -> Iterator[None]:
    """Make a table anew where an expression fails on rows that its query passes over: only that one may see them."""
    try:
        yield
    except HeadraceError as error:
        if all(one.code == "HR-LAKE-006" for one in error.faults):
            raise Anew("what changed rows touch cannot be computed for each of them") from error
        raise


@contextmanager
def _same_columns() -> Iterator[None]:
    """Make a table anew whose query gives other columns than before, such as after another release of DuckDB."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowInvalid as error:  # a value of rows that the query passes over, which the table has no room for
        raise Anew("what changed rows touch does not fit its columns") from error
    except HeadraceError as error:
        if all(one.code in _OTHER_COLUMNS for one in error.faults):
            raise Anew("its query gives other columns than before") from error
        raise


def _anew(
    table: Table, lake: Lake, moments: Mapping[str, Moment], message: Mapping[str, Any], reason: str, made: _Rows
) -> Refreshed:
    columns = promised(table)
    schema = None if columns is None else arrow_schema(columns)
    versions = {name: one.newest for name, one in moments.items()}
    with lake.answered(table.query or "", versions) as answer:
        lake.overwrite(table.name, made.kept(answer), schema=schema, message=message)
    return Refreshed(f"in full: {reason}", lake.rows(table.name))
