"""The state of keys as it lies on the disk: what it holds, and making it anew when somebody asks for that."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from headrace.errors import Fault, HeadraceError
from headrace.lake.lock import exclusive
from headrace.online import State, build, slots_of
from headrace.online.build import place_of
from headrace.online.room import intact
from headrace.plan import compile_set
from headrace.plan.meaning import Plan
from headrace.serve.drain import drain
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.rebuilding import ask_to_rebuild


@dataclass(frozen=True)
class KeptState:
    """What a state holds.

    Args:
        chunks: pieces of events, by ``source by keys``: at least one for each key that has any.
        applied: source to the last sequence (or version) that was applied.
        bytes: on the disk.
    """

    chunks: dict[str, int]
    applied: dict[str, int]
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {"chunks": self.chunks, "applied": self.applied, "bytes": self.bytes}


def kept_state(loaded: Loaded) -> KeptState | None:
    """Return what the state of a project's services holds, None where there is none.

    Raises:
        HeadraceError: HR-SERVE-001 for a project without services; HR-ONLINE-001 for files that are damaged.
    """
    slots = slots_of(_plans(loaded))
    own = place_of(loaded.state_dir / "online", slots)
    if not own.exists():
        return None
    if not intact(own):
        cure = "headrace state rebuild; a service does so by itself when it starts"
        raise HeadraceError(Fault("HR-ONLINE-001", "", "a state that was cut short", "what was written", cure))
    state = State(own, slots)
    try:
        return _told(state)
    finally:
        state.close()


def rebuild(loaded: Loaded) -> KeptState | None:
    """Make the state of a project's services anew; a service that runs is asked to, and does so beside.

    Returns:
        What it holds, or None where a running service was asked.

    Raises:
        HeadraceError: HR-SERVE-001 for a project without services; HR-ONLINE-002 when the disk is full.
    """
    plans, folder = _plans(loaded), loaded.state_dir / "online"
    lock = exclusive(loaded.state_dir / "serving.lock", wait_s=0)
    try:
        lock.__enter__()
    except HeadraceError:
        ask_to_rebuild(folder)
        return None
    try:
        drain(loaded)
        shutil.rmtree(folder, ignore_errors=True)
        state = build(plans, loaded.lake(), folder)
        try:
            return _told(state)
        finally:
            state.close()
    finally:
        lock.__exit__(None, None, None)


def _plans(loaded: Loaded) -> list[Plan]:
    return [compile_set(one.model.cases) for one in services_of(loaded).values()]


def _told(state: State) -> KeptState:
    sizes = state.size()
    held = sizes.pop("bytes")
    return KeptState(sizes, {one: state.position(one) for one in state.sources}, held)
