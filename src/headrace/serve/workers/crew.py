"""The crew: the processes of a service, begun together or anew, each in a seat of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.serve.wire.limits import Limits
from headrace.serve.wire.listen import Entry
from headrace.serve.workers.child import Child
from headrace.serve.workers.held import Held
from headrace.serve.workers.line import Said, Task
from headrace.serve.workers.shares import Shares

CHANGED = "HR-SERVE-024"


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
    """Processes of one load of the project, and the state from which they serve: its name, and what it holds."""

    number: int
    keeper: Child
    workers: list[Child] = field(default_factory=list)
    prints: str = ""
    state: str = ""
    slots: str = ""

    @property
    def every(self) -> list[Child]:
        return [self.keeper, *self.workers]

    @property
    def answering(self) -> list[Child]:
        """The workers that decide."""
        return [one for one in self.workers if one.answers]

    def put(self, child: Child, place: int | None) -> None:
        """Let a process have the place of another: that of the keeper, or one among the workers."""
        if place is None:
            self.keeper = child
        else:
            self.workers[place] = child


class Crew:
    """Begins processes and ends them.

    Args:
        plan: what they do.
        way: how one gets in.
        held: what they inherit.
        heard: is called with what one says without being asked.
    """

    def __init__(self, plan: Plan, way: Entry, held: Held, heard: Callable[[Child, Said], None]) -> None:
        self._plan, self._way, self._held, self._heard = plan, way, held, heard
        self._counts = Shares(held.shares, 0)
        self._seats: dict[int, Child] = {}
        self._number = 0

    async def begin(self, beside: str) -> Generation:
        """Begin the processes of a generation, up to where each could answer.

        Args:
            beside: name of the state from which others serve meanwhile; empty where none do.

        Raises:
            HeadraceError: why one of them cannot; then none of them is left.
        """
        self._number += 1
        keeper = await self._child(self._seat(), keeps=True, beside=beside, trial=bool(beside))
        generation = Generation(self._number, keeper)
        try:
            ready = await keeper.made_ready()
            generation.prints, generation.state, generation.slots = ready.prints, ready.state, ready.slots
            for _ in range(self._plan.workers):
                worker = await self._child(self._seat(), keeps=False, beside=generation.state)
                generation.workers.append(worker)
                if beside:  # to load all of them at once would take the cores from those that answer
                    await worker.made_ready()
            for worker in generation.workers:
                if (await worker.made_ready()).prints != generation.prints:
                    raise HeadraceError(changed())
        except BaseException:
            await asyncio.shield(self.ended(generation.every))
            raise
        return generation

    async def again(self, generation: Generation, dead: Child, doubt: bool) -> Child:
        """Begin a process in the seat and place of one that died; it is not ready yet."""
        place = None if dead.task.keeps else generation.workers.index(dead)
        child = await self._child(dead.task.seat, dead.task.keeps, generation.state, doubt=doubt)
        generation.put(child, place)
        return child

    async def ended(self, some: Sequence[Child]) -> None:
        """End processes at once, and free their seats."""
        for one in some:
            one.kill()
        for one in some:
            await one.ended()
            self.leave(one)

    def leave(self, child: Child) -> None:
        """Free the seat of a process that has ended."""
        self._counts.put(child.task.seat)
        if self._seats.get(child.task.seat) is child:
            del self._seats[child.task.seat]

    def uncounted(self, child: Child) -> None:
        """Let nobody wait for the connections of a process that has ended."""
        self._counts.put(child.task.seat)

    async def stop(self) -> None:
        """End all in their order: those that decide, then the ones that bring everything into the lake.

        One that has not begun has nothing to finish; it may hang.
        """
        every = list(self._seats.values())
        for keeps in (False, True):
            some = [one for one in every if one.task.keeps is keeps]
            for one in some:
                if one.begun:
                    one.tell("stop")
                else:
                    one.kill()
            await asyncio.gather(*(one.ended() for one in some))

    def kill(self) -> None:
        """End all at once."""
        for one in self._seats.values():
            one.kill()

    async def _child(self, seat: int, keeps: bool, beside: str, trial: bool = False, doubt: bool = False) -> Child:
        held = self._held
        listening, shares = (held.keeper, held.alone) if keeps else (held.bound, held.shares)
        task = Task(
            folder=str(self._plan.folder),
            target=self._plan.target,
            seat=seat,
            keeps=keeps,
            beside=beside,
            trial=trial,
            doubt=doubt,
            keeper=held.way_to_keeper,
            listening=listening.fileno(),
            shares=shares,
            entry={name: str(value) if isinstance(value, Path) else value for name, value in asdict(self._way).items()},
            limits=asdict(self._plan.limits),
            grpc_port=self._plan.grpc_port if keeps else None,
        )
        child = await Child.begin(task, (listening.fileno(), shares, held.lock, held.room), self._heard)
        self._seats[seat] = child
        return child

    def _seat(self) -> int:
        return next(number for number in range(1_000_000) if number not in self._seats)


def changed() -> Fault:
    """Return what is wrong with processes that have loaded different files."""
    found = "files of the project that changed since the others were loaded"
    cure = "load it again when they rest; where that is no help, something in it is not the same each time"
    return Fault(CHANGED, "", found, "the same declaration in all processes", cure)
