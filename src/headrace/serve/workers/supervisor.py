"""The supervisor: lets generations of processes answer, begins anew those that die, and renews all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.wire.listen import Entry
from headrace.serve.workers.child import Child, ending
from headrace.serve.workers.crew import CHANGED, Crew, Generation, Plan, changed
from headrace.serve.workers.held import Held, held
from headrace.serve.workers.line import Said, faults_of
from headrace.serve.workers.watch import Watch

_STEADY_S = 60.0
"""After so long a process that dies is begun anew at once."""
_LONGEST_S = 30.0
"""Between two beginnings of a process that dies again and again."""
_ALONE_S = 1.0
"""The same, where no other worker answers."""
_PATIENCE_S = 60.0
"""How long a step of a process may take on which others wait."""
_LOADING_S = 600.0
"""How long a process that is begun anew may load; one that is to doubt its state reads all of it."""
_TRIES = 3
"""As often a project is loaded whose files change meanwhile."""
_DOUBTED = (-signal.SIGBUS, -signal.SIGSEGV, -signal.SIGABRT)
"""Ends that a page of the state may have caused that is none."""
_log = logging.getLogger("headrace.serve")

Told = Callable[[str, Sequence[str], Sequence[Fault]], None]


def supervise(plan: Plan, way: Entry, bound: socket.socket, told: Told) -> None:
    """Answer with several processes until told to stop.

    SIGTERM and Ctrl-C end all of them in their order; SIGHUP loads the project anew.

    Args:
        plan: what is to be supervised.
        way, bound: how one gets in, and the socket that was bound for it.
        told: is called when all is ready.

    Raises:
        HeadraceError: HR-SERVE-011 where one runs already, and why the processes cannot begin, as ``Office``.
    """
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with held(plan.state_dir, bound) as all_held:
        one = Supervisor(plan, way, all_held)
        heard = asyncio.run(one.run(lambda services, faults: told(way.url(bound), services, faults)))
    if heard:
        signal.signal(heard, before[signal.Signals(heard)])  # who waits for it still has to clear up
        signal.raise_signal(heard)


class Supervisor:
    """Generations of processes, one after the other.

    Args:
        plan: what is to be supervised.
        way: how one gets in.
        held: what all processes inherit.
    """

    def __init__(self, plan: Plan, way: Entry, held: Held) -> None:
        self._plan, self._guarded = plan, way.guarded
        self._crew = Crew(plan, way, held, self._said)
        self._watch = Watch(plan.folder, plan.state_dir)
        self._now: Generation | None = None
        self._old: list[Generation] = []
        self._heard = 0
        self._news = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self._beginning: asyncio.Future[Generation] | None = None
        self._begun_at, self._renew_again = 0.0, False
        self._tasks = set[asyncio.Task[None]]()
        self._reloaded: dict[str, Any] = {}
        self._loading_us = 0

    async def run(self, told: Callable[[Sequence[str], Sequence[Fault]], None]) -> int:
        """Supervise until a signal comes; return which."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self._hear, one)
        loop.add_signal_handler(signal.SIGHUP, self.renew)
        beginning = asyncio.ensure_future(self._crew.begin(""))
        stopped = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([beginning, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not beginning.done():
                beginning.cancel()
                return self._heard
            now = beginning.result()
            await self._enthrone(now)
            ready = await now.workers[0].made_ready()
            told(ready.services, faults_of(ready))
            if self._plan.watch:
                self._task(self._watching())
            await stopped
        finally:
            await self._end()
        return self._heard

    def renew(self) -> None:
        """Load the project anew, beside what answers; while that goes on, once more behind it."""
        if self._now is None:
            return
        if self._renewing is not None and not self._renewing.done():
            self._renew_again = True
            if self._beginning is not None:  # what hangs must not keep what is newer out
                asyncio.get_running_loop().call_at(self._begun_at + _PATIENCE_S, self._beginning.cancel)
            return
        self._renewing = self._task(self._renewed())

    # -- generations

    async def _enthrone(self, new: Generation) -> None:
        """Let a generation answer in the place of the one before, which ends when its requests have ended."""
        before, self._now = self._now, new
        if before is not None:
            self._old.append(before)
            before.keeper.tell("retire")
            with contextlib.suppress(HeadraceError):  # one that died does not write any more either
                await before.keeper.until("released", _PATIENCE_S)
        new.keeper.tell("begin", **_left_by(before))
        try:
            await new.keeper.until("charged", None if before is None else _PATIENCE_S)
        except HeadraceError as error:
            if before is None:
                raise
            _log.error("%s", error)  # it is begun anew, as one that dies later
            new.keeper.kill()
        for one in new.workers:
            one.tell("begin")
        for one in new.every:
            self._task(self._watched(new, one))
        if before is not None:
            for one in before.workers:
                one.tell("retire")
            self._task(self._buried(before))
        self._stand()

    async def _buried(self, old: Generation) -> None:
        for one in old.every:
            if not one.begun:
                one.kill()
            await one.ended()
            self._crew.leave(one)
        self._old.remove(old)
        self._agree()

    async def _renewed(self) -> None:
        """Take one step from the code that answers to that of the files."""
        self._renew_again, left = True, _TRIES
        while self._renew_again and not self._heard:
            self._renew_again = False
            assert self._now is not None
            beside = self._now.state
            try:
                new = await self._loaded(beside)
            except asyncio.CancelledError:
                if self._heard or not self._renew_again:
                    raise
                _log.warning(
                    "a load of the project that took longer than %g s is given up for a newer one", _PATIENCE_S
                )
                continue
            except HeadraceError as error:
                left -= 1
                if error.faults[0].code == CHANGED and left:
                    self._renew_again = True
                else:
                    self._tell_reload(error.faults)
                continue
            if beside != self._now.state:  # it was made anew meanwhile
                await self._crew.ended(new.every)
                self._renew_again = True
                continue
            await self._enthrone(new)
            self._tell_reload([])
        self._renewing = None
        self._agree()

    async def _loaded(self, beside: str) -> Generation:
        """Load what the files declare now, beside what answers, and tell since when while that goes on."""
        self._begun_at = asyncio.get_running_loop().time()
        self._beginning = asyncio.ensure_future(self._crew.begin(beside))
        self._loading_us = clock.now_us()
        self._stand()
        try:
            return await self._beginning
        finally:
            self._beginning, self._loading_us = None, 0

    def _tell_reload(self, faults: Sequence[Fault]) -> None:
        why = "; ".join(str(fault) for fault in faults)
        # whoever has no token may ask whether all is ready: what a user's own code says is not for them
        shown = ", ".join(fault.code for fault in faults) if self._guarded else why
        self._reloaded = {"at": clock.now_us(), "serves": not faults, "why": shown}
        if faults:
            _log.error("the new declaration stays out, the one before serves on: %s", why)
        else:
            _log.warning("the new declaration serves")
        self._stand()

    # -- processes

    async def _watched(self, generation: Generation, child: Child) -> None:
        """Begin a process anew when it dies, as long as its generation answers."""
        kind, wait = ("keeper" if child.task.keeps else "worker"), 0.0
        while True:
            code = await child.ended()
            self._crew.uncounted(child)
            if self._heard or generation is not self._now:
                self._crew.leave(child)
                return
            lived = asyncio.get_running_loop().time() - child.begun_at
            wait = 0.0 if lived > _STEADY_S else min(_LONGEST_S, max(0.5, 2 * wait))
            if not child.task.keeps and not generation.answering:
                wait = min(wait, _ALONE_S)  # nobody else answers meanwhile
            _log.error("a %s ended (%s); it begins anew in %g s", kind, ending(code), wait)
            self._stand()
            await asyncio.sleep(wait)
            if self._heard or generation is not self._now:
                return
            try:
                child = await self._crew.again(generation, child, doubt=code in _DOUBTED)
            except HeadraceError as error:
                _log.error("%s", error)
                continue
            await self._ready_again(generation, child)

    async def _ready_again(self, generation: Generation, child: Child) -> None:
        """Let a process answer that was begun anew; one that cannot is ended."""
        try:
            ready = await child.made_ready(_LOADING_S)
            if ready.prints != generation.prints:
                self.renew()
                raise HeadraceError(changed())
            if generation is not self._now:  # which took its place meanwhile
                child.kill()
                return
            if child.task.keeps:
                child.tell("begin", **_left_by(self._old[-1] if self._old else None))
                await child.until("charged", _PATIENCE_S)
            else:
                child.tell("begin")
        except HeadraceError as error:
            _log.error("%s", error)
            child.kill()
        self._agree()
        self._stand()

    def _stand(self) -> None:
        """Tell all workers how all of them are."""
        if self._now is None:
            return
        answering, keeper = len(self._now.answering), self._now.keeper.answers
        standing: Mapping[str, Any] = {
            "workers": {"wanted": self._plan.workers, "answering": answering, "keeper": keeper},
            "generation": self._now.number,
        }
        if self._reloaded:
            standing = {**standing, "reload": self._reloaded}
        if self._loading_us:
            standing = {**standing, "loading_since": self._loading_us}
        for one in self._now.workers:
            one.tell("standing", standing=standing)

    # -- the state from which all of them serve

    def _said(self, child: Child, said: Said) -> None:
        """Hear that a champion stays out, that the state is damaged, was made anew, or that a worker has gone over."""
        now = self._now
        if now is None or child not in now.every:
            return
        if said.what == "outside":  # it may be the one that a declaration lacked which stays out, too
            if self._renewing is not None or self._reloaded.get("serves") is False:
                self.renew()
            return
        if said.what == "damaged":
            now.keeper.tell("damaged", state=said.state)
            return
        child.state = said.state
        if said.what == "renewed":
            now.state = said.state
        self._agree()

    def _agree(self) -> None:
        """See to it that all read the same state; when they do, nobody needs another one any more."""
        now = self._now
        if now is None:
            return
        behind = [one for one in now.answering if one.state != now.state]
        for one in behind:
            one.tell("state", state=now.state)
        if not behind and not self._old and self._renewing is None:
            now.keeper.tell("alone", state=now.state)

    # -- the end

    def _hear(self, number: int) -> None:
        if self._heard:  # a second time: without patience
            self._crew.kill()
        self._heard = number
        self._news.set()

    async def _end(self) -> None:
        if self._renewing is not None and not self._renewing.done():
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        await self._crew.stop()
        for task in tuple(self._tasks):
            task.cancel()

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if await asyncio.to_thread(self._watch.changed):
                self.renew()

    def _task(self, work: Awaitable[None]) -> asyncio.Task[None]:
        async def told() -> None:
            try:
                await work
            except HeadraceError as error:
                _log.error("%s", error)

        task = asyncio.get_running_loop().create_task(told())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _left_by(before: Generation | None) -> Mapping[str, str]:
    """What a keeper is told of the state from which others serve until they have ended."""
    return {} if before is None else {"state": before.state, "slots": before.slots}
