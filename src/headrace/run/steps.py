"""The steps that bring a project up to date, in order: files into the lake, tables by query, training sets."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import limits
from headrace.clock import now_us
from headrace.declare import Stream, Table, TrainingSet, kind_of, node_id, sources_of
from headrace.errors import Fault, HeadraceError
from headrace.run.declared import Declared, closure
from headrace.run.evolving import reads_of_source, require_no_service
from headrace.run.gone import gone_files, kept_out
from headrace.run.progress import FAULTS, NOTHING_NEW, THIS_RUN, Progress
from headrace.run.project import LoadedProject
from headrace.run.resting import resting

if TYPE_CHECKING:
    from headrace.connect.loads import Past
    from headrace.lake import Lake

Inputs = dict[str, str]
Figures = dict[str, Any]


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
        rests: why it need not even be looked at, given its inputs and the moment of the last time; nothing if it must.
        timed: whether that depends on when it was last looked at.
        forced: why it is done though nothing changed; nothing if it is not.
        ours: whether nobody else has written to what came of it, and would be believed.
        partial: whether it does only a part, so that what it is up to date with stays as it was.
    """

    id: str
    needs: tuple[str, ...]
    inputs: Callable[[], Inputs]
    stands: Callable[[Mapping[str, Any]], bool]
    work: Callable[[Progress], Figures]
    same: Callable[[str, bool], bool] = lambda _, __: False
    counts: Callable[[], Figures] = dict
    rests: Callable[[Mapping[str, str], int], tuple[str, ...]] = lambda _, __: ()
    timed: bool = False
    forced: tuple[str, ...] = ()
    ours: Callable[[Mapping[str, Any]], bool] = lambda _: True
    partial: bool = False


def steps_of(loaded: LoadedProject, declared: Declared, accept: Collection[str] = ()) -> list[Step]:
    """Return the steps of a project, each after all that it needs.

    Args:
        loaded: the project.
        declared: its declarations.
        accept: nodes whose contracts may change in ways that are not compatible.

    Raises:
        HeadraceError: HR-RUN-004 for tables whose queries need each other; HR-LAKE for a query that cannot be parsed.
    """
    lake, project = loaded.lake(), loaded.project
    loads = [_ingest(one, loaded, lake, declared, accept) for one in sources_of(project) if one.source is not None]
    live = [one for one in project.streams.values() if one.source is None and lake.exists(one.name)]
    loads += [_contract(one, loaded, lake, declared, accept) for one in live]
    named = {one.name: one for one in sources_of(project)}
    queries = _queries([one for one in project.tables.values() if one.query is not None], lake, declared, named)
    tables = after_what_they_need([*loads, *queries])
    before = tuple(step.id for step in tables)
    sets = [_training_set(one, loaded, lake, declared, before) for one in project.all_training_sets.values()]
    return [*tables, *sets]


def after_what_they_need(steps: list[Step]) -> list[Step]:
    """Return steps, each after those that it needs, else in their order."""
    by_id, found = {step.id: step for step in steps}, dict[str, Step]()

    def add(step: Step) -> None:
        if step.id not in found:
            for need in step.needs:
                if need in by_id:
                    add(by_id[need])
            found[step.id] = step

    for step in steps:
        add(step)
    return list(found.values())


def _contract(stream: Stream, loaded: LoadedProject, lake: Lake, declared: Declared, accept: Collection[str]) -> Step:
    """The table of live events that come from no file: it only follows its contract."""

    def work(_: Progress) -> Figures:
        from headrace.connect import looks_up
        from headrace.connect.evolve import settle

        tables = {one.name: one for one in sources_of(loaded.project)}
        reads, accepted = reads_of_source(loaded, stream), node_id(stream) in accept
        with lake.lock(stream.name):
            live_events(loaded, stream)
            require_no_service(loaded, stream)
            settle(stream, lake, reads=reads, accept=accepted, referred=looks_up(lake, tables))
        return {"rows": lake.rows(stream.name), "version": lake.version(stream.name)}

    return Step(f"contract:{stream.name}", (), lambda: declared.own(node_id(stream)), lambda _: True, work)


def _ingest(
    source: Stream | Table, loaded: LoadedProject, lake: Lake, declared: Declared, accept: Collection[str]
) -> Step:
    from headrace.plan.rules import tables_referred_to

    tables = {one.name: one for one in sources_of(loaded.project)}

    def inputs() -> Inputs:
        read = {} if source.origin is None else {f"read {source.origin.address}": str(now_us())}
        there = source_files(source, loaded.folder) | read | by_hand(source, lake)
        return declared.own(node_id(source)) | there | freshness_of(source, lake)

    def stands(figures: Mapping[str, Any]) -> bool:
        version = figures.get("version")
        return version is None or (lake.exists(source.name) and lake.version(source.name) >= version)

    def work(progress: Progress) -> Figures:
        from headrace.connect import ingest, looks_up
        from headrace.connect.files import BATCH_ROWS

        def told(done: int, what: str) -> None:
            progress.moves(what, done, 0)

        def first() -> None:
            live_events(loaded, source)
            require_no_service(loaded, source)

        before = version_of()
        columns = 0 if source.contract is None else len(source.contract.fields())
        report = ingest(
            source,
            loaded.folder,
            lake,
            told,
            inbox=loaded.state_dir / "inbox",
            batch_rows=limits.current().rows(columns, BATCH_ROWS),
            first=first,
            reads=reads_of_source(loaded, source),
            accept=node_id(source) in accept,
            referred=looks_up(lake, tables),
        )
        # A file that stays out fails the step: what is built from the rest alone would look whole and not be it.
        faults = [fault.as_dict() for fault in (*report.faults, *_gone(source, loaded, lake))]
        this_run = {name: value for name, value in report.as_dict().items() if name != "faults"}
        nothing_new = source.origin is not None and before == version_of() and not report.received
        return {THIS_RUN: this_run, "version": version_of(), FAULTS: faults, NOTHING_NEW: nothing_new}

    def version_of() -> int | None:
        return lake.version(source.name) if lake.exists(source.name) else None

    def counts() -> Figures:
        from headrace.connect import account

        found = account(lake, source.name, merged=source.mode != "append")
        return {"received": found.received, **asdict(found)}

    loads = functools.cache(lambda: as_loaded(source, loaded.folder, lake))
    rests = resting(source, lambda: declared.own(node_id(source)) | by_hand(source, lake))
    timed = source.refresh is not None
    needs = tuple(_load_of(tables[name]) for name in tables_referred_to(source) if name in tables)
    return Step(
        f"ingest:{source.name}", needs, inputs, stands, work, lambda key, had: loads()(key, had), counts, rests, timed
    )


def _load_of(source: Stream | Table) -> str:
    return f"{'query' if isinstance(source, Table) and source.query is not None else 'ingest'}:{source.name}"


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

    return {} if source.files is None else {f"file {one.name}": one.mark for one in find_files(folder, source.files)}


def by_hand(source: Stream | Table, lake: Lake) -> Inputs:
    """Return how often a source was restored, and rows of it replayed: a kill in the middle leaves that to a run."""
    from headrace.connect import replays, restores

    counts = {"restore": restores(lake, source.name), "replay": replays(lake, source.name)}
    return {f"{kind} {source.name}": str(number) for kind, number in counts.items() if number}


def freshness_of(source: Stream | Table, lake: Lake) -> Inputs:
    """Return the rules of freshness that a table breaks now: it comes to that just while nothing arrives."""
    from headrace.connect import freshness

    there = freshness(source, lake) if lake.exists(source.name) else []
    return {f"freshness {one.rule}": "broken" for one in there if not one.ok}


def as_loaded(source: Stream | Table, folder: Path, lake: Lake) -> Callable[[str, bool], bool]:
    """Return a function that tells whether a file, as ``file <name>``, still has the content that was loaded.

    A file that was an input the last time may also be a copy of one that was loaded.
    """
    from headrace.connect import find_files
    from headrace.connect.files import content_of
    from headrace.connect.loads import Ledger

    ledger = Ledger(lake, source.name)
    try:
        files = {} if source.files is None else {file.name: file for file in find_files(folder, source.files)}
    except HeadraceError:  # none is left, of which the step itself tells
        files = {}

    def same(key: str, had: bool) -> bool:
        file, past = files.get(key.removeprefix("file ")), ledger.by_name.get(key.removeprefix("file "))
        if file is None or not key.startswith("file ") or _is_other(past, file.size):
            return False
        found = content_of(file, source)
        return found == past.sha256 if past else had and found in ledger.by_content

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


def _queries(tables: list[Table], lake: Lake, declared: Declared, named: Mapping[str, Stream | Table]) -> list[Step]:
    """Steps of tables by query, each after those that its query reads."""
    if not tables:
        return []
    from headrace.plan.queries import in_order

    return [_query(table, lake, declared, named) for table in in_order(tables)]


def _query(table: Table, lake: Lake, declared: Declared, named: Mapping[str, Stream | Table]) -> Step:
    from headrace.plan.queries import reads_of
    from headrace.plan.rules import tables_referred_to

    reads = reads_of(table)
    own = declared.own(node_id(table))

    def inputs() -> Inputs:
        return own | _versions(reads, lake) | freshness_of(table, lake)

    def stands(_: Mapping[str, Any]) -> bool:
        return lake.exists(table.name)

    def ours(figures: Mapping[str, Any]) -> bool:
        return figures.get("version") == lake.version(table.name)

    def work(_: Progress) -> Figures:
        from headrace.run.refresh import brought_up

        return brought_up(table, lake, own, named)

    others = (*reads, *(name for name in tables_referred_to(table) if name not in reads))
    needs = tuple(_load_of(named[name]) if name in named else f"ingest:{name}" for name in others)
    rests = resting(table, lambda: declared.own(node_id(table)))
    return Step(
        f"query:{table.name}", needs, inputs, stands, work, rests=rests, timed=table.refresh is not None, ours=ours
    )


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
        from headrace.learn.trainingset import MEMORY, build

        memory = min(MEMORY, limits.current().working or MEMORY)
        built = build(cases, lake, loaded.state_dir, progress.moves, memory=memory)
        return {
            "rows": built.rows,
            "excluded": dict(built.excluded),
            "features": len(built.manifest["features"]),
            "path": built.path.relative_to(loaded.state_dir).as_posix(),
            "fingerprint": str(built.manifest.get("fingerprint", "")),
        }

    return Step(f"{kind_of(cases)}:{cases.name}", needs, inputs, stands, work)


def _versions(tables: Collection[str], lake: Lake) -> Inputs:
    from headrace.run.refresh import inputs_of, moment

    return inputs_of(tables, {name: moment(lake, name) for name in tables if lake.exists(name)})
