"""The state of keys as a worker of events has it: a running service keeps it up, or else the worker does so itself."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Event

from headrace import clock
from headrace.errors import HeadraceError
from headrace.lake.lock import exclusive
from headrace.online import State, slots_of
from headrace.online.build import place_of
from headrace.plan.meaning import Plan
from headrace.serve.drain import drain
from headrace.serve.intake import Intake
from headrace.serve.loaded import Loaded
from headrace.serve.rebuilding import Rebuilding
from headrace.serve.settling import settle_sources
from headrace.serve.spool import Spool, Ticking
from headrace.serve.taken import keys_of

_REST_S = 0.002
_LOOK_S = 1.0
"""How often a worker looks whether the state is another one, or whether it is to keep it up from now on."""


class Keeping:
    """Gives a worker the state of the keys that some plans need, as far as it has come.

    Args:
        loaded: the project.
        plans: of the services.
        spool: with the log of live events.
    """

    def __init__(self, loaded: Loaded, plans: Sequence[Plan], spool: Spool) -> None:
        self._loaded, self._plans, self._spool = loaded, plans, spool
        self._slots, self._folder = slots_of(plans), loaded.state_dir / "online"
        self._lake = loaded.lake()
        self._held, self._looked = ExitStack(), float("-inf")
        self._intake: Intake | None = None
        self._rebuilding: Rebuilding | None = None
        self._state: State | None = None

    @property
    def keeps(self) -> bool:
        """Whether it keeps the state up itself."""
        return self._intake is not None

    def close(self) -> None:
        """Let go of the state; what this process has kept up is where it belongs."""
        with self._held:
            if self._intake is not None:
                self._intake.let_go()
        if self._state is not None:
            self._state.close()
            self._state = None

    def state(self, stop: Event) -> State | None:
        """Return the state as it is now, None where told to stop before there is one."""
        while not stop.is_set():
            self._look()
            if self._state is not None:
                return self._state
            stop.wait(_LOOK_S)
        return None

    def reached(self, wanted: dict[str, int], stop: Event) -> bool:
        """Wait until the state has applied streams up to some sequences; False where told to stop before."""
        while not stop.is_set():
            state = self._state
            if state is None:
                return False
            if all(state.position(name) >= last for name, last in wanted.items() if name in state.sources):
                return True
            if self._intake is not None:
                self._intake.catch_up()
                continue
            self._look()
            stop.wait(_REST_S)
        return False

    def _look(self) -> None:
        if self._intake is not None or clock.monotonic_s() - self._looked < _LOOK_S:
            return
        self._looked = clock.monotonic_s()
        if self._take_charge():
            return
        place = place_of(self._folder, self._slots)
        if self._state is not None and self._state.folder == place:
            return
        if self._state is not None:
            self._state.close()
            self._state = None
        if (place / "data.mdb").exists():
            self._state = State(place, self._slots)

    def _take_charge(self) -> bool:
        """Keep the state up from now on, unless a service does."""
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._loaded.state_dir / "serving.lock", wait_s=0))
            except HeadraceError as error:
                if error.faults[0].code != "HR-LAKE-009":
                    raise
                return False
            if self._state is not None:
                self._state.close()
            drain(self._loaded)
            settle_sources(self._loaded.project, self._lake)
            self._rebuilding = Rebuilding(self._plans, self._lake, self._folder)
            stack.callback(self._rebuilding.close)
            self._state = self._rebuilding.open()
            streams = dict(self._loaded.project.streams)
            keys = keys_of(streams, self._lake, self._spool)
            now = Ticking(self._spool.clock())
            self._intake = Intake(streams, self._lake, self._spool, self._state, now, keys)
            with contextlib.suppress(Exception):
                self._intake.catch_up()
            self._held = stack.pop_all()
        return True
