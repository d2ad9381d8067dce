"""``quarantine``: what was refused and why, what a repair would do with it, and the repair itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.declare import Stream, Table, node_id, sources_of
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError, nearest
from headrace.run.attaching import refreshed
from headrace.run.declared import upstream
from headrace.run.lock import one_at_a_time
from headrace.run.project import LoadedProject
from headrace.run.sheets import html_of

if TYPE_CHECKING:
    from headrace.connect.repair.received import Received
    from headrace.connect.repair.replay import Trial
    from headrace.contracts import Referred


@dataclass(frozen=True)
class Refused:
    """Rows of one table that were refused for one reason.

    Args:
        table: stream or table.
        owner: who answers for it.
        rule: what they break, such as ``HR-DATA-004 amount``.
        rows: how many; a row counts for each of its reasons.
        first: an example: the file, and the row in it.
    """

    table: str
    owner: str
    rule: str
    rows: int
    first: str


@dataclass(frozen=True)
class Repair:
    """What becomes, or would become, of rows in quarantine.

    Args:
        table: stream or table.
        done: whether it was done; else it is only what would be.
        rows: that it is about.
        accepted: of these, those that keep the contract.
        first, last: of their event times, ISO 8601, UTC; None where there are none.
        staying: reason to the number of rows that stay for it.
        downstream: nodes that are made from the table, which the next run makes again.
    """

    table: str
    done: bool
    rows: int
    accepted: int
    first: str | None
    last: str | None
    staying: Mapping[str, int]
    downstream: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        return {**vars(self), "downstream": list(self.downstream)}

    def __repr__(self) -> str:
        verb = "accepted" if self.done else "would be accepted"
        lines = [f"{self.table}: {self.accepted:,} of {self.rows:,} rows {verb}"]
        lines += [f"  {rows:,} stay: {reason}" for reason, rows in self.staying.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = tuple((reason, f"{number:,}") for reason, number in self.staying.items())
        return html_of(Sheet(repr(self).split("\n")[0], "", ("stays because", "rows"), rows))


def refused(loaded: LoadedProject) -> list[Refused]:
    """Return what is in quarantine, table by table and rule by rule, the most frequent first."""
    from headrace.connect.repair.replay import held_rows

    lake, found = loaded.lake(), list[Refused]()
    for source in sources_of(loaded.project):
        counts, first = Counter[str](), dict[str, str]()
        for row in held_rows(lake, source.name):
            for rule in dict.fromkeys(rule_of(reason) for reason in row.reasons):
                counts[rule] += 1
                first.setdefault(rule, f"{row.source}:{row.row}")
        found += [Refused(source.name, source.owner, rule, rows, first[rule]) for rule, rows in counts.most_common()]
    return found


def rows_of(loaded: LoadedProject, table: str, where: str | None = None, reason: str | None = None) -> list[Received]:
    """Return rows in quarantine of a stream or table.

    Args:
        loaded: the project.
        table: its name.
        where: condition of SQL over their values as texts, and ``reasons``, ``_source``, ``_row``.
        reason: a code or a text that one of the reasons holds.

    Raises:
        HeadraceError: HR-QUARANTINE-001 no such stream or table, HR-LAKE-006 what DuckDB says of the condition.
    """
    from headrace.connect.repair.received import matching
    from headrace.connect.repair.replay import held_rows

    source = _source(loaded, table)
    rows = held_rows(loaded.lake(), table)
    if reason is not None:
        rows = [row for row in rows if any(reason.lower() in one.lower() for one in row.reasons)]
    return rows if where is None or source.contract is None else matching(rows, source.contract, where)


def repaired(
    loaded: LoadedProject,
    table: str,
    rows: Sequence[Received],
    sets: Mapping[str, str] | Sequence[Mapping[str, str | None]],
) -> list[Received]:
    """Return rows with other values: by an expression for each of some fields, or as an edited file has them.

    Args:
        loaded: the project.
        table: stream or table.
        rows: of its quarantine.
        sets: field to expression of SQL; or rows of a file with ``_id`` and fields, of which those that are not there
            stay as they are.

    Raises:
        HeadraceError: HR-QUARANTINE-002 no such field, 004 no such row, HR-LAKE-006 what DuckDB says.
    """
    from headrace.connect.repair.received import set_by

    contract = _source(loaded, table).contract
    assert contract is not None
    if isinstance(sets, Mapping):
        return set_by(rows, contract, sets)
    known = {row.id: row for row in rows}
    _require_each_once(table, [one.get("_id") for one in sets], known)
    fields = [*contract.fields(), "_id", *dict.fromkeys(name for row in rows for name in row.texts())]
    if strange := [name for name in dict.fromkeys(name for one in sets for name in one) if name not in fields]:
        raise HeadraceError(
            Fault("HR-QUARANTINE-002", "", f"no field {one} in {contract.name}", "a field", nearest(one, fields))
            for one in strange
        )
    return [known[str(one["_id"])].repaired(one, contract) for one in sets]


def _require_each_once(table: str, asked: Sequence[str | None], known: Collection[str]) -> None:
    unknown = [one for one in asked if one not in known]
    twice = [one for one, times in Counter(asked).items() if times > 1]
    if not unknown and not twice:
        return
    if unknown:
        found = f"{len(unknown)} rows whose _id is not in quarantine of {table}, the first {unknown[0]!r}"
    else:
        found = f"{len(twice)} rows of {table} that are there more than once, the first {twice[0]!r}"
    cure = f"take the _id of 'headrace quarantine show {table} --out FILE', each once"
    raise HeadraceError(Fault("HR-QUARANTINE-004", "", found, "rows that are in quarantine", cure))


def tried(loaded: LoadedProject, table: str, rows: Sequence[Received]) -> Repair:
    """Return what would become of rows, as they are or repaired; nothing is written."""
    from headrace.connect.repair.replay import try_rows

    source = _source(loaded, table)
    return _told(loaded, source, rows, try_rows(loaded.lake(), source, rows, _referred(loaded)), done=False)


def replayed(loaded: LoadedProject, table: str, rows: Sequence[Received]) -> Repair:
    """Accept rows, as they are or repaired, that keep the contract; the others stay in quarantine as they were.

    Raises:
        HeadraceError: HR-QUARANTINE-003 a table that its source replaces; HR-RUN-001 when a run is going on.
    """
    from headrace.connect.repair.replay import replay
    from headrace.run.steps import live_events

    source, lake = _source(loaded, table), loaded.lake()
    with one_at_a_time(loaded.state_dir), lake.lock(table):
        live_events(loaded, source)
        trial = replay(lake, source, rows, _referred(loaded))
        refreshed(loaded)
    return _told(loaded, source, rows, trial, done=True)


def rule_of(reason: str) -> str:
    """Return the code and the field of a reason.

    Example:
        >>> rule_of("HR-DATA-004 amount: -3 is below 0")
        'HR-DATA-004 amount'
    """
    return reason.partition(":")[0]


def _told(
    loaded: LoadedProject, source: Stream | Table, rows: Sequence[Received], trial: Trial, *, done: bool
) -> Repair:
    import pyarrow.compute as pc

    staying = Counter(rule_of(reason) for _, reasons in trial.staying for reason in dict.fromkeys(reasons))
    contract = source.contract
    time = contract and (contract.role("event_time") or contract.role("valid_from"))
    first = last = None
    if time and trial.accepted.num_rows:
        ends = pc.min_max(trial.accepted[time]).as_py()
        first, last = (None if one is None else one.isoformat() for one in (ends["min"], ends["max"]))
    numbers = len(rows), len(trial.passing)
    return Repair(source.name, done, *numbers, first, last, dict(staying.most_common()), _downstream(loaded, source))


def _referred(loaded: LoadedProject) -> Referred:
    from headrace.connect import looks_up

    return looks_up(loaded.lake(), {one.name: one for one in sources_of(loaded.project)})


def _downstream(loaded: LoadedProject, source: Stream | Table) -> tuple[str, ...]:
    nodes = loaded.project.nodes()
    mine = node_id(source)
    made = [name for name, node in nodes.items() if any(node_id(one) == mine for one in upstream(node, nodes))]
    return tuple(name for name in made if name != mine)


def _source(loaded: LoadedProject, table: str) -> Stream | Table:
    known = {one.name: one for one in sources_of(loaded.project)}
    if table not in known:
        cure = nearest(table, known)
        raise HeadraceError(Fault("HR-QUARANTINE-001", "", f"no stream or table {table!r}", "a declared one", cure))
    return known[table]
