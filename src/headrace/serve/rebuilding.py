"""The state of keys made anew: at the start, where that takes long, or while a service runs, where it was damaged.

It is made beside, by a process of its own. Meanwhile rows that need it are done as the service declares.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lmdb

from headrace import clock
from headrace.declare.situations import REFUSE, SITUATIONS, done_in
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.online import State, slots_of
from headrace.online.beside import Beside
from headrace.online.build import knows_more, next_place, place_of, refresh, remove_others, rows_anew
from headrace.online.checking import sound
from headrace.online.room import intact, is_damage, no_room
from headrace.online.state import MAP_BYTES
from headrace.plan.meaning import Plan
from headrace.serve.desk import Decided, Desk
from headrace.serve.fields import Row
from headrace.serve.situations import REFUSED

SITUATION = "rebuilding"
QUICK_ROWS = 2_000_000
"""As many rows of the lake are read before a service answers at all: some seconds."""
_PATIENCE_S = 30.0
"""How long after a state could not be made it is tried again."""
_EMPTY_BYTES = 64 << 20
_ASKED, _OPEN = "rebuild", "open"
STAND_IN = ".empty"
"""How the name of a state ends that has nothing in it, until the one in whose place it stands is made."""
_DISTRUSTED = 2
"""After so many ends in a row at which the state was not closed it is read as a whole before it is used: what ended the
service may be a page that is none, and LMDB would meet it again."""
_log = logging.getLogger("headrace.serve")


class Rebuilding:
    """Gives a project's services their state, and makes it anew where it has to be.

    Args:
        plans: of the services.
        lake: of the project.
        folder: of all state.
    """

    def __init__(self, plans: Iterable[Plan], lake: Lake, folder: Path) -> None:
        self._slots, self._lake, self._folder = slots_of(plans), lake, Path(folder)
        self._beside: Beside | None = None
        self._rests_until, self._unclosed = 0.0, 0
        self._old: list[State] = []

    def open(self) -> State:
        """Return the state, brought up to the lake; one without anything in it where making it anew takes long.

        Raises:
            HeadraceError: HR-ONLINE-002 when the disk is full.
        """
        (self._folder / _ASKED).unlink(missing_ok=True)
        own = place_of(self._folder, self._slots)
        remove_others(own)
        self._unclosed = _number(self._folder / _OPEN)
        with no_room():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / _OPEN).write_text(str(self._unclosed + 1))
        return self._made(own)

    def _made(self, own: Path, wait: bool = False) -> State:
        """Return the state of a place, brought up to the lake; an empty one where that takes long and nobody waits."""
        state = self._left(own)
        if not wait and rows_anew(state, self._slots, self._lake) > QUICK_ROWS:
            if state is not None:
                state.close()
            shutil.rmtree(own, ignore_errors=True)
            self._begin(own)
            return self._empty(own)
        if state is not None:
            if self._caught_up(state):
                return state
            _tell_damage()
            state.close()
            shutil.rmtree(own)
        state = State(own, self._slots)
        refresh(state, self._lake)
        return state

    def _caught_up(self, state: State) -> bool:
        """Bring a state up to the lake; return whether that met no damage."""
        try:
            refresh(state, self._lake)
            return True
        except (HeadraceError, lmdb.Error) as error:
            if not is_damage(error):
                raise
            return False

    def _left(self, own: Path) -> State | None:
        """The state as it was left; None, and nothing in its place, where none is of use."""
        if not own.exists():
            return None
        state = self._opened(own, doubt=self._unclosed >= _DISTRUSTED)
        if state is None:
            _tell_damage()
        elif not knows_more(state, self._lake):
            return state
        else:
            state.close()
        shutil.rmtree(own)
        return None

    def _empty(self, own: Path) -> State:
        """Return what stands in for a state until it is made."""
        return State(self._stand_in(own), self._slots, _EMPTY_BYTES)

    def _stand_in(self, own: Path) -> Path:
        return own.with_name(own.name.partition(".")[0] + STAND_IN)

    def _opened(self, own: Path, doubt: bool) -> State | None:
        if not intact(own) or (doubt and not sound(own)):
            return None
        return self._tried(own)

    def _tried(self, own: Path) -> State | None:
        try:
            return State(own, self._slots)
        except (HeadraceError, lmdb.Error) as error:
            if not is_damage(error):
                raise
            return None

    @property
    def under_way(self) -> bool:
        """Whether a state is being made anew."""
        return self._beside is not None

    def progress(self) -> dict[str, Any]:
        """Return how far it is, nothing where none is being made: rows in all and done, after each source."""
        beside = self._beside
        if beside is None:
            return {}
        since = round(clock.monotonic_s() - beside.began_s, 1)
        return {"rows": beside.rows, "done": beside.done, "seconds": since}

    def look(self, state: State, wanted: bool) -> State | None:
        """Return the state that was made anew, once it is there; begin with one where it is wanted.

        Args:
            state: that is used now.
            wanted: whether it was found damaged, or is not there yet.
        """
        self._close_old()
        beside = self._beside
        if beside is None:
            asked = self._folder / _ASKED
            if (wanted or asked.exists()) and clock.monotonic_s() >= self._rests_until:
                asked.unlink(missing_ok=True)
                self._begin(next_place(state.folder))
            return None
        if not beside.ended:
            return None
        self._beside = None
        if beside.failed:
            self._rests_until = clock.monotonic_s() + _PATIENCE_S
            _log.error("the state of keys could not be made anew: %s; it is tried again", beside.failed)
            return None
        return State(beside.folder, self._slots)

    def replaced(self, old: State) -> None:
        """Let go of a state soon, when nobody reads it any more."""
        _log.warning("the state of keys was made anew and is used from now on")
        self._old.append(old)

    def _close_old(self) -> None:
        while self._old:
            self._let_go(self._old.pop())

    def _let_go(self, old: State) -> None:
        old.close()
        shutil.rmtree(old.folder, ignore_errors=True)

    def close(self) -> None:
        """End what is under way."""
        if self._beside is not None:
            self._beside.close()
            self._beside = None
        for old in self._old:
            old.close()
        self._old = []
        (self._folder / _OPEN).unlink(missing_ok=True)

    def _begin(self, folder: Path) -> None:
        _log.warning("the state of keys is made anew beside; what needs it is done as the services declare")
        self._beside = Beside(self._slots, self._lake, folder, MAP_BYTES)


def ask_to_rebuild(folder: Path) -> None:
    """Ask the service that uses the state in a folder to make it anew."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / _ASKED).touch(0o600)


def without_state(desk: Desk, row: Row, now: int) -> Decided | HeadraceError:
    """Return the decision that a service declares for a row whose state is being made anew, or why there is none.

    Args:
        desk: of the service.
        row: as the reader gave it.
        now: microseconds UTC.
    """
    done = done_in(desk.service.when, SITUATION)
    if done == REFUSE:
        return HeadraceError(refusal(f"as {desk.service.name} declares"))
    names = [one.name for one in desk.plan.outputs]
    known, nothing = max(row[desk.moment], now), [None] * len(names)
    return Decided(row, names, nothing, None, done, known, {}, [], (SITUATION,))


def refusal(expected: str) -> Fault:
    """Return what is said where nothing is answered for it."""
    return Fault(REFUSED, "", SITUATIONS[SITUATION], expected, "ask again in a while")


def mended(
    desk: Desk, rows: Sequence[Row], found: Sequence[Decided | HeadraceError], now: int
) -> tuple[Sequence[Decided | HeadraceError], bool]:
    """Return decisions, those of rows whose state was altered as is declared for that; and whether there were any."""
    if all(isinstance(one, Decided) for one in found):
        return found, False
    wrong = [isinstance(one, HeadraceError) and is_damage(one) for one in found]
    pairs = zip(rows, found, wrong, strict=True)
    return [without_state(desk, row, now) if bad else one for row, one, bad in pairs], any(wrong)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _tell_damage() -> None:
    _log.warning("the state of keys was damaged; it is made anew from the lake")
