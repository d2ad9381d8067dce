"""Everything a running service holds: desks, state, spool, and the threads that write; opened and closed as one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from headrace import clock
from headrace.declare import Service
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.compile import warm as warm_kernel
from headrace.learn.champion import champions_of_another_declaration
from headrace.online import State
from headrace.online.room import RESTORE
from headrace.plan import fingerprints
from headrace.serve.answers import Give, as_it_is, rendered, repeated
from headrace.serve.cases import Cases, case_of
from headrace.serve.commit import Committer
from headrace.serve.deciding import Deciding, Pending
from headrace.serve.desk import Desk, warm
from headrace.serve.drain import drain, drain_records, last_committed, last_decided, spool_of
from headrace.serve.fields import Row
from headrace.serve.gauges import gauges
from headrace.serve.intake import MANY, Intake, Post, Taken
from headrace.serve.journal import Journal
from headrace.serve.judging import judge_live
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.metrics import Meters
from headrace.serve.mover import Mover
from headrace.serve.parity_live import LiveParity
from headrace.serve.record import Context, Record, request_of
from headrace.serve.settling import settle_sources
from headrace.serve.shadow import Shadows
from headrace.serve.spool import MAP_BYTES, Spool, Ticking, opened
from headrace.serve.swap import Change, Swap
from headrace.serve.taken import keys_of
from headrace.serve.veiled import Veiled
from headrace.serve.wire.refusal import SHOWN
from headrace.serve.workers.part import Part

SETTLE_S = 2.0
"""How often loads get their turn, and the state catches up with the lake."""
_AHEAD_US = 60_000_000
_READ = 64
"""Lines of a post that are read at once."""
BEHIND = "kept, and not yet in the state of keys, which catches up by itself: do not post it again"


class Office:
    """The services of a project, answering.

    One at a time: a second process is refused. What an earlier one left behind is drained first.

    Args:
        loaded: the project; its models must have champions.
        now_us: the clock.
        spool_bytes: upper bound of what waits for the lake.
        part: which of the work is its own, where several processes share it; None for all of it.

    Raises:
        HeadraceError: HR-SERVE-001 no services, 002 no champion, 003 a model of other features, 011 another one runs;
            HR-EVOLVE-001 a contract that changed in a way that what is in the lake cannot follow.
    """

    def __init__(
        self,
        loaded: Loaded,
        now_us: clock.Clock = clock.now_us,
        spool_bytes: int = MAP_BYTES,
        part: Part | None = None,
    ) -> None:
        services = services_of(loaded)
        with ExitStack() as stack:
            part = part or Part()
            stack.enter_context(part.alone(loaded.state_dir))
            self.spool: Spool = stack.enter_context(opened(spool_of(loaded.state_dir), spool_bytes))
            self.lake, self._project, self._loaded = loaded.lake(), loaded.project, loaded
            if part.keeps:
                self._prepare()
            began = max(self.spool.clock(), last_decided(spool_of(loaded.state_dir)))
            self.now = Ticking(began, now_us)
            self.desks, self._veiled = _desks(services, loaded), Veiled(loaded, writes=True)
            self._secrets = {name: self._veiled.secret(desk) for name, desk in self.desks.items()}
            models = {service.model.name: service.model for service in services.values()}
            self.warnings = champions_of_another_declaration(models.values(), loaded.registry())
            self.rebuilding = part.rebuilding(
                [desk.plan for desk in self.desks.values()], self.lake, loaded.state_dir / "online"
            )
            self.state = self.rebuilding.open()
            stack.callback(lambda: self.state.close())
            stack.callback(self.rebuilding.close)
            self._declared = fingerprints(loaded.project)
            folder = spool_of(loaded.state_dir)
            self._mover = Mover(folder, spool_bytes, self.lake)
            stack.callback(self._mover.close)
            self.journal = Journal(folder / part.journal, most_bytes=spool_bytes)
            stack.callback(self.journal.close)
            self._drained = last_committed(self.lake, services, self.journal.id)
            self._contexts = {desk: self._context(desk) for desk in self.desks.values()}
            self.warnings += self._veiled.warnings
            self.warnings += tuple(self._doubts(began, now_us()))
            number = max(self.journal.last, self._drained)
            told = {name: (*one.decide, one.otherwise) for name, one in services.items()}
            self.meters = Meters(told, part.board(loaded.state_dir))
            self._deciding = Deciding(self.state, self.journal, number, self._contexts, self.now, self.meters)
            self._deciding.missing = self._missing()
            self._deciding.rebuilding = self.rebuilding.under_way
            self._swap = Swap(loaded.registry(), self._deciding.recent, self.now)
            self._cases = Cases(self.spool, self.journal.folder, self.journal.id, self.lake, self._veiled)
            stack.callback(lambda: self._cases.close())
            self._keys = keys_of(self._project.streams, self.lake, self.spool)
            self.live: LiveParity | None = None
            self.shadows = Shadows(loaded, self.now)
            stack.callback(self.shadows.close)
            self.standing: Mapping[str, Any] = {}
            if part.keeps and not part.shared:
                self.shadows.look()
                self.keep()
                self.live = LiveParity(loaded, self.spool, now_us=self.now)
            gauges(self)
            self._warm()
            self._stack = stack.pop_all()

    def keep(self) -> None:
        """Begin to write events and state; one process at a time does."""
        self.intake = Intake(dict(self._project.streams), self.lake, self.spool, self.state, self.now, self._keys)
        self.intake.resting = self.rebuilding.under_way
        self._posts: Committer[Post, Taken] = Committer(self.intake.work, "events")

    def compare(self) -> None:
        """Compare a sample of what was served with history, unless it was just done."""
        if self.live is None:
            self.live = LiveParity(self._loaded, self.spool, now_us=self.now)
        self.live.step()

    def _prepare(self) -> None:
        """Bring what an earlier service left behind into the lake, and tables to what their contracts say."""
        drain(self._loaded)
        settle_sources(self._project, self.lake)
        judge_live(self._project, self.lake)

    async def decide(self, name: str, body: bytes, explain: int = 0, with_features: bool = False) -> dict[str, Any]:
        """Answer one row, as ``ask``."""
        return dict(await self.ask(name, body, explain, with_features))

    def ask(
        self,
        name: str,
        body: bytes,
        explain: int = 0,
        with_features: bool = False,
        *,
        deadline: float | None = None,
        give: Give = as_it_is,
    ) -> asyncio.Future[Any]:
        """Answer one row; when the answer is there it is on record. What was decided before is answered again.

        Args:
            name: of the service.
            body: one JSON object.
            explain: how many reasons are wanted.
            with_features: whether the values of features are.
            deadline: until when an answer is of use, on the clock of ``monotonic_s``.
            give: makes of the answer what is wanted of it.

        Raises:
            HeadraceError: HR-SERVE-007 unknown service; HR-REQUEST and HR-DATA for what is wrong with the row. Where
                the answer is waited for: HR-SERVE-013 an id that was decided with another row, 016 a deadline that has
                passed, HR-ONLINE-002 no room for the record, 003 an old row.
        """
        desk, begun = self.desk(name), clock.monotonic_s()
        row = desk.reader.read(body)
        case = case_of(name, desk.keys, row, self._secrets[name])
        self.meters.stage("parse", clock.monotonic_s() - begun)
        asked = (explain, with_features, deadline)
        found = self._cases.find(case)
        if found is not None:
            return asyncio.ensure_future(self._again(found, desk, row, case, asked, give))
        return self._submit(desk, row, case, asked, give)

    def _submit(
        self, desk: Desk, row: Row, case: bytes | None, asked: tuple[int, bool, float | None], give: Give
    ) -> asyncio.Future[Any]:
        explain, with_features, deadline = asked
        render = partial(rendered, explain, with_features, give)
        pending = self._deciding.submit(desk, row, explain, case, deadline, render)
        self._cases.begin(pending)
        return pending.answer

    async def _again(
        self,
        found: Pending | str,
        desk: Desk,
        row: Row,
        case: bytes | None,
        asked: tuple[int, bool, float | None],
        give: Give,
    ) -> Any:
        explain, with_features, _ = asked
        waited: Pending | str | None = found
        while waited is not None:
            known = await self._cases.known(waited, desk.service.name, request_of(row, desk.types))
            if known is not None:
                return give(repeated(known, explain, with_features))
            # of several that waited for one without a record, one decides
            waited = again if isinstance(again := self._cases.find(case), Pending) else None
        return await self._submit(desk, row, case, asked, give)

    async def take(self, stream: str, bodies: Sequence[bytes]) -> dict[str, Any]:
        """Take live events; when this returns, they are durable and in the state. All of them are taken, or none.

        Where the state could not be written the events are kept all the same, and ``behind`` in the answer says so;
        ``warned`` counts the rows that break each rule that only warns.

        Raises:
            HeadraceError: HR-SERVE-008 unknown stream, 005 a load is going on, HR-ONLINE-002 no room; HR-REQUEST and
                HR-DATA for every line that is wrong, up to a hundred faults.
        """
        if stream not in self.intake.streams:
            cure = nearest(stream[:64], self.intake.streams)
            raise HeadraceError(Fault("HR-SERVE-008", "", f"no stream {stream[:64]!r}", "a declared one", cure))
        reader, rows, faults = self.intake.readers[stream], [], list[Fault]()
        for number, body in enumerate(bodies, 1):
            try:
                rows.append(reader.read(body, f"event {number}" if len(bodies) > 1 else "event"))
            except HeadraceError as error:
                faults += error.faults
            if len(faults) >= SHOWN:
                break
            if number % _READ == 0:  # rows that are to be decided do not wait for all of a large post
                await asyncio.sleep(0)
        if faults:
            raise HeadraceError(faults)
        taken = await asyncio.wrap_future(self._posts.submit(Post(stream, rows)))
        new = sum(seq is not None for seq in taken.sequences)
        self.meters.took(stream, new)
        told = {"taken": new, "known_before": len(rows) - new, "sequences": list(taken.sequences)}
        warned = Counter(rule for row in rows for rule in reader.warned(row))
        return told | ({"warned": dict(warned)} if warned else {}) | ({"behind": BEHIND} if taken.behind else {})

    def desk(self, name: str) -> Desk:
        """Return a service by name."""
        if name not in self.desks:
            cure = nearest(name[:64], self.desks)
            raise HeadraceError(Fault("HR-SERVE-007", "", f"no service {name[:64]!r}", "a declared one", cure))
        return self.desks[name]

    @property
    def waiting(self) -> int:
        """How many records are not in the lake yet."""
        return max(0, self.journal.last - max(self._drained, 0))  # those that the disk refused have numbers, too

    @property
    def lost(self) -> int:
        """How many answers of services with ``record="best_effort"`` have no record."""
        return self._deciding.lost

    @property
    def stateless(self) -> bool:
        """Whether there is no state yet: it is being made anew."""
        return self._deciding.rebuilding

    @property
    def _without_state(self) -> bool:
        """Whether there is no state, or one that was found damaged."""
        return self._deciding.rebuilding or self._deciding.altered

    async def settle(self) -> None:
        """Bring live events into the lake, catch up with it, and move records when there are many.

        What was brought is held against its whole contract beside, so that no post waits for it.
        """
        await self._renew()
        await asyncio.wrap_future(self._posts.submit(Post()))
        self._deciding.missing = self._missing()
        if self.intake.drained:
            self.intake.drained = False
            await asyncio.to_thread(judge_live, self._project, self.lake)
        if not self._deciding.rebuilding:
            await self._take_over()
        await asyncio.to_thread(self.compare)
        await asyncio.to_thread(self.shadows.look)
        due = self.waiting > MANY or bool(self.waiting and self.shadows.due())
        if await asyncio.to_thread(self._mover.look, due):
            self._drained = await asyncio.to_thread(last_committed, self.lake, self.desks, self.journal.id)
            self._cases.settle(self._drained)

    def close(self) -> None:
        """Finish what waits, bring all of it into the lake, and let go."""
        with self._stack:
            self._deciding.close()
            self._posts.close()
            self.intake.close()
            self._drain()
            judge_live(self._project, self.lake)

    def opened(self, record: Record) -> Record:
        """Return a record with its personal values.

        Raises:
            HeadraceError: HR-PRIVACY-002 where the key is not at hand.
        """
        return self._veiled.opened(record)

    @property
    def missing(self) -> Collection[str]:
        """The sources that features read, of which nothing was ever loaded or posted."""
        return self._deciding.missing

    @property
    def changes(self) -> list[Change]:
        """What became of new champions, the oldest first."""
        return list(self._swap.changes)

    async def _renew(self) -> None:
        """Go on with a state that was made anew beside, once it has all that was posted meanwhile."""
        wanted = self._without_state or self.intake.damaged
        new, old = await asyncio.to_thread(self.rebuilding.look, self.state, wanted), self.state
        if new is None:
            return

        self.intake.replace(new, partial(self._go_over, new))
        await asyncio.wrap_future(self._posts.submit(Post()))
        self.rebuilding.replaced(old)

    def _go_over(self, state: State) -> None:
        self.state = self._deciding.state = state
        self._deciding.rebuilding = self._deciding.altered = False

    async def _take_over(self) -> None:
        """Let new champions serve; a request that is under way keeps the version with which it began."""
        found = await asyncio.to_thread(self._swap.look, dict(self.desks), self.state, self._deciding.missing)
        for name, desk in found.items():
            self._contexts[desk] = self._context(desk)
            self.desks[name] = desk

    def _context(self, desk: Desk) -> Context:
        return Context.of(desk, self._declared[f"service:{desk.service.name}"], self._veiled.writing(desk))

    def _missing(self) -> frozenset[str]:
        """The sources that features read, of which nothing was ever loaded or posted."""
        sources = [name for name in self.state.sources if not self.lake.exists(name)]
        return frozenset(name for name in sources if not self.state.position(name))

    def _doubts(self, began: int, now: int) -> Iterator[Fault]:
        """What is odd about what an earlier service left, and does not keep this one from serving."""
        name, last = self.journal.folder.name, self.journal.last
        if last < self._drained:
            told = f"the journal {name}, which ends at number {last}, where the lake has {self._drained} already"
            yield Fault("HR-ONLINE-005", "", told, "all that was written", f"look for its newest file; {RESTORE}")
        if began > now + _AHEAD_US:
            told = f"a clock that is behind what was answered last, at {clock.from_us(began).isoformat()}"
            cure = "set the clock; until that time, all is answered as if at it"
            yield Fault("HR-ONLINE-006", "", told, "one that goes on", cure)

    def _drain(self) -> None:
        drain_records(self.spool, self.journal.folder.parent, self.lake)

    def _warm(self) -> None:
        used = {
            one.aggregate for desk in self.desks.values() for group in desk.plan.windows for one in group.aggregations
        }
        warm_kernel(sorted(used))
        for desk in self.desks.values():
            warm(desk, self.state)


@contextlib.contextmanager
def office(loaded: Loaded, now_us: Callable[[], int] = clock.now_us, spool_bytes: int = MAP_BYTES) -> Iterator[Office]:
    """Open the services of a project for the length of a ``with`` block."""
    one = Office(loaded, now_us, spool_bytes)
    try:
        yield one
    finally:
        one.close()


def _desks(services: dict[str, Service], loaded: Loaded) -> dict[str, Desk]:
    registry, found, faults = loaded.registry(), dict[str, Desk](), list[Fault]()
    for name, service in services.items():
        version = registry.champion(service.model.name)
        if version is None:
            told = f"no champion of {service.model.name}, with which {name} decides"
            cure = f"headrace train; or headrace models promote {service.model.name} VERSION, where one is registered"
            faults.append(Fault("HR-SERVE-002", service.place, told, "a trained model", cure))
            continue
        try:
            found[name] = Desk(service, version, registry)
        except HeadraceError as error:
            faults += error.faults
    if faults:
        raise HeadraceError(faults)
    return found
