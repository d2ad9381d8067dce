"""The steps that bring a project up to date, in order: files into the lake, tables by query, training sets."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.declare import Stream, Table, TrainingSet, kind_of, node_id, sources_of
from headrace.errors import Fault, HeadraceError
from headrace.run.declared import Declared, closure
from headrace.run.gone import gone_files, kept_out
from headrace.run.progress import Progress
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.connect.loads import Past
    from headrace.lake import Lake

Inputs = dict[str, str]
Figures = dict[str, Any]
_DECLARED = ("HR-LAKE-001", "HR-LAKE-005", "HR-LAKE-006", "HR-LAKE-008", "HR-LAKE-011")
"""Faults of a step that are mended where its table is declared."""
THIS_RUN, FAULTS = "this_run", "faults"
"""Among the figures of a step: what only the run that did it has to tell, and what went wrong or is worth knowing."""


@dataclass(frozen=True)
class Step:
    """One thing to bring up to date.

    Args:
        id: stable, such as ``ingest:payments``.
        needs: ids of steps that must have been done before.
        inputs: what it depends on at this moment, ``"kind name"`` to a value that changes when the input does.
        stands: whether what came of it the last time is still there.
        work: does it; may be killed at any moment and done again.
        same: whether an input that has another value is what it was all the same, such as a file that was touched;
            told whether it was an input the last time.
        counts: what there is by now, whatever became of the step.
    """

    id: str
    needs: tuple[str, ...]
    inputs: Callable[[], Inputs]
    stands: Callable[[Mapping[str, Any]], bool]
    work: Callable[[Progress], Figures]
    same: Callable[[str, bool], bool] = lambda _, __: False
    counts: Callable[[], Figures] = dict


def steps_of(loaded: LoadedProject, declared: Declared) -> list[Step]:
    """Return the steps of a project, each after all that it needs.

    Raises:
        HeadraceError: HR-RUN-004 for tables whose queries need each other; HR-LAKE for a query that cannot be parsed.
    """
    lake, project = loaded.lake(), loaded.project
    loads = [_ingest(one, loaded, lake, declared) for one in sources_of(project) if one.source is not None]
    queries = _queries([one for one in project.tables.values() if one.query is not None], lake, declared)
    before = tuple(step.id for step in (*loads, *queries))
    sets = [_training_set(one, loaded, lake, declared, before) for one in project.all_training_sets.values()]
    return [*loads, *queries, *sets]


def _ingest(source: Stream | Table, loaded: LoadedProject, lake: Lake, declared: Declared) -> Step:
    def inputs() -> Inputs:
        return declared.own(node_id(source)) | source_files(source, loaded.folder) | restores_of(source, lake)

    def stands(figures: Mapping[str, Any]) -> bool:
        version = figures.get("version")
        return version is None or (lake.exists(source.name) and lake.version(source.name) >= version)

    def work(progress: Progress) -> Figures:
        from headrace.connect import ingest

        def told(done: int, what: str) -> None:
            progress.moves(what, done, 0)

        report = ingest(source, loaded.folder, lake, told, first=lambda: live_events(loaded, source))
        # A file that stays out fails the step: what is built from the rest alone would look whole and not be it.
        faults = [fault.as_dict() for fault in (*report.faults, *_gone(source, loaded, lake))]
        this_run = {name: value for name, value in report.as_dict().items() if name != "faults"}
        version = lake.version(source.name) if lake.exists(source.name) else None
        return {THIS_RUN: this_run, "version": version, FAULTS: faults}

    def counts() -> Figures:
        from headrace.connect import account

        found = account(lake, source.name)
        return {"received": found.received, **asdict(found)}

    loads = functools.cache(lambda: as_loaded(source, loaded.folder, lake))
    return Step(f"ingest:{source.name}", (), inputs, stands, work, lambda key, had: loads()(key, had), counts)


def _gone(source: Stream | Table, loaded: LoadedProject, lake: Lake) -> tuple[Fault, ...]:
    found = (told(source, loaded.folder, lake) for told in (gone_files, kept_out))
    return tuple(fault for fault in found if fault is not None)


def live_events(loaded: LoadedProject, source: Stream | Table) -> None:
    """Bring the live events of a stream into its table; the caller holds its lock: files continue their sequence."""
    if isinstance(source, Stream) and (loaded.state_dir / "spool").exists():
        from headrace.serve.drain import drain_stream

        drain_stream(loaded, source)


def source_files(source: Stream | Table, folder: Path) -> Inputs:
    """Return the files of a source with what tells a changed one: size and time of last change."""
    from headrace.connect import find_files

    return {f"file {file.name}": file.mark for file in find_files(folder, source.source or "")}


def restores_of(source: Stream | Table, lake: Lake) -> Inputs:
    """Return how often a source was restored to an older version: what it has is another thing after that."""
    from headrace.connect import restores

    number = restores(lake, source.name)
    return {f"restore {source.name}": str(number)} if number else {}


def as_loaded(source: Stream | Table, folder: Path, lake: Lake) -> Callable[[str, bool], bool]:
    """Return a function that tells whether a file, as ``file <name>``, still has the content that was loaded.

    A file that was an input the last time may also be a copy of one that was loaded.
    """
    from headrace.connect import find_files
    from headrace.connect.files import digest
    from headrace.connect.loads import Ledger

    ledger = Ledger(lake, source.name)
    try:
        files = {file.name: file for file in find_files(folder, source.source or "")}
    except HeadraceError:  # none is left, of which the step itself tells
        files = {}

    def same(key: str, had: bool) -> bool:
        file, past = files.get(key.removeprefix("file ")), ledger.by_name.get(key.removeprefix("file "))
        if file is None or not key.startswith("file ") or _is_other(past, file.size):
            return False
        return digest(file) == past.sha256 if past else had and digest(file) in ledger.by_content

    return same


def _is_other(past: Past | None, size: int) -> bool:
    return past is not None and not ((past.finished or past.removed) and past.size == size)


def settled(before: Mapping[str, str], now: Inputs, same: Callable[[str, bool], bool]) -> Inputs:
    """Return the inputs of this time, with the value of the last time for each that is what it was all the same.

    A file that a run took in which did not end well is no new file: ``file <name>`` becomes ``taken <name>``.
    """
    found = {}
    for key, value in now.items():
        if before.get(key) == value or not same(key, key in before):
            found[key] = value
        elif key in before:
            found[key] = before[key]
        else:
            found[key.replace("file", "taken", 1)] = value
    return found


def _queries(tables: list[Table], lake: Lake, declared: Declared) -> list[Step]:
    """Steps of tables by query, each after those that its query reads."""
    if not tables:
        return []
    from headrace.plan.queries import in_order

    names = tuple(table.name for table in tables)
    return [_query(table, lake, declared, names) for table in in_order(tables)]


def _query(table: Table, lake: Lake, declared: Declared, by_query: tuple[str, ...]) -> Step:
    from headrace.plan.queries import placed, reads_of

    reads = reads_of(table)
    own = declared.own(node_id(table))

    def inputs() -> Inputs:
        return own | _versions(reads, lake)

    def stands(_: Mapping[str, Any]) -> bool:
        return lake.exists(table.name)

    def work(_: Progress) -> Figures:
        from headrace.run.refresh import refresh

        # The commit names its inputs: after a kill between commit and journal it is found and not repeated.
        try:
            done = refresh(table, lake, own)
        except HeadraceError as error:
            raise HeadraceError(placed(one, table) if one.code in _DECLARED else one for one in error.faults) from None
        this_run = {"rows": done.rows, "how": done.how}
        return {THIS_RUN: this_run, "rows": lake.rows(table.name), "version": lake.version(table.name)}

    needs = tuple(f"{'query' if read in by_query else 'ingest'}:{read}" for read in reads)
    return Step(f"query:{table.name}", needs, inputs, stands, work)


def _training_set(
    cases: TrainingSet, loaded: LoadedProject, lake: Lake, declared: Declared, before: tuple[str, ...]
) -> Step:
    used = closure(cases)
    tables = [node.name for node in used if isinstance(node, Stream | Table)]
    needs = tuple(step for step in before if step.split(":")[1] in tables)

    def inputs() -> Inputs:
        found = _versions(tables, lake)
        for node in used:
            found |= declared.own(node_id(node))
        return found

    def stands(figures: Mapping[str, Any]) -> bool:
        return (loaded.state_dir / str(figures.get("path"))).exists()

    def work(progress: Progress) -> Figures:
        from headrace.learn.trainingset import build

        built = build(cases, lake, loaded.state_dir, progress.moves)
        return {
            "rows": built.rows,
            "excluded": dict(built.excluded),
            "features": len(built.manifest["features"]),
            "path": built.path.relative_to(loaded.state_dir).as_posix(),
            "fingerprint": str(built.manifest.get("fingerprint", "")),
        }

    return Step(f"{kind_of(cases)}:{cases.name}", needs, inputs, stands, work)


def _versions(tables: Iterable[str], lake: Lake) -> Inputs:
    return {f"rows {name}": f"version {lake.version(name)}" if lake.exists(name) else "none" for name in tables}
