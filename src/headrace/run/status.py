"""``status``: what there is, table by table, set by set, model by model, and how the last runs went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.declare import Stream, Table, kind_of, sources_of
from headrace.declare.sheet import Sheet
from headrace.errors import Fault
from headrace.run.champions import champion_warnings, has_models, without_registry
from headrace.run.gone import gone_files, kept_out
from headrace.run.journal import Journal, PastRun
from headrace.run.project import LoadedProject
from headrace.run.scheduler import Beat, beat_of
from headrace.run.sheets import cell, html_of
from headrace.run.unread import unread_files

if TYPE_CHECKING:
    from headrace.lake import Lake

_COUNTS = ("received", "accepted", "quarantined")
LOADS_SHOWN = 12
"""Loads of which ``status`` tells the quality."""


@dataclass(frozen=True)
class TableStatus:
    """A stream or table: its lake table, what it received and what of that was quarantined, and how many files were.

    ``received`` is None for a table by query, and so is ``accepted``; else ``received == accepted + quarantined``, also
    while a load is cut off. ``rows`` are there now: where rows take the place of others, not all that were accepted.
    ``age_s`` is how long ago its newest row became known, or happened; ``changed`` when it was last written to.
    ``quality`` is the share of rows that each of the last loads had accepted, the newest last, and ``broken`` the rules
    that the newest load broke; ``refused`` files were kept out as a whole by such a rule.
    """

    name: str
    kind: str
    owner: str
    rows: int
    version: int | None
    last_event: str | None
    received: int | None
    accepted: int | None
    quarantined: int
    files: int
    unfinished: int
    age_s: float | None = None
    changed: str | None = None
    quality: tuple[float, ...] = ()
    broken: tuple[str, ...] = ()
    refused: int = 0


@dataclass(frozen=True)
class SetStatus:
    """A training set as it was last built."""

    name: str
    rows: int | None
    excluded: Mapping[str, int]
    features: int | None
    built: str | None


@dataclass(frozen=True)
class ModelStatus:
    """A model: how many versions it has, and the one that serves with its metrics."""

    name: str
    versions: int
    champion: int | None
    metrics: Mapping[str, float]
    challenger: int | None


@dataclass(frozen=True)
class Status:
    """What there is in a project at this moment; times are ISO 8601, UTC."""

    project: str
    tables: tuple[TableStatus, ...]
    sets: tuple[SetStatus, ...]
    models: tuple[ModelStatus, ...]
    runs: tuple[PastRun, ...]
    warnings: tuple[Fault, ...] = ()
    scheduler: Beat | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain values for ``--json``."""
        return {
            "ok": True,
            "project": self.project,
            "tables": [asdict(one) for one in self.tables],
            "training_sets": [asdict(one) for one in self.sets],
            "models": [asdict(one) for one in self.models],
            "runs": [one.as_dict() for one in self.runs],
            "scheduler": None if self.scheduler is None else self.scheduler.as_dict(),
            "faults": [fault.as_dict() for fault in self.warnings],
        }

    def __repr__(self) -> str:
        lines = [f"project {self.project}"]
        lines += [f"  {one.kind} {one.name}: {one.rows:,} rows, {one.quarantined:,} quarantined" for one in self.tables]
        lines += [f"  training set {one.name}: {'not built' if one.rows is None else one.rows}" for one in self.sets]
        lines += [f"  model {one.name}: champion {one.champion or 'none'}" for one in self.models]
        return "\n".join([*lines, *map(str, self.warnings)])

    def _repr_html_(self) -> str:
        sheets = (
            _sheet("Tables", self.tables, ("name", "kind", *_COUNTS, "rows", "files", "last_event")),
            _sheet("Training sets", self.sets, ("name", "rows", "excluded", "features", "built")),
            _sheet("Models", self.models, ("name", "versions", "champion", "challenger", "metrics")),
        )
        columns = ("number", "kind", "outcome", "started")
        past = [one.as_dict() for one in self.runs]
        runs = Sheet("Last runs", "", columns, tuple(tuple(cell(one[name]) for name in columns) for one in past))
        return html_of(Sheet(f"Project {self.project}", "what there is", (), ()), *sheets, runs, faults=self.warnings)


def _sheet(title: str, rows: Sequence[object], columns: tuple[str, ...]) -> Sheet:
    heads = tuple(name.replace("_", " ") for name in columns)
    return Sheet(title, "", heads, tuple(tuple(cell(getattr(one, name)) for name in columns) for one in rows))


def status(loaded: LoadedProject, last_runs: int = 5) -> Status:
    """Return what there is; reads, and never waits for a run that is going on.

    Args:
        loaded: the project.
        last_runs: how many past runs to tell of.
    """
    lake, project = loaded.lake(), loaded.project
    path = loaded.state_dir / "run.db"
    if path.exists():
        with Journal(path) as journal:
            sets = tuple(_set(name, journal) for name in project.all_training_sets)
            runs = tuple(journal.runs(last_runs))
    else:
        sets, runs = tuple(SetStatus(n, None, {}, None, None) for n in project.all_training_sets), ()
    sources = sources_of(project)
    tables = tuple(_table(one, lake) for one in sources)
    models = tuple(_model(name, loaded) for name in project.all_models)
    from_files = [one for one in sources if one.source is not None]
    gone = (told(one, loaded.folder, lake) for one in from_files for told in (gone_files, kept_out))
    known = (*gone, unread_files(sources, loaded.folder), *champion_warnings(loaded, project.all_models.values()))
    warnings = tuple(fault for fault in known if fault is not None)
    return Status(project.name, tables, sets, models, runs, warnings, beat_of(loaded.state_dir))


def _table(source: Stream | Table, lake: Lake) -> TableStatus:
    from headrace.connect import account, newest, quality_now

    found = account(lake, source.name, merged=source.mode != "append")
    version = lake.version(source.name) if lake.exists(source.name) else None
    age, event = newest(source, lake) if found.accepted and version is not None else (None, None)
    written = None if version is None else clock.from_us(lake.history(source.name)[0]["at"])
    changed = None if written is None else written.isoformat(timespec="seconds")
    shares, broken = quality_now(lake, source.name, LOADS_SHOWN)
    lately = None if age is None else age / 1e6, changed, shares, broken
    last = None if event is None else event.isoformat()
    by_query = isinstance(source, Table) and source.query is not None
    received, accepted = (None, None) if by_query else (found.received, found.accepted)
    rows = lake.rows(source.name) if version is not None else 0
    about = (source.name, kind_of(source), source.owner, rows, version, last)
    figures = received, accepted, found.quarantined, found.files, found.unfinished
    return TableStatus(*about, *figures, *lately, found.refused)


def _set(name: str, journal: Journal) -> SetStatus:
    done = journal.step(f"training_set:{name}")
    if done is None:
        return SetStatus(name, None, {}, None, None)
    figures = done.figures
    built = clock.from_us(done.at).isoformat(timespec="seconds")
    return SetStatus(name, figures.get("rows"), figures.get("excluded", {}), figures.get("features"), built)


def _model(name: str, loaded: LoadedProject) -> ModelStatus:
    if not has_models(loaded):
        return ModelStatus(name, 0, None, {}, None)
    with without_registry():  # the warnings tell of it
        return _versions(name, loaded)
    return ModelStatus(name, 0, None, {}, None)


def _versions(name: str, loaded: LoadedProject) -> ModelStatus:
    versions = loaded.registry().versions(name)
    champion, challenger = (
        next((one for one in versions if alias in one.aliases), None) for alias in ("champion", "challenger")
    )
    metrics = {} if champion is None else dict(champion.metrics)
    numbers = (None if one is None else one.number for one in (champion, challenger))
    first, second = numbers
    return ModelStatus(name, len(versions), first, metrics, second)
