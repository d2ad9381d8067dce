"""The supervisor: holds the sockets, begins the processes that answer, begins anew those that die, and renews all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.metrics import clear
from headrace.serve.wire.limits import Limits
from headrace.serve.wire.listen import Entry
from headrace.serve.workers.child import Child, ending
from headrace.serve.workers.line import Task, faults_of
from headrace.serve.workers.part import in_use, workers_of
from headrace.serve.workers.shares import Shares, made
from headrace.serve.workers.watch import Watch

_BACKLOG = 2_048
_STEADY_S = 60.0
"""After so long a process that dies is begun anew at once."""
_LONGEST_S = 30.0
"""Between two beginnings of a process that dies again and again."""
_TRIES = 3
"""As often a project is loaded whose files change meanwhile."""
CHANGED = "HR-SERVE-024"
_log = logging.getLogger("headrace.serve")

Told = Callable[[str, Sequence[str], Sequence[Fault]], None]


@dataclass(frozen=True)
class Plan:
    """What is to be supervised.

    Args:
        folder, target, state_dir: of the project.
        workers: how many processes decide.
        watch: whether the project is loaded anew when its files change.
        limits: of each worker.
        grpc_port: where the bare models answer by gRPC; None for nowhere.
    """

    folder: Path
    target: str | None
    state_dir: Path
    workers: int
    watch: bool
    limits: Limits
    grpc_port: int | None


@dataclass(eq=False)
class Generation:
    """Processes of one load of the project."""

    number: int
    keeper: Child
    workers: list[Child] = field(default_factory=list)
    prints: str = ""
    state: str = ""

    @property
    def every(self) -> list[Child]:
        return [self.keeper, *self.workers]


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
    with _held(plan.state_dir / "serving.lock") as lock, _room() as room, _listening(room / "keeper") as keeper:
        shared = workers_of(plan.state_dir)
        shutil.rmtree(shared / "cases", ignore_errors=True)
        if (shared / "figures").exists():
            clear(shared / "figures")
        bound.listen(_BACKLOG)
        one = Supervisor(plan, way, bound, keeper, lock, room / "keeper")
        heard = asyncio.run(one.run(lambda services, faults: told(way.url(bound), services, faults)))
    if heard:
        signal.raise_signal(heard)


class Supervisor:
    """Generations of processes, one after the other.

    Args:
        plan: what is to be supervised.
        way: how one gets in.
        bound: socket of the services.
        keeper: socket on which the keeper takes events, and its path.
        lock: descriptor of the lock that no other service may have; each process has it, so that one which outlives
            the supervisor keeps the next one away.
    """

    def __init__(
        self, plan: Plan, way: Entry, bound: socket.socket, keeper: socket.socket, lock: int, path: Path
    ) -> None:
        self._plan, self._way, self._bound, self._keeper, self._lock, self._path = plan, way, bound, keeper, lock, path
        self._shares, self._alone = made(), made()
        self._counts = Shares(self._shares, 0)
        self._watch = Watch(plan.folder, plan.state_dir)
        self._now: Generation | None = None
        self._old: list[Generation] = []
        self._seats: dict[int, Child] = {}
        self._number = 0
        self._heard = 0
        self._news = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self._renew_again = False
        self._tasks = set[asyncio.Task[None]]()
        self._reloaded: dict[str, Any] = {}

    async def run(self, told: Callable[[Sequence[str], Sequence[Fault]], None]) -> int:
        """Supervise until a signal comes; return which."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self._hear, one)
        loop.add_signal_handler(signal.SIGHUP, self.renew)
        beginning = asyncio.ensure_future(self._begin(""))
        stopped = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([beginning, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not beginning.done():
                beginning.cancel()
                return self._heard
            now = beginning.result()
            await self._enthrone(now)
            ready = now.workers[0].ready
            assert ready is not None
            told(ready.services, faults_of(ready))
            watching = self._task(self._watching()) if self._plan.watch else None
            await stopped
            if watching is not None:
                watching.cancel()
        finally:
            await self._end()
        return self._heard

    def renew(self) -> None:
        """Load the project anew, beside what answers; while that goes on, once more behind it."""
        if self._now is None:
            return
        if self._renewing is not None and not self._renewing.done():
            self._renew_again = True
            return
        self._renewing = self._task(self._renewed())

    # -- generations

    async def _begin(self, beside: str) -> Generation:
        """Begin the processes of a generation, up to where each could answer.

        Raises:
            HeadraceError: why one of them cannot; then none of them is left.
        """
        self._number += 1
        keeper = await self._child(self._seat(), keeps=True, beside=beside, trial=bool(beside))
        generation = Generation(self._number, keeper)
        try:
            ready = keeper.ready = await keeper.until("ready")
            generation.prints, generation.state = ready.prints, ready.state
            for _ in range(self._plan.workers):
                generation.workers.append(await self._child(self._seat(), keeps=False, beside=beside))
            for one in generation.workers:
                one.ready = await one.until("ready")
            if any(one.ready is None or one.ready.prints != generation.prints for one in generation.workers):
                raise HeadraceError(_changed())
        except BaseException:
            for one in generation.every:
                one.kill()
            for one in generation.every:
                await asyncio.shield(one.ended())
                self._seats.pop(one.task.seat, None)
            raise
        return generation

    async def _enthrone(self, new: Generation) -> None:
        """Let a generation answer in the place of the one before, which ends when its requests have ended."""
        before, self._now = self._now, new
        if before is not None:
            self._old.append(before)
            before.keeper.tell("retire")
            with contextlib.suppress(HeadraceError):  # one that died does not write any more either
                await before.keeper.until("released")
        held = None if before is None else before.keeper.ready
        new.keeper.tell("begin", **({} if held is None else {"state": held.state, "slots": held.slots}))
        try:
            await new.keeper.until("charged")
        except HeadraceError as error:
            if before is None:
                raise
            _log.error("%s", error)  # it is begun anew, as one that dies later
        for one in new.workers:
            one.tell("begin")
        for one in new.every:
            self._task(self._watched(new, one))
        if before is not None:
            for one in before.workers:
                one.tell("retire")
            self._task(self._buried(before, new))
        self._stand()

    async def _buried(self, old: Generation, new: Generation) -> None:
        for one in old.every:
            await one.ended()
            self._seats.pop(one.task.seat, None)
        self._old.remove(old)
        if not self._old and self._now is new:
            new.keeper.tell("alone")

    async def _renewed(self) -> None:
        """Take one step from the code that answers to that of the files."""
        self._renew_again, left = True, _TRIES
        while self._renew_again and not self._heard:
            self._renew_again = False
            assert self._now is not None
            try:
                new = await self._begin(self._now.state)
            except HeadraceError as error:
                left -= 1
                if error.faults[0].code == CHANGED and left:
                    self._renew_again = True
                else:
                    self._tell_reload(error.faults)
                continue
            await self._enthrone(new)
            self._tell_reload([])

    def _tell_reload(self, faults: Sequence[Fault]) -> None:
        why = "; ".join(str(fault) for fault in faults)
        # whoever has no token may ask whether all is ready: what a user's own code says is not for them
        shown = ", ".join(fault.code for fault in faults) if self._way.guarded else why
        self._reloaded = {"at": clock.now_us(), "serves": not faults, "why": shown}
        if faults:
            _log.error("the new declaration stays out, the one before serves on: %s", why)
        else:
            _log.warning("the new declaration serves")
        self._stand()

    # -- processes

    async def _child(self, seat: int, keeps: bool, beside: str, trial: bool = False) -> Child:
        listening, shares = (self._keeper, self._alone) if keeps else (self._bound, self._shares)
        task = Task(
            folder=str(self._plan.folder),
            target=self._plan.target,
            seat=seat,
            keeps=keeps,
            beside=beside,
            trial=trial,
            keeper=str(self._path),
            listening=listening.fileno(),
            shares=shares,
            entry={name: value if value is None or isinstance(value, int) else str(value)
                   for name, value in asdict(self._way).items()},
            limits=asdict(self._plan.limits),
            grpc_port=self._plan.grpc_port if keeps else None,
        )  # fmt: skip
        child = await Child.begin(task, (listening.fileno(), shares, self._lock))
        self._seats[seat] = child
        return child

    def _seat(self) -> int:
        return next(number for number in range(1_000_000) if number not in self._seats)

    async def _watched(self, generation: Generation, child: Child) -> None:
        """Begin a process anew when it dies, as long as its generation answers."""
        wait = 0.0
        while True:
            code = await child.ended()
            self._counts.put(child.task.seat)
            if self._heard or generation is not self._now:
                return
            kind = "keeper" if child.task.keeps else "worker"
            lived = asyncio.get_running_loop().time() - child.begun_at
            wait = 0.0 if lived > _STEADY_S else min(_LONGEST_S, max(0.5, 2 * wait))
            _log.error("a %s ended (%s); it begins anew in %g s", kind, ending(code), wait)
            self._stand()
            await asyncio.sleep(wait)
            if self._heard or generation is not self._now:
                return
            child = await self._replaced(generation, child)

    async def _replaced(self, generation: Generation, dead: Child) -> Child:
        task = dead.task
        child = await self._child(task.seat, task.keeps, generation.state)
        try:
            child.ready = await child.until("ready")
            if child.ready.prints != generation.prints:
                _log.error("%s", _changed())
                child.kill()
                self.renew()
                return child
            child.tell("begin")
            if task.keeps:
                await child.until("charged")
                generation.keeper = child
            else:
                generation.workers[generation.workers.index(dead)] = child
        except HeadraceError as error:
            _log.error("%s", error)
            child.kill()
        self._stand()
        return child

    def _stand(self) -> None:
        """Tell all workers how all of them are."""
        if self._now is None:
            return
        answering = sum(one.alive for one in self._now.workers)
        standing: Mapping[str, Any] = {
            "workers": {"wanted": self._plan.workers, "answering": answering, "keeper": self._now.keeper.alive},
            "generation": self._now.number,
        }
        if self._reloaded:
            standing = {**standing, "reload": self._reloaded}
        for one in self._now.workers:
            one.tell("standing", standing=standing)

    # -- the end

    def _hear(self, number: int) -> None:
        if self._heard:  # a second time: without patience
            for one in self._seats.values():
                one.kill()
        self._heard = number
        self._news.set()

    async def _end(self) -> None:
        """End all processes: those that decide, then the one that brings everything into the lake."""
        if self._renewing is not None and not self._renewing.done():
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        every = list(self._seats.values())
        await self._stopped([one for one in every if not one.task.keeps])
        await self._stopped([one for one in every if one.task.keeps])
        for task in tuple(self._tasks):
            task.cancel()

    async def _stopped(self, some: Sequence[Child]) -> None:
        for one in some:
            one.tell("stop")
        if some:
            await asyncio.wait([asyncio.ensure_future(one.ended()) for one in some])

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


def _changed() -> Fault:
    found = "files of the project that changed since the others were loaded"
    cure = "load it again when they rest; where that is no help, something in it is not the same each time"
    return Fault(CHANGED, "", found, "the same declaration in all processes", cure)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use() from None
        yield handle.fileno()


@contextlib.contextmanager
def _room() -> Iterator[Path]:
    """A folder for a socket: short, since a path of one has 107 bytes, and for this user alone."""
    room = Path(tempfile.mkdtemp(prefix="headrace-", dir=None if len(tempfile.gettempdir()) < 60 else "/tmp"))  # noqa: S108
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(str(path))
        path.chmod(0o600)
        bound.listen(_BACKLOG)
        yield bound
