"""The quality history of a table in the lake: written with each load, read to compare the next one with."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace import clock
from headrace.connect.loads import Ledger, Load
from headrace.connect.resumed import counted
from headrace.contracts.across import Referred
from headrace.contracts.quality import Figures, History, Verdict, history_of
from headrace.declare import Contract, Distribution, Fresh, Reference, Stream, Table
from headrace.declare.kept import QUALITY
from headrace.declare.rules import MOST_LOADS
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan.rules import referred
from headrace.sql import quoted
from headrace.types import arrow_schema, duration_text, duration_us

_SCHEMA = arrow_schema(QUALITY)
REFUSED = "refused"
_UNITS = (clock.DAY_US, 3_600_000_000, 60_000_000, 1_000_000)


def table_of(name: str) -> str:
    """Return the name of the lake table that holds the quality history of a table."""
    return f"quality_{name}"


def history(lake: Lake, name: str, contract: type[Contract], ledger: Ledger | None = None) -> History:
    """Return what the last loads were like, as far as a contract's rules compare with them.

    Args:
        lake: with the history.
        name: of the table.
        contract: of it.
        ledger: of its files: loads that were withdrawn or taken out are none to compare with. None for a table by
            query, each of whose answers is a load.
    """
    compared = [one for one in contract.rules().values() if isinstance(one, Distribution)]
    finished = [] if ledger is None else [past for past in ledger.by_id.values() if past.finished]
    if not lake.exists(table_of(name)):
        return history_of([past.received for past in finished])
    rows = _answers(lake, name) if ledger is None else [past.received for past in finished]
    if not compared:
        return history_of(rows)
    fields = ", ".join(quoted(one.of) for one in compared)
    profiles = lake.sql(
        f'select _load, field, failed, edges, bins from "{table_of(name)}" '
        f"where rule = 'profile' and field in ({fields}) and edges is not null order by at desc "
        f"limit {max(one.last for one in compared) * len(compared) * 4}"
    ).to_pylist()
    kept = {past.id for past in finished}
    return history_of(rows, [one for one in reversed(profiles) if ledger is None or one["_load"] in kept])


def _answers(lake: Lake, name: str) -> list[int]:
    said = f"select checked from \"{table_of(name)}\" where rule = 'rows' order by at desc limit {MOST_LOADS}"
    return [int(one) for one in lake.sql(said)["checked"].to_pylist()[::-1]]


def keep(lake: Lake, name: str, ended: Sequence[tuple[Load, Figures]], refused: bool = False) -> None:
    """Add the figures of loads that reached their end to the history, in one commit; each load once."""
    loads = [(f"{REFUSED}:{load.id}" if refused else load.id, load, figures) for load, figures in ended]
    again = [id for id, load, _ in loads if load.begun]
    there = _there(lake, name, again) if again else ()
    rows = [row for id, _, figures in loads if id not in there for row in rows_of(id, figures)]
    if rows:
        lake.append(table_of(name), table(rows))


def keep_figures(lake: Lake, name: str, load: str, figures: Figures, of_loads: bool = True) -> None:
    """Add the figures of one load that is no file's to the history.

    Args:
        lake: with the history.
        name: of the table.
        load: what it is called there.
        figures: of it.
        of_loads: whether its volume and distribution are held against those of other loads.
    """
    lake.append(table_of(name), table(rows_of(load, figures, of_loads)))


def keep_verdicts(lake: Lake, name: str, verdicts: Sequence[Verdict]) -> None:
    """Add verdicts on a table as it is, which are no load's, to its history."""
    if verdicts:
        now = clock.now_us()
        lake.append(table_of(name), table([{"_load": "", "at": now, **one.as_row()} for one in verdicts]))


def rows_of(load: str, figures: Figures, of_loads: bool = True) -> list[dict[str, Any]]:
    """Return the rows of the history that a load's figures become."""
    now = clock.now_us()
    said = [one.as_row() for one in figures.verdicts(of_loads)] + [one.as_row() for one in figures.profiles.values()]
    return [{"_load": load, "at": now, **one} for one in said]


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows of the history as a table."""
    return pa.Table.from_pylist(list(rows), schema=_SCHEMA)


def _there(lake: Lake, name: str, loads: Sequence[str]) -> Collection[str]:
    return counted(lake, table_of(name), loads) if lake.exists(table_of(name)) else ()


def looks_up(lake: Lake, tables: Mapping[str, Stream | Table]) -> Referred:
    """Return what yields the values of the tables that rules refer to.

    Args:
        lake: that has them.
        tables: of the project, by name: their contracts say what their keys are.
    """

    def rows(one: Reference) -> Iterator[pa.RecordBatch]:
        names = list(referred(one, tables))
        if not names or not lake.exists(one.table):
            found = f"the rule {one.name} refers to {one.table}, which is not in the lake"
            cure = f"load {one.table} first: 'headrace run' does, where the project names both"
            raise HeadraceError(Fault("HR-QUALITY-013", one.place, found, "a table that is loaded", cure))
        for batch in lake.batches(one.table, columns=names):
            yield batch.select(names)

    return rows


def refused_loads(lake: Lake, name: str) -> set[str]:
    """Return the ids of loads that a rule ever stopped."""
    if not lake.exists(table_of(name)):
        return set()
    found = lake.sql(f"select distinct _load from \"{table_of(name)}\" where starts_with(_load, '{REFUSED}:')")
    return {one.partition(":")[2] for one in found["_load"].to_pylist()}


def quality_now(lake: Lake, name: str, last: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return the share of rows accepted of each of the last loads, the newest last, and the rules that it broke.

    Loads that were withdrawn, such as refused ones whose file was replaced or taken away, and removed ones are none.
    """
    if not lake.exists(table_of(name)):
        return (), ()
    table = f'"{table_of(name)}"'
    gone = [past.id for past in Ledger(lake, name).by_id.values() if past.state == "withdrawn" or past.removed]
    listed = ", ".join(quoted(id) for one in gone for id in (one, f"{REFUSED}:{one}")) or "''"
    counts = f"rule = 'rows' and _load not in ({listed})"
    said = f"select _load, at, value from {table} where {counts} order by at desc limit {last}"
    broken = f"select _load, rule from {table} where not ok and rule <> 'rows'"
    rules = "list(distinct rule order by rule) filter (rule is not null) as broken"
    loads = lake.sql(
        f'select loads._load, "at", value, {rules} from ({said}) loads left join ({broken}) using (_load)'
        ' group by all order by "at"',
        reads=[table_of(name)],
    ).to_pylist()
    if not loads:
        return (), ()
    return tuple(1.0 if one["value"] is None else one["value"] for one in loads), tuple(loads[-1]["broken"] or ())


def freshness(source: Stream | Table, lake: Lake) -> list[Verdict]:
    """Return for each rule of freshness whether the newest row of a table is new enough now."""
    contract = source.contract
    rules = [] if contract is None else [one for one in contract.rules().values() if isinstance(one, Fresh)]
    if not rules or contract is None:
        return []
    age = age_us(source, lake)
    return [_fresh(one, age) for one in rules]


def age_us(source: Stream | Table, lake: Lake) -> int | None:
    """Return how long ago the newest row of a table happened, or became known; None where it has none."""
    return newest(source, lake)[0]


def newest(source: Stream | Table, lake: Lake) -> tuple[int | None, datetime.datetime | None]:
    """Return how long ago the newest row of a table happened, or became known, and the last event time (UTC).

    One question for both: where a contract has a known time, they are of two columns.
    """
    contract = source.contract
    roles = {} if contract is None else {role: contract.role(role) for role in _TIMES if contract.role(role)}
    if not roles or not lake.exists(source.name):
        return None, None
    asked = ", ".join(f'max("{column}") as {role}' for role, column in roles.items())
    (found,) = lake.sql(f'select {asked} from "{source.name}"', reads=[source.name]).to_pylist()
    last = next((found[role] for role in _TIMES if role in roles), None)
    return None if last is None else clock.now_us() - clock.to_us(last), found.get("event_time")


_TIMES = ("known_time", "event_time", "valid_from")
"""Roles of the time that says how new a row is, the first that there is."""


def _fresh(one: Fresh, age: int | None) -> Verdict:
    ok = age is not None and age <= duration_us(one.within)
    text = "no row at all" if age is None else f"a newest row {duration_text(_rounded(age))} old"
    return Verdict(one.name, one.severity, 0, 0, None if age is None else age / 1e6, ok, text)


def _rounded(us: int) -> int:
    """Return an age in its largest unit of which there are two or more, for people."""
    unit = next((unit for unit in _UNITS if abs(us) >= 2 * unit), _UNITS[-1])
    return us // unit * unit
