"""Values of features for the rows of a frame: brings frames into the shape of the lake and asks the batch engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.declare import Contract, Features, Field, Stream, Table, contract_of
from headrace.declare.base import here, type_fault
from headrace.declare.nested import whole
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import Timestamp
from headrace.workbench.frames import as_type, reaching, to_arrow
from headrace.workbench.sources import Stream as FramedStream

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from headrace.lake import Lake
    from headrace.plan.meaning import Plan
    from headrace.workbench.frames import Frame

Read = Callable[[str, Sequence[str]], "pa.Table"]


def values(
    group: Features,
    using: Features | Sequence[Features],
    spine: Frame,
    events: Frame | Mapping[str, Frame] | None,
    folder: Path | str | None,
) -> pd.DataFrame:
    """Return the features of a group at each row of a spine; see ``Features.values``."""
    from headrace.engines import batch
    from headrace.plan.compile import compile_features

    table = to_arrow(spine, "the spine")
    groups = _groups(group, using)
    plan = compile_features(groups, _spine_stream(group, table))
    rows = _spine(table, plan)
    found = batch.features(plan, rows, _reader(plan, groups, _named(events, group), folder))
    wanted = [output.name for output in plan.outputs if output.name.startswith(f"{group.name}.")]
    frame: pd.DataFrame = found.select(wanted).to_pandas()
    index = getattr(spine, "index", None)
    return frame if index is None else frame.set_index(index)


def _groups(group: Features, using: Any) -> tuple[Features, ...]:
    """The group itself, and those that its features name."""
    others = (using,) if not isinstance(using, list | tuple) else tuple(using)
    wrong = [one for one in others if not isinstance(one, Features)]
    if wrong:
        raise HeadraceError(type_fault(here(), "using", one, "Features") for one in wrong)
    return (group, *(one for one in others if one.name != group.name))


def _spine_stream(group: Features, table: pa.Table) -> Stream:
    """What the rows are: events of the group's own stream, or for state any rows with the keys and one time."""
    if isinstance(group.source, FramedStream) and group.source.frame is not None:
        return Stream(group.source.name, reaching(group.source.contract, table))
    if isinstance(group.source, Stream):
        return group.source
    times = [one.name for one in table.schema if _is_time(one.type)]
    if len(times) != 1:
        found = f"the spine with {len(times)} columns of timestamps"
        cure = "leave out the others, e.g. spine[['customer_id', 'at']]"
        raise HeadraceError(Fault("HR-WORKBENCH-009", here(), found, "one, which says when each row happened", cure))
    known = group.source.contract.fields() if group.source.contract else {}
    keys = {name: replace(known[name], role="") for name in (group.by.keys if group.by else ()) if name in known}
    return Stream("spine", contract_of("Spine", {times[0]: Field(type=Timestamp, role="event_time"), **keys}))


def _is_time(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_timestamp(kind))


def _named(events: Any, group: Features) -> dict[str, Any]:
    if events is None:
        return {}
    return dict(events) if isinstance(events, Mapping) else {group.source.name: events}


def _spine(table: pa.Table, plan: Plan) -> pa.Table:
    """The columns of the rows that features read; a key may come twice, as one case may be asked about again.

    A row that says when it became known sees what was known by then, as in a training set.
    """
    assert plan.spine is not None
    known = plan.spine.contract.fields() | _summed(plan)
    needed = tuple(dict.fromkeys(whole(name, known) for name in plan.row_columns))
    learned = plan.spine.contract.role("known_time")
    if learned in table.column_names:
        needed = tuple(dict.fromkeys((*needed, str(learned))))
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise HeadraceError(_missing(name, table, "the spine") for name in missing)
    fields = {name: replace(known[name], role="" if known[name].role == "key" else known[name].role) for name in needed}
    rows = _validated(contract_of("Spine", fields), table, "the spine")
    return rows.append_column("_known_at", rows.column(str(learned))) if learned in rows.column_names else rows


def _summed(plan: Plan) -> dict[str, Field]:
    """What the row itself brings into sums is held to the bounds within which they are exact."""
    found: dict[str, Field] = {}
    for window in plan.windows:
        fields = window.stream.contract.fields()
        read = {whole(name, fields) for one in window.aggregations if one.include_current for name in one.reads}
        found |= {name: fields[name] for name in read}
    return found


def _reader(plan: Plan, groups: Sequence[Features], events: Mapping[str, Any], folder: Path | str | None) -> Read:
    """Return what reads a source: its frame where there is one, else the project's lake."""
    sources = {one.source.name: one.source for one in groups}
    unknown = [name for name in events if name not in sources]
    if unknown:
        expected = "a source of the features"
        raise HeadraceError(
            Fault("HR-WORKBENCH-008", here(), f"events of {name!r}", expected, nearest(name, sources))
            for name in unknown
        )
    ready = {name: _events(source, events.get(name), plan) for name, source in sources.items() if name in plan.sources}

    def read(name: str, columns: Sequence[str]) -> pa.Table:
        found = ready[name]
        if found is not None:
            return found
        return _lake(folder).read(name, columns=[*columns, "_seq", "_known_at"])

    return read


def _lake(folder: Path | str | None) -> Lake:
    from headrace.lake import Lake
    from headrace.run import find_folder, read_settings

    at = find_folder(Path.cwd() if folder is None else Path(folder))
    return Lake(read_settings(at).chosen.lake_in(at))


def _events(source: Stream | Table, given: Any, plan: Plan) -> pa.Table | None:
    """The frame of a source as the lake would have it: its columns, when each row was known, and the order."""
    import pyarrow as pa

    if given is None and isinstance(source, FramedStream):
        given = source.frame
    if given is None or source.contract is None:
        return None
    what = f"events of {source.name}"
    table = to_arrow(given, what)
    fields, known = source.contract.fields(), source.contract.role("known_time")
    read = dict.fromkeys(whole(name, fields) for name in plan.sources[source.name])
    needed = list(read) + ([known] if known in table.column_names else [])
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise HeadraceError(_missing(str(name), table, what) for name in missing)
    if isinstance(source, FramedStream) and source.frame is not None:
        summed = {
            whole(name, fields)
            for one in plan.windows
            if one.stream.name == source.name
            for each in one.aggregations
            for name in each.reads
        }
        fields = fields | {name: replace(one, ge=None, le=None) for name, one in fields.items() if name not in summed}
    kept = contract_of(source.contract.name, {str(name): fields[str(name)] for name in needed})
    rows = _validated(kept, table, what)
    moment = known if known in table.column_names else source.contract.role("event_time") or _holds_from(source)
    rows = rows.append_column("_seq", pa.array(range(1, rows.num_rows + 1), pa.int64()))
    return rows.append_column("_known_at", rows.column(str(moment)))


def _holds_from(source: Stream | Table) -> str:
    return (source.contract.role("valid_from") if source.contract else None) or ""


def _validated(contract: type[Contract], table: pa.Table, what: str) -> pa.Table:
    from headrace.contracts import readable, validate

    fields = contract.fields()
    kinds = {name: table.schema.field(name).type for name in fields}
    wrong = [name for name, field in fields.items() if not readable(field, kinds[name])]
    if wrong:
        raise HeadraceError(_mistyped(what, fields[name], kinds[name]) for name in wrong)
    result = validate(contract, table.select(list(contract.fields())), None, what)
    if result.quarantined.num_rows:
        said = ", ".join(f"{rule} ({count:,} rows)" for rule, count in result.counts.items())
        cure = "leave them out or mend them; a project would put them into quarantine"
        if any(rule.startswith("HR-DATA-004") for rule in result.counts):
            cure += "; or widen the bounds in the contract of the stream: hr.field(ge=…, le=…)"
        found = f"{result.quarantined.num_rows:,} rows of {what} that break the contract: {said}"
        raise HeadraceError(Fault("HR-WORKBENCH-006", here(), found, "rows that keep it", cure))
    return result.accepted


def _mistyped(what: str, field: Field, kind: pa.DataType) -> Fault:
    found, expected = f"{what}: {field.name!r} is {kind}", f"{field.type!r}, or what can be read as it"
    return Fault("HR-WORKBENCH-012", here(), found, expected, as_type(field.name, kind, field.type))


def _missing(name: str, table: pa.Table, what: str) -> Fault:
    cure = nearest(name, table.column_names)
    return Fault(
        "HR-WORKBENCH-007", here(), f"{what} without the column {name!r}", "all columns that the features read", cure
    )
