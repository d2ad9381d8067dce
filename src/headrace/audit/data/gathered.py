"""What the report of data tells of each stream and table, from lake, history and declarations; nothing personal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace import clock
from headrace.audit.data.changes import Change, changes
from headrace.audit.data.origins import Map, Ways, map_of, tagged, ways
from headrace.audit.data.profile import Against, Column, Told, profile
from headrace.audit.data.promises import Aside, Promise, broken, quarantined
from headrace.audit.facts import Loaded
from headrace.connect import account, age_us
from headrace.connect.loads import Ledger
from headrace.connect.quality import REFUSED, table_of
from headrace.declare import Contract, Distribution, Project, Stream, Table, kind_of, sources_of
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import Lake
from headrace.plan import lineage
from headrace.plan.lineage import Lineage
from headrace.sql import quoted

LOADS_SHOWN = 30
"""Loads whose quality is shown."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Loading:
    """One of the last loads: when its figures were written (UTC), its file, its rows; a refused one brought none."""

    id: str
    at: str
    file: str
    received: int
    aside: int
    refused: bool

    @property
    def accepted(self) -> int:
        return 0 if self.refused else self.received - self.aside

    @property
    def share(self) -> float:
        """Share of its rows that were accepted."""
        return self.accepted / self.received if self.received else 1.0


@dataclass(frozen=True)
class Facts:
    """A stream or table.

    Args:
        name, kind, owner, says: which it is, and what its contract is for.
        source: where its rows come from: a path or an address, or ``query``.
        loaded: whether the lake has it.
        rows, received, quarantined: as in ``status``; ``received`` is None for a table by query.
        age_s: of the newest row, None where that has no meaning; ``changed`` is when it was last written to.
        loads: the last ones, the newest last.
        promises: how many its contract makes; ``broken`` are those that the last loads did not keep.
        aside: reasons of quarantine.
        columns: what they are like; ``changes`` how those of the last load differ.
        against: what the pictures set beside all rows.
        ways: what it is made of, and what of it.
    """

    name: str
    kind: str
    owner: str
    says: str
    source: str
    loaded: bool
    rows: int = 0
    received: int | None = None
    quarantined: int = 0
    age_s: float | None = None
    changed: str | None = None
    loads: tuple[Loading, ...] = ()
    promises: int = 0
    broken: tuple[Promise, ...] = ()
    aside: tuple[Aside, ...] = ()
    columns: tuple[Column, ...] = ()
    changes: tuple[Change, ...] = ()
    against: Against = field(default_factory=Against)
    ways: Ways = field(default_factory=Ways)


@dataclass(frozen=True)
class Gathered:
    """All that the report tells; ``at`` is when it was gathered, in microseconds UTC."""

    project: str
    problem: str
    at: int
    tables: tuple[Facts, ...]
    map: Map = field(default_factory=Map)

    @property
    def broken(self) -> tuple[Promise, ...]:
        """The promises that the last loads of all tables broke, those that are broken now first."""
        every = [one for table in self.tables for one in table.broken]
        return tuple(sorted(every, key=lambda one: not one.now))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``; the pictures are left out."""
        return {"project": self.project, "tables": [_plain(one) for one in self.tables]}


def _plain(one: Facts) -> dict[str, Any]:
    said = asdict(one)
    for column, its in zip(said["columns"], one.columns, strict=True):
        del column["bins"]
        column["distinct_method"] = its.method
        column["quantiles"] = {f"{share:g}": value for share, value in column["quantiles"].items()}
        column["values"] = [{"value": value, "rows": rows} for value, rows, _ in column["values"]]
    del said["against"]
    return said


def gather(loaded: Loaded, names: Sequence[str] = (), told: Told = silent) -> Gathered:
    """Return what there is to tell of the data of a project.

    Args:
        loaded: the project.
        names: of streams and tables; all of them by default.
        told: of each step.

    Raises:
        HeadraceError: HR-REPORT-001 for a name that is none.
    """
    project = loaded.project
    every = {one.name: one for one in sources_of(project)}
    if unknown := [name for name in names if name not in every]:
        cure = "see 'headrace status' for all names"
        raise HeadraceError(
            Fault("HR-REPORT-001", "", f"no stream or table {name!r}", "a declared one", nearest(name, every) or cure)
            for name in unknown
        )
    lake, graph = loaded.lake(), _graph(project)
    tables = [_facts(every[name], lake, project, graph, told) for name in dict.fromkeys(names or every)]
    problem = project.charter.problem if project.charter is not None else ""
    return Gathered(project.name, problem, clock.now_us(), tuple(tables), map_of(project, graph))


def _graph(project: Project) -> Lineage | None:
    """The lineage; None where a declaration is broken since the tables were made."""
    try:
        return lineage(project)
    except HeadraceError:
        return None


def _facts(source: Stream | Table, lake: Lake, project: Project, graph: Lineage | None, told: Told) -> Facts:
    name, contract = source.name, source.contract
    says = contract.doc.split("\n")[0] if contract is not None else ""
    origin = source.origin.address if source.origin is not None else source.files
    by_query = isinstance(source, Table) and source.query is not None
    head = (name, kind_of(source), source.owner, says, "query" if by_query else origin or "posted to a service")
    on_ways = ways(source, graph)
    if not lake.exists(name):
        return Facts(*head, loaded=False, ways=on_ways, aside=tuple(quarantined(lake, name)))
    verdicts = _verdicts(lake, name)
    loads = _loads(lake, name, verdicts)
    aside, against = tuple(quarantined(lake, name)), _against(source, lake, loads)
    columns = tuple(profile(lake, name, tagged(project, source, lake.schema(name), graph), against, told))
    files = {one.id: one.file for one in loads}
    found = account(lake, name, merged=source.mode != "append")
    age = age_us(source, lake) if lake.rows(name) else None
    ids = [one.id for one in loads]
    kept = () if contract is None else broken(name, source.owner, contract, verdicts, ids, files, aside)
    return Facts(
        *head,
        loaded=True,
        rows=lake.rows(name),
        received=None if by_query else found.received,
        quarantined=found.quarantined,
        age_s=None if age is None else age / 1e6,
        changed=clock.from_us(lake.history(name)[0]["at"]).isoformat(timespec="seconds"),
        loads=tuple(loads),
        promises=len({one["rule"] for one in verdicts} - {"rows"}),
        broken=tuple(kept),
        aside=aside,
        columns=columns,
        changes=tuple(changes(columns, against, _promised(contract, verdicts, ids))),
        against=against,
        ways=on_ways,
    )


def _verdicts(lake: Lake, name: str) -> list[dict[str, Any]]:
    """Rows of the quality history of the last loads, but for profiles, oldest first; and the last one of no load."""
    table = table_of(name)
    if not lake.exists(table):
        return []
    last = lake.sql(f"select _load from \"{table}\" where rule = 'rows' order by at desc limit {2 * LOADS_SHOWN}")
    ids = ", ".join(quoted(one) for one in ["", *last["_load"].to_pylist()])
    said = f'select _load, epoch_us(at) as at, rule, severity, checked, failed, value, ok from "{table}"'
    newest = "qualify _load <> '' or row_number() over (partition by rule order by at desc) = 1"
    found: list[dict[str, Any]] = lake.sql(
        f"{said} where _load in ({ids}) and rule <> 'profile' {newest} order by at"
    ).to_pylist()
    return found


def _loads(lake: Lake, name: str, verdicts: Sequence[Mapping[str, Any]]) -> list[Loading]:
    """The last loads whose rows are there, or that were refused."""
    known = Ledger(lake, name).by_id if lake.exists(f"loads_{name}") else None
    found = []
    for one in verdicts:
        if one["rule"] != "rows":
            continue
        refused = one["_load"].startswith(f"{REFUSED}:")
        past = None if known is None else known.get(one["_load"].removeprefix(f"{REFUSED}:"))
        if known is not None and not refused and (past is None or not past.finished):
            continue
        at = clock.from_us(one["at"]).isoformat(timespec="seconds")
        file = "" if past is None else past.name
        found.append(Loading(one["_load"], at, file, one["checked"], one["failed"], refused))
    return found[-LOADS_SHOWN:]


def _promised(
    contract: type[Contract] | None, verdicts: Sequence[Mapping[str, Any]], loads: Sequence[str]
) -> dict[str, float]:
    """For each column whose distribution is promised, the index of the last load."""
    rules = {} if contract is None else contract.rules()
    last = loads[-1] if loads else ""
    found = {one["rule"]: one["value"] for one in verdicts if one["_load"] == last and one["value"] is not None}
    return {one.of: found[name] for name, one in rules.items() if isinstance(one, Distribution) and name in found}


def _against(source: Stream | Table, lake: Lake, loads: Sequence[Loading]) -> Against:
    """What all rows are compared with: those of the last load, or the version before where it takes their place."""
    taken = [one for one in loads if not one.refused and one.accepted]
    if isinstance(source, Table) and (source.query is not None or source.mode == "replace"):
        before = lake.version(source.name) - 1
        there = before >= 0 and before not in lake.unreadable(source.name) and lake.rows(source.name, before) > 0
        return Against(version=before) if there else Against()
    return Against(load=taken[-1].id) if len(taken) > 1 else Against()
