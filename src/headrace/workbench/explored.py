"""``plot()``: what a declared value is like, from the project around it or from the frame that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.declare import Features, Project, Stream, TrainingSet, node_id
from headrace.declare.base import here
from headrace.errors import Fault, HeadraceError, nearest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from headrace.explore import Explored
    from headrace.run import LoadedProject

    Values = Callable[[pa.Table], pd.DataFrame]


def plot(
    node: Stream | Features | TrainingSet,
    part: str,
    by: str,
    of: str,
    folder: Path | str | None,
    using: Features | Sequence[Features] = (),
    values: Values | None = None,
) -> Explored:
    """Return what a declared value is like; see ``Features.plot``.

    Args:
        node: the value.
        part: name of a feature or field; empty for all.
        by, of, folder, using: as there.
        values: gives the features of a group at each row of a table.
    """
    source = node.source if isinstance(node, Features) else node
    frame = getattr(source, "frame", None)  # of Stream.from_frame
    if folder is None and frame is not None and isinstance(source, Stream) and not isinstance(node, TrainingSet):
        return _of_frame(node, source, frame if values is None else _beside(values(frame), frame), part, by)
    from headrace.explore import explore
    from headrace.run import find_folder, load_project

    loaded = load_project(find_folder(Path.cwd() if folder is None else Path(folder)))
    return explore(_declaring(loaded, node, using), f"{node.name}.{part}" if part else node.name, by=by, of=of)


def _declaring(
    loaded: LoadedProject, node: Stream | Features | TrainingSet, using: Features | Sequence[Features]
) -> LoadedProject:
    """The project of the folder; where that declares the value otherwise, or not, one of this value alone.

    Not by equality: the contracts of a file that was executed twice are not the same classes.
    """
    from headrace.plan.words import words

    theirs = loaded.project.nodes().get(node_id(node))
    if theirs is not None and repr(theirs) == repr(node) and words(theirs) == words(node):
        return loaded
    if isinstance(node, Features):
        others = (using,) if isinstance(using, Features) else tuple(using)
        return replace(loaded, project=Project("notebook", features=[node, *others]))
    if isinstance(node, TrainingSet):
        return replace(loaded, project=Project("notebook", training_sets=[node]))
    return replace(loaded, project=Project("notebook", sources=[node]))


def _beside(features: pd.DataFrame, table: pa.Table) -> pa.Table:
    """The features of each row, and then the row itself."""
    import pyarrow as pa

    made = pa.Table.from_pandas(features, preserve_index=False)
    for name in table.column_names:
        made = made.append_column(name, table.column(name))
    return made


def _of_frame(node: Stream | Features, source: Stream, table: pa.Table, part: str, by: str) -> Explored:
    """The rows of a frame, or what a group of features was at each of them."""
    from headrace.audit.data.origins import Tagged
    from headrace.explore import explored
    from headrace.explore.rows import frame_rows

    group = f"{node.name}." if isinstance(node, Features) else ""
    wanted = [name for name in table.column_names if name.startswith(group)]
    path = f"{group}{part}" if part else ""
    if path and path not in wanted:
        cure = nearest(part, [name.removeprefix(group) for name in wanted])
        raise HeadraceError(Fault("HR-EXPLORE-001", here(), f"{node.name} without {part!r}", "one that it has", cure))
    about = {name: Tagged(str(table.schema.field(name).type)) for name in table.column_names}
    prefix = "" if group else f"{node.name}."
    with frame_rows(table, about, source.event_time, f"the frame of {source.name}", prefix) as rows:
        if by and by not in rows.columns:
            fault = Fault("HR-EXPLORE-004", here(), f"by={by!r}", "a column of the frame", nearest(by, rows.columns))
            raise HeadraceError(fault)
        rows = replace(rows, by=rows.columns[by]) if by else rows
        return explored(rows, [path] if path else wanted, path or node.name)
