"""``--full``: what is named is made again from the beginning, though nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headrace.declare import Stream, Table, sources_of
from headrace.errors import Fault, HeadraceError
from headrace.run.progress import Progress
from headrace.run.project import LoadedProject
from headrace.run.reasons import FORCED
from headrace.run.selecting import name_of, named
from headrace.run.steps import Step


def anew(steps: Sequence[Step], loaded: LoadedProject, names: Sequence[str]) -> list[Step]:
    """Return steps of which those that are named do all their work again.

    A table by query is made again as a whole. A source from files loads all of them again, if they are still there.
    A training set stays: what it is made from decides its rows, so it would come out the same.

    Args:
        steps: that are asked for.
        loaded: the project.
        names: as they were given; all tables by query where there are none.
    """
    given = named(names)

    def again(step: Step) -> Step:
        kind, name = step.id.split(":")
        if kind == "query" and (not given or name in given):
            return replace(rewritten(step, loaded), forced=FORCED)
        return replace(_ingest(step, loaded), forced=FORCED) if kind == "ingest" and name in given else step

    return [again(step) for step in steps]


def rewritten(step: Step, loaded: LoadedProject) -> Step:
    """Return the step of a table by query, so that it makes the table as a whole."""
    table = loaded.project.tables[name_of(step)]
    sources = {one.name: one for one in sources_of(loaded.project)}

    def work(_: Progress) -> dict[str, Any]:
        from headrace.run.refresh import brought_up

        own = {key: value for key, value in step.inputs().items() if key.startswith("declaration ")}
        return brought_up(table, loaded.lake(), own, sources, full=True)

    return replace(step, work=work)


def _ingest(step: Step, loaded: LoadedProject) -> Step:
    source = next(one for one in sources_of(loaded.project) if one.name == name_of(step))

    if source.origin is not None or source.mode != "append":
        return step  # what comes of it is compared with all that there is, each time

    def work(progress: Progress) -> dict[str, Any]:
        from headrace.connect import restore
        from headrace.run.steps import live_events

        lake = loaded.lake()
        if lake.exists(source.name):
            live_events(loaded, source)
            _refuse_loss(source, loaded)
            restore(lake, source.name, version=0, reload=True)
        return step.work(progress)

    return replace(step, work=work)


def _refuse_loss(source: Stream | Table, loaded: LoadedProject) -> None:
    """Refuse to take out rows that no file would bring back.

    Raises:
        HeadraceError: HR-SCHEDULE-002.
    """
    from headrace.connect import find_files
    from headrace.connect.files import digest
    from headrace.connect.loads import Ledger

    lake = loaded.lake()
    loads = [past for past in Ledger(lake, source.name).by_name.values() if past.finished]
    there = {file.name: file for file in find_files(loaded.folder, source.files or "")}
    gone = [one.name for one in loads if one.name not in there or digest(there[one.name]) != one.sha256]
    ids = ", ".join(f"'{one.id}'" for one in loads) or "''"
    query = f'select count(*) as n from "{source.name}" where _load is null or _load not in ({ids})'
    others = lake.sql(query)["n"][0].as_py()
    if not gone and not others:
        return
    files = f"{', '.join(gone[:3])}{f' and {len(gone) - 3} more' if len(gone) > 3 else ''}"
    missing = f"files that are no longer as they were loaded: {files}" if gone else f"{others:,} rows that came live"
    found = f"{source.name} to be loaded anew from {source.source}, and {missing}"
    cure = f"bring the files back, or take out what is wrong with 'headrace lake restore {source.name}'"
    raise HeadraceError(Fault("HR-SCHEDULE-002", source.place, found, "files that hold all of its rows", cure))
