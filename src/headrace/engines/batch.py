"""Features for a table of rows at once, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from headrace.declare import Contract, Stream, Table
from headrace.engines.compute import features as computed
from headrace.engines.frame import Frame, feature_array, frame
from headrace.errors import Fault, HeadraceError
from headrace.plan.meaning import Plan

Read = Callable[[str, Sequence[str]], pa.Table]
"""Given the name of a stream or table and the columns wanted, returns its rows (with ``_seq`` and ``_known_at``)."""


def features(plan: Plan, spine: pa.Table, read: Read, *, event_time: str | None = None) -> pa.Table:
    """Return the rows of a spine, in order, with one more column for each feature.

    Args:
        plan: what to compute.
        spine: rows; needs the plan's ``row_columns``. With ``_known_at`` and ``_seq`` a row sees what was known
            before it; without, it sees what was known at its event time.
        read: gives the rows of a stream or table.
        event_time: column of the moment; by default that of the plan's spine.

    Returns:
        pa.Table: ``spine`` and the features, named ``group.feature``.

    Raises:
        HeadraceError: when a column is missing or of another type, or a row has no time.
    """
    contract = row_contract(plan)
    moment = event_time or (plan.spine.event_time if plan.spine is not None else contract.role("event_time") or "")
    names = tuple(dict.fromkeys((moment, *plan.row_columns)))
    rows = frame(spine, names, contract, "the spine")
    if rows.columns[moment].valid is not None:
        found = f"{int((~rows.columns[moment].mask).sum())} rows of the spine without {moment}"
        cure = f"leave them out: df[df[{moment!r}].notna()]"
        raise HeadraceError(Fault("HR-FRAME-004", "", found, "a time in every row", cure))
    made = computed(plan, rows, moment, source_frames(plan, read))
    for output in plan.outputs:
        spine = spine.append_column(output.name, feature_array(made[output.name]))
    return spine


def source_frames(plan: Plan, read: Read) -> dict[str, Frame]:
    """Read what a plan needs."""
    frames = {}
    contracts = source_contracts(plan)
    for name, columns in plan.sources.items():
        frames[name] = frame(read(name, columns), columns, contracts[name], name)
    return frames


def source_contracts(plan: Plan) -> dict[str, type[Contract]]:
    """Return the contracts of the streams and tables that a plan reads."""
    declared: list[Stream | Table] = [group.stream for group in plan.windows]
    declared += [group.table for group in plan.states]
    if plan.label is not None:
        declared.append(plan.label.label.source)
    return {one.name: one.contract for one in declared if one.contract is not None}


def row_contract(plan: Plan) -> type[Contract]:
    """Return the contract of the rows: the spine's, or for a bare frame that of the first source which has the keys."""
    if plan.spine is not None:
        return plan.spine.contract
    for contract in source_contracts(plan).values():
        if set(plan.row_columns) <= set(contract.columns()):
            return contract
    found = f"rows with {', '.join(plan.row_columns)}, which no source has together"
    cure = "give spine= a stream whose contract has all of them"
    raise HeadraceError(Fault("HR-FRAME-005", "", found, "a spine= stream", cure))
