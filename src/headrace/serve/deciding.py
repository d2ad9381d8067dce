"""Deciding: requests that wait are computed together, written together and answered together.

An idle service decides a single request at once. While records are on their way to the disk those of others would
only wait behind them, so what arrives meanwhile is one group, decided when they are there, or when it is large. So a
busy service pays for a look at the state, for the model and for the disk once for many, and nobody waits for more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import lmdb

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.online import State
from headrace.online.room import is_damage
from headrace.serve.commit import Committer
from headrace.serve.desk import Decided, Desk
from headrace.serve.fields import Row
from headrace.serve.journal import Frame, Journal
from headrace.serve.metrics import Meters
from headrace.serve.rebuilding import mended, without_state
from headrace.serve.record import Context, Record, packed
from headrace.serve.swap import Recent

LARGEST = 64
"""Rows that are computed together: what waits behind them waits for all."""
_ENOUGH = 16
"""Rows that do not wait for the disk: to compute more together would save little."""
_TOOLATE = "a deadline that passed before the row was decided"
LATE = Fault("HR-SERVE-016", "", _TOOLATE, "time left", "allow more time, or send fewer at once")
_log = logging.getLogger("headrace.serve")
_Group = tuple[Sequence[Frame], Mapping[str, bytes]]


Render = Callable[["Pending"], Any]
"""Makes of a row that was decided what its asker gets."""


class Shared(Protocol):
    """What several processes that decide tell each other of their cases."""

    def claim(self, some: Sequence[Pending], last: int) -> Sequence[bool]:
        """Return which rows are ours to decide; their records follow the last number."""
        ...

    def elsewhere(self, one: Pending) -> None:
        """See to it that a row gets the answer of another process."""
        ...

    def give_back(self, some: Sequence[Pending]) -> None:
        """Tell that rows got no record."""
        ...


@dataclass(eq=False, slots=True)
class Pending:
    """A row that waits for its answer.

    Args:
        desk, row, explain: what is asked.
        case: name of the case; None where the rows have no key.
        begun: when it came in, and ``deadline`` until when an answer is of use, on the clock of ``monotonic_s``.
        answer: what ``render`` gives, once it is on record; or why there is none.
        decided, record_id: what was decided, and where it is on record.
        repeat: makes the answer of a record that another process has; None where there is no other.
        kept: the record, packed, with its context.
    """

    desk: Desk
    row: Row
    explain: int
    case: bytes | None
    begun: float
    deadline: float | None
    render: Render
    answer: asyncio.Future[Any]
    decided: Decided | None = field(default=None, init=False)
    number: int = field(default=0, init=False)
    record_id: str = field(default="", init=False)
    repeat: Callable[[Record], Any] | None = field(default=None, init=False)
    kept: tuple[Context, bytes] | None = field(default=None, init=False)


class Deciding:
    """The way of a row to its answer; used by one event loop at a time.

    Args:
        state: of the keys.
        journal: into which records go.
        number: the last that was given to a record of this journal.
        contexts: by desk.
        now: microseconds UTC.
        meters: of this process.

    ``missing`` are the sources that were never loaded, ``recent`` the last rows; ``lost`` counts answers at best effort
    that have no record. ``rebuilding`` is whether there is no state to go by: none yet, or one of which pages were
    altered, so that a key may be there and not be found. ``altered`` is whether something of it was found damaged.
    """

    def __init__(
        self,
        state: State,
        journal: Journal,
        number: int,
        contexts: Mapping[Desk, Context],
        now: Callable[[], int],
        meters: Meters,
    ) -> None:
        self.state, self._journal, self._number, self._now = state, journal, number, now
        self.rebuilding, self.altered = False, False
        self._contexts, self._meters = contexts, meters
        self._waiting: list[Pending] = []
        self._called, self._seen, self._writing = False, 0, 0
        self.lost, self._losing, self._refusing = 0, False, False
        self.missing: Collection[str] = ()
        self.recent = Recent()
        self._writer: Committer[_Group, None] = Committer(self._write, "records")
        self.shared: Shared | None = None

    @property
    def number(self) -> int:
        """The last number that was given to a record."""
        return self._number

    def submit(
        self, desk: Desk, row: Row, explain: int, case: bytes | None, deadline: float | None, render: Render
    ) -> Pending:
        """Take a row in; its ``answer`` is there once it is on record, or says why there is none."""
        loop = asyncio.get_running_loop()
        pending = Pending(desk, row, explain, case, clock.monotonic_s(), deadline, render, loop.create_future())
        self.again(pending, loop)
        return pending

    def again(self, pending: Pending, loop: asyncio.AbstractEventLoop) -> None:
        """Let a row be decided that has no answer yet."""
        self._waiting.append(pending)
        self._call(loop)

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.close()

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let what has arrived be decided, if it need not wait."""
        if self._waiting and not self._called and (not self._writing or len(self._waiting) >= _ENOUGH):
            self._called = True
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Decide what has arrived, when a look at the sockets has brought nothing more."""
        if self._seen < len(self._waiting) < LARGEST:
            self._seen = len(self._waiting)
            loop.call_soon(self._turn, loop)
            return
        self._called, self._seen = False, 0
        some, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        by_desk: dict[Desk, list[Pending]] = {}
        now = clock.monotonic_s()
        for one in some:
            if one.deadline is not None and one.deadline <= now:
                self._refuse(one, HeadraceError(LATE))
            elif not one.answer.done():  # its client is gone
                by_desk.setdefault(one.desk, []).append(one)
        for desk, mine in by_desk.items():
            try:
                self._decide(desk, mine, loop)
            except Exception as error:  # noqa: BLE001 - whatever it is, each of them gets an answer
                for one in mine:
                    self._refuse(one, error)
        self._call(loop)

    def _decide(self, desk: Desk, some: Sequence[Pending], loop: asyncio.AbstractEventLoop) -> None:
        now = self._now()
        found = self._found(desk, some, now)
        context, frames, good = self._contexts[desk], list[Frame](), list[Pending]()
        ended = clock.monotonic_s()
        if self.shared is not None:
            some, found = self._claimed(self.shared, some, found)
        for one, decided in zip(some, found, strict=True):
            if isinstance(decided, HeadraceError):
                self._refuse(one, decided)
                continue
            self._number += 1
            one.decided, one.number = decided, self._number
            one.record_id = f"{self._journal.id}-{one.number}"
            spent = round((ended - one.begun) * 1e6)
            try:
                one.kept = context, packed(context, decided, now, spent, one.case)
            except Exception as wrong:  # noqa: BLE001 - the others go on record
                self._refuse(one, wrong)
                if self.shared is not None:
                    self.shared.give_back([one])
                continue
            frames.append((one.number, one.kept[1]))
            good.append(one)
            self.recent.note(desk.service.name, one.row, decided.decision)
        if frames:
            written = self._writer.submit((frames, {context.name: context.packed}))
            if self.shared is not None:
                written.add_done_callback(partial(_given_back, self.shared, good))
            if desk.service.record == "durable":
                self._writing += 1
                written.add_done_callback(lambda done: _tell(loop, self._written, good, done.exception(), loop))
            else:
                written.add_done_callback(partial(self._kept, len(frames)))
                self._answer(good, None)

    def _found(self, desk: Desk, some: Sequence[Pending], now: int) -> Sequence[Decided | HeadraceError]:
        rows, explain = [one.row for one in some], [one.explain for one in some]
        if self.rebuilding:
            return [without_state(desk, row, now) for row in rows]
        try:
            found = desk.decide_all(rows, self.state, now, explain, self.missing, self._meters.stage)
        except (HeadraceError, lmdb.Error) as error:
            if not is_damage(error):
                raise
            self.altered = self.rebuilding = True
            return [without_state(desk, row, now) for row in rows]
        done, altered = mended(desk, rows, found, now)
        self.altered |= altered
        return done

    def _claimed(
        self, shared: Shared, some: Sequence[Pending], found: Sequence[Decided | HeadraceError]
    ) -> tuple[Sequence[Pending], Sequence[Decided | HeadraceError]]:
        """Leave out the rows whose case another process has decided first: they get its answer."""
        good = [one for one, decided in zip(some, found, strict=True) if not isinstance(decided, HeadraceError)]
        try:
            free = shared.claim(good, self._number)
        except HeadraceError as error:
            return list(some), [decided if isinstance(decided, HeadraceError) else error for decided in found]
        taken = {id(one) for one, ours in zip(good, free, strict=True) if not ours}
        left = [(one, decided) for one, decided in zip(some, found, strict=True) if id(one) not in taken]
        for one in good:
            if id(one) in taken:
                shared.elsewhere(one)
        return [one for one, _ in left], [decided for _, decided in left]

    def _write(self, groups: Sequence[_Group]) -> list[Exception | None]:
        contexts = {name: said for _, some in groups for name, said in some.items()}
        begun, frames = clock.monotonic_s(), [frame for some, _ in groups for frame in some]
        self._journal.append(frames, contexts)
        self._meters.stage("record", clock.monotonic_s() - begun, len(frames))
        return [None] * len(groups)

    def _kept(self, count: int, written: Future[None]) -> None:
        """Count the answers that have no record; the first of a spell is told, and its end."""
        error = written.exception()
        if error is not None:
            if not self._losing:
                _log.error("%s: from now on answers of a service with record='best_effort' have no record", error)
            self.lost += count
        elif self._losing:
            _log.warning("records are kept again; %d answers in all have none", self.lost)
        self._losing = error is not None

    def _written(self, some: Sequence[Pending], error: BaseException | None, loop: asyncio.AbstractEventLoop) -> None:
        """Answer rows whose records are on the disk, and turn to those that waited for it."""
        self._writing -= 1
        if (error is not None) != self._refusing:
            self._refusing = error is not None
            if error is not None:
                _log.error("%s: until records can be written again, nothing is answered", error)
            else:
                _log.warning("records can be written again, and rows are answered")
        self._answer(some, error)
        self._call(loop)

    def _answer(self, some: Sequence[Pending], error: BaseException | None) -> None:
        ended = clock.monotonic_s()
        for one in some:
            if error is not None:
                self._refuse(one, error)
                continue
            assert one.decided is not None
            self._meters.answered(one.desk.service.name, one.decided.decision, ended - one.begun, one.record_id)
            if not one.answer.done():
                try:
                    one.answer.set_result(one.render(one))
                except Exception as wrong:  # noqa: BLE001 - the others get their answers
                    self._refuse(one, wrong)

    def _refuse(self, one: Pending, error: BaseException) -> None:
        if not one.answer.done():
            one.answer.set_exception(error)
            one.answer.exception()  # a client that went away does not ask for it


def _given_back(shared: Shared, some: Sequence[Pending], written: Future[None]) -> None:
    if written.exception() is not None:
        shared.give_back(some)


def _tell(loop: asyncio.AbstractEventLoop, told: Callable[..., None], *what: Any) -> None:
    if not loop.is_closed():  # a service that ended has nobody to tell
        loop.call_soon_threadsafe(told, *what)
