"""Building and catching up: what the lake holds beyond a state's position, each source in one transaction."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.column import from_arrow
from headrace.kernel.typing import Ints
from headrace.lake import Lake, Within
from headrace.online.slots import Slot, slots_of
from headrace.online.state import MAP_BYTES, State, layout_of
from headrace.plan.meaning import Plan
from headrace.types import LogicalType

MARGIN_US = 30 * 86_400_000_000
"""How much further back than the longest window state is kept: requests may be this much older than the data."""
_NEWEST, _MIDDLE = 0.999, 0.5
"""The share of events that decides what is newest, in all of history and in what is added to it: events that are dated
into the future by mistake must not empty the state."""
_ENOUGH = 1000
"""As many added events say how far time has gone on."""


@dataclass(frozen=True)
class _Learned:
    """What a table of the lake tells: rows with their order, how far they go, and whether they are all of it."""

    rows: pa.Table
    seq: Ints
    known: Ints
    position: int
    whole: bool


def build(plans: Iterable[Plan], lake: Lake, folder: Path, *, map_bytes: int = MAP_BYTES, alone: bool = True) -> State:
    """Return the state of the keys that some plans need, brought up to the lake.

    Another set of plans that needs the same holds the same state; what needs something else gets a folder of its own,
    and what nobody needs any more is removed.

    Args:
        plans: of the services.
        lake: with the tables of what the plans read; one that is not there yet has no rows.
        folder: of all state; the state itself is a folder in it, and may be deleted at any time.
        map_bytes: upper bound of its size.
        alone: whether nobody else reads other states of the folder; else they stay.

    Raises:
        HeadraceError: HR-ONLINE-002 when the disk is full.
    """
    slots = slots_of(plans)
    own = place_of(folder, slots)
    if alone:
        remove_others(own)
    state = State(own, slots, map_bytes)
    refresh(state, lake)
    return state


def place_of(folder: Path, slots: Sequence[Slot]) -> Path:
    """Return where the state of some slots is: the last that was made anew beside another, else the first."""
    own = Path(folder) / f"keys-{layout_of(slots)}"
    made = [one for one in own.parent.glob(f"{own.name}.*") if _generation(one)]
    return max(made, key=_generation, default=own)


def next_place(own: Path) -> Path:
    """Return where a state is made that is to take the place of another."""
    first = own.name.partition(".")[0]
    newest = max((_generation(one) for one in own.parent.glob(f"{first}.*")), default=0)
    return own.with_name(f"{first}.{newest + 1}")


def _generation(own: Path) -> int:
    number = own.suffix[1:]
    return int(number) if number.isdigit() else 0


def remove_others(own: Path) -> None:
    """Remove the states beside one that is needed, and what was never finished."""
    for other in own.parent.glob("keys-*"):
        if other != own:
            shutil.rmtree(other, ignore_errors=True)


def others_like(own: Path) -> list[Path]:
    """Return the states of the same slots beside one, also what stood in for one, or was never finished."""
    first = own.name.partition(".")[0]
    return [other for other in (own.parent / first, *own.parent.glob(f"{first}.*")) if other != own and other.exists()]


def rows_anew(state: State | None, slots: Sequence[Slot], lake: Lake) -> int:
    """Return how many rows of the lake have to be read as a whole before a state is what it should be.

    Args:
        state: as it was left; None for none.
        slots: that it is to hold.
        lake: with the sources.
    """
    there = [name for name in dict.fromkeys(slot.source for slot in slots) if lake.exists(name)]
    return sum(lake.rows(name) for name in there if state is None or _outdated(state, lake, name))


def knows_more(state: State, lake: Lake) -> bool:
    """Return whether a state has what the lake never had: it came from a lake or spool that is gone."""
    return any(state.position(one) > lake.sequence(one) for one in state.sources if _numbered(lake, one))


def _numbered(lake: Lake, source: str) -> bool:
    return not lake.exists(source) or "_seq" in lake.schema(source).names


def _outdated(state: State, lake: Lake, source: str) -> bool:
    version, before = lake.version(source), state.note(f"version {source}")
    return before != version and (before is None or not lake.only_grew(source, before))


def refresh(state: State, lake: Lake) -> dict[str, int]:
    """Apply what the lake has learned since; return how many events of each source that were."""
    return {name: refresh_one(state, lake, name) for name in state.sources if lake.exists(name)}


def refresh_one(state: State, lake: Lake, source: str) -> int:
    """Apply what the lake has learned of one source, which it has; return how many events that were."""
    version, before = lake.version(source), state.note(f"version {source}")
    if before == version:
        return 0
    slots = [slot for slot in state.slots if slot.source == source]
    read = None if before is None or not lake.only_grew(source, before) else state.note(f"read {source}")
    learned = _learned(lake, source, version, read, slots)
    done = 0 if learned.whole else state.position(source)
    chosen = np.arange(len(learned.seq)) if learned.whole else np.flatnonzero(learned.seq > done)
    with state.begin() as transaction:
        for slot in slots:
            if learned.whole:
                state.clear(transaction, slot)
            _fill(state, transaction, slot, learned, chosen)
        state.put_position(transaction, source, max(done, learned.position))
        if len(learned.known):
            state.put_newest(transaction, source, int(learned.known.max()))
        state.put_note(transaction, f"version {source}", version)
        state.put_note(transaction, f"read {source}", max(0 if read is None else read, learned.position))
    return len(chosen)


def _learned(lake: Lake, source: str, version: int, read: int | None, slots: Sequence[Slot]) -> _Learned:
    """Read the rows behind the last that was read, or all of them where that is None.

    A table made by a query has no sequence and is read, and replaced, as a whole.
    """
    schema, time = lake.schema(source, version), slots[0].time
    numbered = "_seq" in schema.names
    whole = read is None or not numbered
    columns = dict.fromkeys(name for slot in slots for name in slot.reads)
    ours = [name for name in ("_seq", "_known_at") if name in schema.names]
    wanted = lake.schema(source, version, [*columns, *ours])
    behind = None if whole or read is None else Within("_seq", low=read + 1)
    rows = pa.Table.from_batches(lake.batches(source, version=version, columns=wanted.names, within=behind), wanted)
    seq = np.asarray(rows["_seq"].to_numpy()) if numbered else np.arange(rows.num_rows, dtype=np.int64)
    # rows of a query count as known since they hold
    known = pc.coalesce(
        rows["_known_at" if "_known_at" in ours else time].cast(pa.int64()), rows[time].cast(pa.int64())
    )
    position = int(seq.max(initial=0)) if numbered else version
    return _Learned(rows, seq, np.asarray(known.to_numpy(), dtype=np.int64), position, whole)


def _fill(state: State, transaction: Any, slot: Slot, learned: _Learned, chosen: Ints) -> None:
    """Put the events that windows can still reach; when time has gone on by the margin, drop what they cannot."""
    time = from_arrow(learned.rows.column(slot.time), LogicalType("timestamp")).values
    floor = state.floor(transaction, slot)
    if slot.reach is not None and len(time) and (learned.whole or len(time) >= _ENOUGH):
        at = int((_NEWEST if learned.whole else _MIDDLE) * (len(time) - 1))
        reached = int(np.partition(time, at)[at]) - slot.reach - MARGIN_US
        if learned.whole or floor is None or reached >= floor + MARGIN_US:
            floor = reached
            state.forget(transaction, slot, floor)
    if floor is not None:
        chosen = chosen[time[chosen] >= floor]
    rows = learned.rows if len(chosen) == len(time) else learned.rows.take(pa.array(chosen))
    state.put_events(transaction, slot, rows, learned.seq[chosen], learned.known[chosen])
