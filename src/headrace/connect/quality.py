"""The quality history of a table in the lake: written with each load, read to compare the next one with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace import clock
from headrace.connect.loads import Ledger, Load
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
    there = _there(lake, name, again) if again else set()
    rows = [row for id, _, figures in loads if id not in there for row in rows_of(id, figures)]
    if rows:
        lake.append(table_of(name), table(rows))


def keep_figures(lake: Lake, name: str, load: str, figures: Figures) -> None:
    """Add the figures of one load that is no file's to the history."""
    lake.append(table_of(name), table(rows_of(load, figures)))


def keep_verdicts(lake: Lake, name: str, verdicts: Sequence[Verdict]) -> None:
    """Add verdicts on a table as it is, which are no load's, to its history."""
    if verdicts:
        now = clock.now_us()
        lake.append(table_of(name), table([{"_load": "", "at": now, **one.as_row()} for one in verdicts]))


def rows_of(load: str, figures: Figures) -> list[dict[str, Any]]:
    """Return the rows of the history that a load's figures become."""
    now = clock.now_us()
    said = [one.as_row() for one in figures.verdicts()] + [one.as_row() for one in figures.profiles.values()]
    return [{"_load": load, "at": now, **one} for one in said]


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows of the history as a table."""
    return pa.Table.from_pylist(list(rows), schema=_SCHEMA)


def _there(lake: Lake, name: str, loads: Sequence[str]) -> set[str]:
    if not lake.exists(table_of(name)):
        return set()
    listed = ", ".join(map(quoted, loads))
    found = lake.sql(f'select distinct _load from "{table_of(name)}" where _load in ({listed})')
    return set(found["_load"].to_pylist())


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
    gone = [past.id for past in Ledger(lake, name).by_id.values() if past.state == "withdrawn" or past.removed]
    listed = ", ".join(quoted(id) for one in gone for id in (one, f"{REFUSED}:{one}")) or "''"
    said = (
        f"select _load, at, value from \"{table_of(name)}\" where rule = 'rows' and _load not in ({listed}) "
        f"order by at desc limit {last}"
    )
    loads = lake.sql(said).to_pylist()[::-1]
    if not loads:
        return (), ()
    newest = quoted(loads[-1]["_load"])
    broken = f"not ok and rule <> 'rows' and _load = {newest}"
    rules = lake.sql(f'select distinct rule from "{table_of(name)}" where {broken} order by 1')
    return tuple(1.0 if one["value"] is None else one["value"] for one in loads), tuple(rules["rule"].to_pylist())


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
    contract = source.contract
    names = [] if contract is None else [contract.role(one) for one in ("known_time", "event_time", "valid_from")]
    column = next((name for name in names if name is not None), None)
    if column is None or not lake.exists(source.name):
        return None
    found = lake.sql(f'select epoch_us(max("{column}")) as newest from "{source.name}"')["newest"][0].as_py()
    return None if found is None else clock.now_us() - int(found)


def _fresh(one: Fresh, age: int | None) -> Verdict:
    ok = age is not None and age <= duration_us(one.within)
    text = "no row at all" if age is None else f"a newest row {duration_text(_rounded(age))} old"
    return Verdict(one.name, one.severity, 0, 0, None if age is None else age / 1e6, ok, text)


def _rounded(us: int) -> int:
    """Return an age in its largest unit of which there are two or more, for people."""
    unit = next((unit for unit in _UNITS if abs(us) >= 2 * unit), _UNITS[-1])
    return us // unit * unit
