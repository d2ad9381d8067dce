"""The offices of several processes: one keeps events, state and the lake, the others decide."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headrace.online import State
from headrace.online.build import others_like
from headrace.serve.answers import Give, repeated
from headrace.serve.deciding import Pending
from headrace.serve.desk import Desk
from headrace.serve.drain import drain_events, drain_records, journals, last_committed, spool_of
from headrace.serve.fields import Row
from headrace.serve.intake import Post, layout
from headrace.serve.journal import identity, segments
from headrace.serve.judging import judge_live
from headrace.serve.loaded import Loaded
from headrace.serve.office import Office
from headrace.serve.record import Record
from headrace.serve.workers.cases import SharedCases
from headrace.serve.workers.claims import Claims
from headrace.serve.workers.forward import forward
from headrace.serve.workers.given import Given
from headrace.serve.workers.part import Part, workers_of


class Worker(Office):
    """Decides; events go to the keeper.

    Args:
        loaded: the project.
        part: its seat.
        keeper: path of the socket on which the keeper takes events.
        tell: says something to the supervisor.

    Raises:
        HeadraceError: as for an office.
    """

    def __init__(self, loaded: Loaded, part: Part, keeper: Path, tell: Callable[..., None]) -> None:
        super().__init__(loaded, part=part)
        self._keeper, self._tell = keeper, tell
        self.journal.prepare()  # who is answered first by it does not wait for that
        self._claims = Claims(workers_of(loaded.state_dir) / "cases", self.spool.record_of)
        self._stack.callback(self._claims.close)
        self._shared = SharedCases(self._claims, self.spool, self.journal, self.lake, self._veiled)
        self._cases.close()
        self._cases, self._deciding.shared = self._shared, self
        self._repeating = set[asyncio.Task[None]]()

    async def take(self, stream: str, bodies: Sequence[bytes]) -> dict[str, Any]:
        """Hand live events to the keeper; when this returns they are durable, and in the state that all read."""
        return await forward(self._keeper, stream, bodies)

    async def settle(self) -> None:
        """Let new champions serve, and see what the keeper has moved."""
        await self._renew()
        self._shared.drop({})
        self._deciding.missing = await asyncio.to_thread(self._missing)
        if not self.stateless:
            await self._take_over()
        self._drained = await asyncio.to_thread(last_committed, self.lake, self.desks, self.journal.id)
        self._cases.settle(self._drained)

    def close(self) -> None:
        """Finish what waits and let go: the keeper brings the records into the lake."""
        with self._stack:
            self._deciding.close()
            self.meters.post()

    async def _renew(self) -> None:
        """Go over to a state that the keeper has made anew; where one is wanted, say so."""
        new, old = await asyncio.to_thread(self.rebuilding.look, self.state, self._without_state), self.state
        if new is not None:
            self._go_over(new)
            self.rebuilding.replaced(old)
            self._tell("taken", state=new.folder.name)
        elif self._without_state:
            self._tell("damaged", state=self._given.refused or old.folder.name)

    def told_state(self, name: str) -> None:
        """Know which state is to be read from now on."""
        self._given.wanted = name

    @property
    def _given(self) -> Given:
        assert isinstance(self.rebuilding, Given)
        return self.rebuilding

    # -- cases of other workers

    def claim(self, some: Sequence[Pending], last: int) -> Sequence[bool]:
        """Return which rows no other worker has decided first."""
        return self._claims.claim([one.case for one in some], self.journal.id, last)

    def give_back(self, some: Sequence[Pending]) -> None:
        """Let others decide what could not be written here."""
        self._shared.drop({one.case: (self.journal.id, one.number) for one in some if one.case is not None})

    def elsewhere(self, one: Pending) -> None:
        """Give a row the answer of the worker that decided it first."""
        task = asyncio.get_running_loop().create_task(self._repeat(one))
        self._repeating.add(task)  # a loop holds its tasks weakly
        task.add_done_callback(self._repeating.discard)

    async def _repeat(self, one: Pending) -> None:
        try:
            record = await self._shared.elsewhere(one)
        except Exception as error:  # noqa: BLE001 - whatever it is, who asks gets an answer
            if not one.answer.done():
                one.answer.set_exception(error)
                one.answer.exception()
            return
        if one.answer.done():
            return
        if record is None:
            self._deciding.again(one, asyncio.get_running_loop())
            return
        assert one.repeat is not None
        one.record_id = record["record_id"]
        one.answer.set_result(one.repeat(record))

    def _submit(
        self, desk: Desk, row: Row, case: bytes | None, asked: tuple[int, bool, float | None], give: Give
    ) -> asyncio.Future[Any]:
        answer = super()._submit(desk, row, case, asked, give)
        if (pending := self._shared.under_way(case)) is not None:
            explain, with_features, _ = asked
            pending.repeat = partial(_given, explain, with_features, give)
        return answer


class Keeper(Office):
    """Writes events and state, moves records, compares them with history; it decides nothing.

    It begins beside the keeper of before, if there is one: what it needs is loaded and built, and nothing is written
    that the other one writes. ``take_charge`` ends that.
    """

    def __init__(self, loaded: Loaded, part: Part, tell: Callable[..., None]) -> None:
        super().__init__(loaded, part=part)
        self._tell = tell
        self._claims = Claims(workers_of(loaded.state_dir) / "cases", self.spool.record_of)
        self._stack.callback(self._claims.close)
        self.meters.gauge("headrace_workers", lambda: 0)
        self._left_behind, self._left = False, list[Path]()
        self._charged = False
        if part.beside:  # posts wait from when the one of before has ended until this one has begun
            for keys in self._keys.values():
                keys.read()

    def take_charge(self, before: State | None = None) -> None:
        """Begin to write; no other process does any more.

        Args:
            before: the state from which others serve until they have ended, where that is another one.
        """
        for name, stream in self._project.streams.items():
            if self.spool.layout(name) != layout(stream) and self.spool.events_waiting(name):
                with self.lake.lock(name):
                    drain_events(self.spool, self.lake, stream)
        self.keep()
        self.intake.catch_up()
        self.intake.before = before
        self._left = [] if before is None else [before.folder]
        self._charged = True

    def alone(self, state: str) -> None:
        """Know that all read one state: what others left is moved, what they read is removed."""
        if self._charged and state == self.state.folder.name:
            self.intake.parted = self._left_behind = True

    def distrust(self, state: str) -> None:
        """Know that a worker has found a state damaged, or has none."""
        if self._charged and state == self.state.folder.name:
            self.intake.damaged = True

    async def settle(self) -> None:
        """Bring live events into the lake, catch up with it, and move records when there are many."""
        await self._renew()
        await asyncio.wrap_future(self._posts.submit(Post()))
        self._deciding.missing = self._missing()
        if self.intake.drained:
            self.intake.drained = False
            await asyncio.to_thread(judge_live, self._project, self.lake)
        if not self.stateless:
            await self._take_over()
        await asyncio.to_thread(self.compare)
        await asyncio.to_thread(self.shadows.look)
        await asyncio.to_thread(self._move)
        for one in (self.state, self.spool, self._claims):
            one.forget_readers()

    def release(self) -> None:
        """Write no more, and leave everything where it is: who comes next goes on with it."""
        if self._charged:
            self._posts.close()
            self.intake.let_go()
        self._charged = False
        self.meters.post()

    def close(self) -> None:
        """Let go of everything, where it is."""
        with self._stack:
            self.release()
            self._deciding.close()

    def finish(self) -> None:
        """Bring all that waits into the lake, and let go."""
        with self._stack:
            self._deciding.close()
            if self._charged:
                self._posts.close()
                self.intake.close()
            self._drain()
            judge_live(self._project, self.lake)

    async def _renew(self) -> None:
        """Make the state anew where it has to be; the one of before is written to until nobody reads it any more."""
        if self.intake.before is not None:
            return
        old = self.state
        await super()._renew()
        if self.state is not old:
            self._tell("renewed", state=self.state.folder.name)

    async def _take_over(self) -> None:
        """Let new champions serve; where one stays out, say so: another declaration may be what it was made for."""
        before = self.changes
        await super()._take_over()
        if any(not one.serves for one in self.changes if one not in before):
            self._tell("outside")

    def _go_over(self, state: State) -> None:
        if not self.stateless:
            self.intake.before, self.intake.parted = self.state, False
        self._left_behind = False
        super()._go_over(state)

    def _move(self) -> None:
        """Move records when a file of some journal is full, or its process is gone."""
        folder = spool_of(self._loaded.state_dir)
        full = any(len(segments(one)) > 1 for one in journals(folder))
        if (self._left_behind and not self.rebuilding.under_way) or full or self.shadows.due():
            if self._left_behind and not self.rebuilding.under_way and self.intake.before is None:
                self._left_behind = False
                for folder in (*self._left, *others_like(self.state.folder)):
                    shutil.rmtree(folder, ignore_errors=True)
            drain_records(self.spool, folder, self.lake)
            ids = [identity(one) for one in journals(folder)]
            self._claims.settle({id: last_committed(self.lake, self.desks, id) for id in ids})


def _given(explain: int, with_features: bool, give: Give, record: Record) -> Any:
    return give(repeated(record, explain, with_features))
