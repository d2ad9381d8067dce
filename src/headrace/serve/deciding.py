"""Deciding: requests that wait are computed together, written together and answered together.

Nobody waits to make a group larger: what has arrived when the loop turns is one group, and while a group is on its way
to the disk the next one forms. So an idle service answers a single request at once, and a busy one pays for a look at
the state, for the model and for the disk once for many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from headrace import clock
from headrace.errors import HeadraceError
from headrace.online import State
from headrace.serve.commit import Committer
from headrace.serve.desk import Decided, Desk
from headrace.serve.fields import Row
from headrace.serve.journal import Frame, Journal
from headrace.serve.record import Context, packed

LARGEST = 64
"""Rows that are computed together: what waits behind them waits for all."""
_Group = tuple[Sequence[Frame], Mapping[str, bytes]]


@dataclass(frozen=True)
class Answered:
    """An answer that is on record."""

    desk: Desk
    decided: Decided
    record_id: str


@dataclass(eq=False)
class Pending:
    """A row that waits for its answer."""

    desk: Desk
    row: Row
    explain: int
    case: bytes | None
    begun: float
    answer: asyncio.Future[Answered]
    decided: Decided | None = field(default=None, init=False)
    number: int = field(default=0, init=False)


class Deciding:
    """The way of a row to its answer; used by one event loop at a time.

    Args:
        state: of the keys.
        journal: into which records go.
        number: the last that was given to a record of this journal.
        contexts: by service.
        now: microseconds UTC.
    """

    def __init__(
        self,
        state: State,
        journal: Journal,
        number: int,
        contexts: Mapping[str, Context],
        now: Callable[[], int],
    ) -> None:
        self._state, self._journal, self._number, self._now = state, journal, number, now
        self._contexts = contexts
        self._waiting: list[Pending] = []
        self._writer: Committer[_Group, None] = Committer(self._write, "records")

    @property
    def number(self) -> int:
        """The last number that was given to a record."""
        return self._number

    def submit(self, desk: Desk, row: Row, explain: int, case: bytes | None) -> Pending:
        """Take a row in; its ``answer`` is there once it is on record, or says why there is none."""
        loop = asyncio.get_running_loop()
        pending = Pending(desk, row, explain, case, clock.monotonic_s(), loop.create_future())
        if not self._waiting:
            loop.call_soon(self._turn, loop)
        self._waiting.append(pending)
        return pending

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.close()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Decide what has arrived."""
        some, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        if self._waiting:
            loop.call_soon(self._turn, loop)
        by_desk: dict[int, list[Pending]] = {}
        for one in some:
            by_desk.setdefault(id(one.desk), []).append(one)
        for mine in by_desk.values():
            self._decide(mine, loop)

    def _decide(self, some: Sequence[Pending], loop: asyncio.AbstractEventLoop) -> None:
        desk, now = some[0].desk, self._now()
        try:
            found = desk.decide_all([one.row for one in some], self._state, now, [one.explain for one in some])
        except Exception as error:  # noqa: BLE001 - whatever it is, each of them gets an answer
            for one in some:
                _refuse(one, error)
            return
        context, frames, good = self._contexts[desk.service.name], list[Frame](), list[Pending]()
        ended = clock.monotonic_s()
        for one, decided in zip(some, found, strict=True):
            if isinstance(decided, HeadraceError):
                _refuse(one, decided)
                continue
            self._number += 1
            one.decided, one.number = decided, self._number
            spent = round((ended - one.begun) * 1e6)
            frames.append((one.number, packed(context, decided, now, spent, one.case)))
            good.append(one)
        if frames:
            written = self._writer.submit((frames, {context.name: context.packed()}))
            written.add_done_callback(lambda done: _tell(loop, self._answer, good, done))

    def _write(self, groups: Sequence[_Group]) -> list[Exception | None]:
        contexts = {name: said for _, some in groups for name, said in some.items()}
        self._journal.append([frame for frames, _ in groups for frame in frames], contexts)
        return [None] * len(groups)

    def _answer(self, some: Sequence[Pending], written: Future[None]) -> None:
        error = written.exception()
        for one in some:
            if error is not None:
                _refuse(one, error)
            elif not one.answer.done():
                assert one.decided is not None
                one.answer.set_result(Answered(one.desk, one.decided, f"{self._journal.id}-{one.number}"))


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: Callable[[Sequence[Pending], Future[None]], None],
    some: Sequence[Pending],
    written: Future[None],
) -> None:
    if not loop.is_closed():  # a service that ended has nobody to tell
        loop.call_soon_threadsafe(answer, some, written)


def _refuse(one: Pending, error: BaseException) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
        one.answer.exception()  # a client that went away does not ask for it
