"""The state that several processes read: the keeper makes it, also anew, and the workers go over to it when told."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from headrace.lake import Lake
from headrace.online import State
from headrace.online.build import place_of
from headrace.online.checking import sound
from headrace.plan.meaning import Plan
from headrace.serve.rebuilding import Rebuilding

_log = logging.getLogger("headrace.serve")


class Given(Rebuilding):
    """The state of one of several processes.

    Where the one that others serve from is damaged, an empty one stands in for it: rows that need it are done as their
    services declare, until the keeper has made it anew.

    Args:
        plans, lake, folder: as for one process.
        keeps: whether this is the keeper.
        beside: name of the state that others serve from; empty where none do.
        doubt: whether that is read as a whole before it is used.

    ``wanted`` is the name of the state that a worker is to read, ``refused`` that of one which it found damaged.
    """

    def __init__(
        self, plans: Iterable[Plan], lake: Lake, folder: Path, keeps: bool, beside: str, doubt: bool = False
    ) -> None:
        super().__init__(plans, lake, folder)
        self._keeps, self._others, self._doubt = keeps, beside, doubt
        self._stands_in = False
        self.wanted, self.refused = beside, ""

    def open(self) -> State:
        """Return the state; that from which others serve is not written to by whoever opens it."""
        if not self._others:
            return super().open()
        own = place_of(self._folder, self._slots)
        if not _alike(own.name, self._others):
            return self._made(own, wait=True)  # what a new declaration needs is whole before it answers
        state = self._trusted(self._others)
        if state is None:
            self._stands_in = True
            state = self._empty(own)
        return state

    @property
    def under_way(self) -> bool:
        return self._stands_in or super().under_way

    def look(self, state: State, wanted: bool) -> State | None:
        """Return a state to go over to: for the keeper when it was made anew, for a worker when it was told to."""
        if self._keeps:
            return super().look(state, wanted)
        self._close_old()
        return None if self.wanted in (state.folder.name, self.refused) else self._trusted(self.wanted)

    def replaced(self, old: State) -> None:
        """Let go of a state soon; the keeper writes to it until nobody reads it any more."""
        self._stands_in = False
        if self._keeps:
            _log.warning("the state of keys was made anew, and the workers go over to it")
        else:
            self._old.append(old)

    def _let_go(self, old: State) -> None:
        old.close()

    def _trusted(self, name: str) -> State | None:
        """The state of a name; None for one that is damaged, and for what only stands in for one."""
        place = self._folder / name
        # that its file is shorter than its pages are numbered says nothing while the keeper writes
        good = place != self._stand_in(place) and (not self._doubt or sound(place))
        state = self._tried(place) if good else None
        self.refused, self._doubt = ("" if state is not None else name), False
        return state


def _alike(one: str, other: str) -> bool:
    return one.partition(".")[0] == other.partition(".")[0]
