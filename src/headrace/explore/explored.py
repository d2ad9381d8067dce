"""Explore: finds what a name means, opens its rows, and asks them everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from headrace import clock
from headrace.audit.facts import Loaded
from headrace.declare import Features, Project, Stream, Table, TrainingSet
from headrace.errors import Fault, HeadraceError, nearest
from headrace.explore.about import about_columns, about_features, graph_of
from headrace.explore.against import Against, against_of, alone_of, information_value
from headrace.explore.found import Facet
from headrace.explore.periods import periods_of, span_of
from headrace.explore.rows import Beside, Column, Joined, Rows, lake_rows, set_rows
from headrace.explore.sample import Sample, comparable, is_category, sample_of, together
from headrace.explore.segments import require_told, segments_of
from headrace.explore.sets import built_own, chosen_set, joined_of, keys_of, newest, own_set, sets_of, sets_with
from headrace.explore.shown import Explored
from headrace.explore.spread import spread_of
from headrace.explore.suspects import suspects
from headrace.explore.target import Target, columns_of, target_of
from headrace.plan.lineage import Lineage

Told = Callable[[str, int, int], None]
"""Called with what is done, and how many of how many."""
Opened = tuple[AbstractContextManager[Rows], TrainingSet | None, tuple[str, ...]]
"""Rows, the training set that their label is of, and notes."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


def explore(loaded: Loaded, name: str, *, by: str = "", of: str = "", told: Told = silent) -> Explored:
    """Return what a column, a feature, or all of a stream, table, group or training set is like.

    Columns are those of the lake as it is. Features are those of a training set, as of the time of each row; it is
    built where it is not yet, as ``run`` does. A group that no set has is asked about at each event of its stream.

    Args:
        loaded: the project.
        name: see ``target_of``.
        by: a column of the same rows, or of the spine, by whose values all is told once more.
        of: name of the training set that brings features and label, where there are several.
        told: of each step.

    Raises:
        HeadraceError: HR-EXPLORE-001 to 006; faults of the declarations where a set has to be built.
    """
    lake, graph = loaded.lake(), graph_of(loaded.project)
    target = target_of(loaded.project, lake, name)
    if isinstance(target.of, Stream | Table):
        opened, cases, notes = _of_lake(loaded, target, graph, of)
    else:
        opened, cases, notes = _of_set(loaded, target, graph, by, of, told)
    with opened as rows:
        parted = _parted(rows, by, f"{target.of.name}.")
        return explored(parted, target.columns, name, project=loaded.project, cases=cases, notes=notes, told=told)


def _of_lake(loaded: Loaded, target: Target, graph: Lineage | None, of: str) -> Opened:
    lake, source = loaded.lake(), target.of
    assert isinstance(source, Stream | Table)
    paths = columns_of(source, lake)
    about = about_columns(loaded.project, source, lake.schema(source.name), paths, graph)
    cases, joined, notes = _label_beside(loaded, source, of)
    time = _time_of(source)
    opened = lake_rows(lake, source.name, about, time if time in lake.schema(source.name).names else "", joined)
    return opened, cases, notes


def _time_of(source: Stream | Table) -> str:
    if isinstance(source, Stream):
        return source.event_time
    roles = () if source.contract is None else map(source.contract.role, ("event_time", "valid_from", "known_time"))
    return next((role for role in roles if role), "")


def _label_beside(
    loaded: Loaded, source: Stream | Table, of: str
) -> tuple[TrainingSet | None, Joined | None, tuple[str, ...]]:
    """The label of the events of a stream, where a training set was built of them."""
    sets = sets_of(loaded.project, source) if isinstance(source, Stream) else []
    cases = chosen_set(loaded.project, sets, of, source.name)
    if cases is None:
        return None, None, ("no training set has a label for its rows",)
    built = newest(cases, loaded.state_dir)
    if built is None:
        return None, None, (f"{cases.name} is not built yet, and its label not told: 'headrace run' does it",)
    joined = joined_of(loaded.project, cases, built)
    if joined is None or not joined.on:
        return None, None, (f"the label of {cases.name} is not told: {source.name} has no key that names a row",)
    had, now = int(built.manifest["versions"][source.name]), loaded.lake().version(source.name)
    late = f"the label is of {cases.name} as built of version {had} of {source.name}, which now has version {now}"
    return cases, joined, (late,) if had != now else ()


def _of_set(loaded: Loaded, target: Target, graph: Lineage | None, by: str, of: str, told: Told) -> Opened:
    from headrace.learn.trainingset import build

    project, lake, notes = loaded.project, loaded.lake(), tuple[str, ...]()
    if isinstance(target.of, TrainingSet):
        cases: TrainingSet | None = chosen_set(project, [target.of], of, target.name)
    else:
        assert isinstance(target.of, Features)
        cases = chosen_set(project, sets_with(project, target.of), of, target.name)
    if cases is not None:
        built = build(cases, lake, loaded.state_dir, told)
    else:
        assert isinstance(target.of, Features)
        cases = own_set(project, target.of, graph)
        built = built_own(cases, lake, loaded.state_dir, told)
        notes = (f"no training set has {target.of.name}: told is what it was at each event of {cases.spine.name}",)
    names = tuple(str(one) for one in built.manifest["features"])
    about, joined = about_features(project, names, graph), joined_of(project, cases, built)
    beside = None
    if by and by not in names:
        beside = _beside(loaded, cases, built.manifest["columns"], by, names, graph)
    return set_rows(built, about, joined, beside), cases, notes


def _beside(
    loaded: Loaded, cases: TrainingSet, columns: dict[str, str], by: str, names: Sequence[str], graph: Lineage | None
) -> Beside:
    lake, spine = loaded.lake(), cases.spine
    path = by.removeprefix(f"{spine.name}.")
    known, on = columns_of(spine, lake), keys_of(cases, columns)
    if path not in known or not on:
        raise HeadraceError(_no_by(by, [*known, *names] if on else names, f"{cases.name} or its spine"))
    about = about_columns(loaded.project, spine, lake.schema(spine.name), (path,), graph)[path]
    return Beside(lake, spine.name, f"{spine.name}.{path}", path, about, on)


def _no_by(by: str, known: Sequence[str], of: str) -> Fault:
    return Fault("HR-EXPLORE-004", "", f"--by {by}", f"a column of {of}", nearest(by, known))


def _parted(rows: Rows, by: str, prefix: str) -> Rows:
    """Rows with the column by whose values they are told once more, where it is one of their own."""
    if not by or rows.by is not None:
        return rows
    path = by.removeprefix(prefix)
    if path not in rows.columns:
        raise HeadraceError(_no_by(by, [*rows.columns], "the same rows"))
    return replace(rows, by=rows.columns[path])


def explored(
    rows: Rows,
    paths: Sequence[str],
    name: str,
    *,
    project: Project | None = None,
    cases: TrainingSet | None = None,
    notes: Sequence[str] = (),
    told: Told = silent,
) -> Explored:
    """Return what columns of rows are like.

    Args:
        rows: to be asked.
        paths: of the columns that are told; the others are set beside them.
        name: as it was asked for.
        project: whose models say how the label is split; None where there is no label.
        cases: the training set that the label is of.
        notes: what is to be known of the rows.
        told: of each step.
    """
    if rows.by is not None:
        require_told(rows.by)
    others = [one for one in rows.columns.values() if comparable(one)]
    chosen = [rows.columns[path] for path in paths]
    told("sample", 0, len(chosen))
    span, sample = span_of(rows), sample_of(rows, list(dict.fromkeys([*chosen, *others])))
    leaks: dict[str, tuple[str, ...]] = {}
    if rows.truth is not None and project is not None and cases is not None:
        asked = [one for one in others if one in chosen or len(chosen) > 1]
        try:
            leaks = suspects(project, cases, rows.truth, sample, asked)
        except ImportError:
            notes = (*notes, "suspects of leaks are not looked for: pip install 'headrace[learn]'")
    facets = []
    for at, column in enumerate(chosen):
        told(column.name, at, len(chosen))
        facets.append(_facet(rows, column, sample, others, span, leaks.get(column.name, ())))
    told(name, len(chosen), len(chosen))
    return Explored(
        name, rows.source, rows.count, clock.now_us(), tuple(facets), span, rows.truth, sample.drawn,
        None if rows.by is None else rows.by, (*notes, *leaks.get("", ())),
    )  # fmt: skip


def _facet(
    rows: Rows,
    column: Column,
    sample: Sample,
    others: Sequence[Column],
    span: tuple[int, int] | None,
    leaks: Sequence[str],
) -> Facet:
    spread = spread_of(rows, column)
    periods = None if span is None else periods_of(rows, column, spread, span)
    against = None
    if rows.truth is not None:
        bins = against_of(rows, column, spread)
        value = information_value(bins) if rows.truth.task == "binary" else None
        alone = None
        if comparable(column):
            alone = alone_of(is_category(column), rows.truth.task, sample.values[column.path], sample.y)
        against = Against(bins, value, alone)
    segments = () if rows.by is None else segments_of(rows, column, spread)
    return Facet(column, spread, periods, against, segments, together(sample, column, others), tuple(leaks))
