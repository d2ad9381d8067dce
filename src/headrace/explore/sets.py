"""Where features and labels come from: training sets as they are built, or one of our own made in the same way."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.declare import Features, Project, Stream, TrainingSet
from headrace.errors import Fault, HeadraceError, nearest
from headrace.explore.rows import Joined
from headrace.plan.lineage import Lineage

if TYPE_CHECKING:
    from headrace.engines.job import Progress
    from headrace.lake import Lake
    from headrace.learn.trainingset import BuiltSet


def chosen_set(project: Project, sets: Sequence[TrainingSet], wanted: str, what: str) -> TrainingSet | None:
    """Return one of the sets that tell of something: the one that is wanted, else first those that models learn from.

    Raises:
        HeadraceError: HR-EXPLORE-005 for one that is not among them.
    """
    if wanted:
        named = {one.name: one for one in sets}
        if wanted not in named:
            found = f"--set {wanted}, which does not tell of {what}"
            cure = nearest(wanted, named) or "leave --set out: no training set does"
            raise HeadraceError(Fault("HR-EXPLORE-005", "", found, "a training set that does", cure))
        return named[wanted]
    learned = {model.cases.name for model in project.all_models.values()}
    return next(iter(sorted(sets, key=lambda one: (one.name not in learned, one.label is None))), None)


def sets_with(project: Project, group: Features) -> list[TrainingSet]:
    """Return the training sets that have a group of features."""
    return [one for one in project.all_training_sets.values() if any(group.name == each.name for each in one.features)]


def sets_of(project: Project, spine: Stream) -> list[TrainingSet]:
    """Return the training sets whose cases are events of a stream, and which have a label."""
    every = project.all_training_sets.values()
    return [one for one in every if one.spine.name == spine.name and one.label is not None]


def newest(cases: TrainingSet, state_dir: Path) -> BuiltSet | None:
    """Return a set as it was built last, None where it never was."""
    from headrace.learn.trainingset import open_set

    known = sorted(
        (state_dir / "sets" / cases.name).glob("*/manifest.json"), key=lambda one: (one.stat().st_mtime_ns, one)
    )
    whole = [path for path in known if "." not in path.parent.name]
    return open_set(whole[-1].parent) if whole else None


def own_set(project: Project, group: Features, graph: Lineage | None) -> TrainingSet:
    """Return a set for a group that no training set has: it is asked about at each event of its own stream.

    Raises:
        HeadraceError: HR-EXPLORE-006 for a group of a table, of which nobody says when it is asked.
    """
    if not isinstance(group.source, Stream):
        found = f"{group.name}, of the table {group.source.name}, which no training set has"
        cure = f"name {group.name} in the features= of an hr.TrainingSet(…): its spine says when they are asked for"
        raise HeadraceError(Fault("HR-EXPLORE-006", group.place, found, "features that a training set has", cure))
    read = set() if graph is None else {one.of for one in graph.upstream(f"features:{group.name}").nodes.values()}
    others = [one for name, one in project.feature_groups.items() if f"features:{name}" in read and name != group.name]
    return TrainingSet(f"explore_{group.name}"[:63], group.source, (*others, group))


def built_own(cases: TrainingSet, lake: Lake, state_dir: Path, told: Progress) -> BuiltSet:
    """Build a set of our own, in a folder of its own; those of older versions go."""
    from headrace.learn.trainingset import build

    built = build(cases, lake, state_dir / "explore", told)
    for other in built.path.parent.iterdir():
        if other != built.path:
            shutil.rmtree(other, ignore_errors=True)
    return built


def joined_of(project: Project, cases: TrainingSet, built: BuiltSet) -> Joined | None:
    """Return the label of a built set, with the columns that name its rows; None where it has none."""
    label = built.manifest.get("label")
    if label is None or cases.label is None:
        return None
    task = next((one.task.name for one in project.all_models.values() if one.cases.name == cases.name), "")
    says = f"{cases.label.value} of {cases.label.source.name}, after {cases.label.matures}"
    return Joined(built, keys_of(cases, built.manifest["columns"]), f"{cases.name}.label", says, task)


def keys_of(cases: TrainingSet, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns of the spine that name a row in a set; none where the spine has no key."""
    keys = cases.spine.contract.key_fields()
    named = (*keys, cases.spine.event_time)
    return named if keys and all(one in columns for one in named) else ()
