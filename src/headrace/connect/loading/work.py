"""Rows on their way into the lake: validated, numbered, and committed with how far each file is done.

A batch is two commits: first its quarantined rows, then its accepted rows, which also record for each file how far
it is done. A run that finds a load begun goes on behind that point, and passes over the rows that are in quarantine
already: so nothing is lost or doubled between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import monotonic

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect import quality
from headrace.connect.files import READ_ROWS, read_batches, require_same
from headrace.connect.known import known_at
from headrace.connect.loading.before import Before
from headrace.connect.loading.holding import Holding
from headrace.connect.loading.outcome import Outcome, Quality
from headrace.connect.loading.together import Group, Rows, Taken, gathered
from headrace.connect.loads import Ledger, Load
from headrace.connect.resumed import Aside, asides, counted
from headrace.contracts import QUARANTINE, Across, Referred, Validated, judge, validate, validate_mixed
from headrace.contracts.across import possible
from headrace.declare import Contract
from headrace.declare.kept import loaded
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.types import arrow_schema

Progress = Callable[[int, str], None]
"""Called with the rows done so far in this run, and what is being done."""
_MOST_FILES, _LONGEST_S = 10_000, 30.0
"""Files whose rows wait to be committed, and how long they do, where they may be committed at any time."""


@dataclass(frozen=True)
class Job:
    """What loading is about.

    Args:
        lake: with the tables of the stream afterwards.
        name: of the stream.
        contract: of its rows in the lake.
        received: of the rows as they come; the same, but for what is filled here.
        ledger: of its loads.
        progress: told the rows done.
        batch_rows: that are held in memory and committed together.
        next: sequence of the first row that is new.
        judged: compares loads with those before, and refuses some.
        referred: yields the values of the tables that the contract's rules refer to.
    """

    lake: Lake
    name: str
    contract: type[Contract]
    received: type[Contract]
    ledger: Ledger
    progress: Progress
    batch_rows: int
    next: int
    judged: Quality
    referred: Referred


class Work:
    """Rows that are validated and not yet committed, and what was committed so far."""

    def __init__(self, job: Job) -> None:
        self.job, self.lake, self.name = job, job.lake, job.name
        self.done = 0
        self.counts: list[dict[str, int]] = []
        self.finished: list[tuple[Load, int, int, int]] = []
        self.faults: list[Fault] = []
        self._next = job.next
        self._accepted: list[tuple[pa.Array, pa.Table]] = []
        self._quarantined: list[tuple[pa.Array, pa.Table]] = []
        self._reached: dict[str, int] = {}
        self._rows = 0
        self._flushed = monotonic()
        self._ending: list[tuple[Load, int, int, Outcome]] = []
        self._before = Before()
        self._quarantine = f"quarantine_{self.name}"
        self._make_tables()
        self._across = Across(job.received, self._stored, job.referred)
        self._begun: dict[str, str] = {}
        self._held_before: dict[str, list[Aside]] = {}

    def take_all(self, loads: Sequence[Load], *, together: bool, appends: bool) -> list[Fault]:
        """Bring files in, in order; return what kept some of them from their end.

        Args:
            loads: of the files.
            together: whether small ones may be taken together.
            appends: whether rows may be committed at any time.
        """
        self._begun = {load.id: load.app for load in loads if load.begun}
        self._held_before = asides(self.lake, self._quarantine, list(self._begun))
        parts = gathered(loads, self._read, self.job.received, self._room, self._goes_on) if together else iter(loads)
        faults: list[Fault] = []
        for part in parts:
            faults += self.take(part) if isinstance(part, Load) else self._take_together(part)
            if appends and (len(self._reached) >= _MOST_FILES or monotonic() - self._flushed >= _LONGEST_S):
                self.flush()
        return faults

    def take(self, load: Load) -> list[Fault]:
        """Bring one file in, from the point that an earlier run reached; return what kept it from its end."""
        reached = self._reach(load) if load.begun else 0
        held = self._held(load)
        if self.job.judged.stops and not reached and not len(held):
            return self._take_whole(load)
        position, bad, outcome = 1, len(held), self.job.judged.begin(load)
        try:
            for batch in self._read(load):
                rows = np.arange(position, position + batch.num_rows)
                position += batch.num_rows
                bad += self._validate(load, batch, rows, reached, held, outcome)
        except HeadraceError as error:
            return faults_at(load.name, error)
        finally:
            self.counts += self._before.counts()
            self._before = Before()
        self._ends(load, position - 1, bad, outcome)
        return []

    def _take_together(self, group: Group) -> list[Fault]:
        """Bring small files in; of one that breaks a rule that stops its load, none of its rows."""
        faults: list[Fault] = []
        while group.loads:
            if self.job.judged.stops:
                self.flush()
            try:
                result = validate_mixed(self.job.received, group.parts, group.places, self._across, group.positions)
            except HeadraceError:
                return faults + [fault for load in group.loads for fault in self.take(load)]
            outcomes = self._judged(group, result)
            self._take_first(outcomes, group, group.first(len(outcomes), result))
            if len(outcomes) == len(group.loads):
                break
            # What is behind was judged as if the one that is refused had been taken.
            self.flush()
            faults += self.take(group.loads[len(outcomes)])
            group = group.behind(len(outcomes) + 1)
        return faults

    def _judged(self, group: Group, result: Validated) -> list[Outcome]:
        """Return what becomes of files, up to the first that is refused."""
        outcomes: list[Outcome] = []
        for load, length, part in zip(group.loads, group.lengths.tolist(), group.apart(result), strict=True):
            outcome = self.job.judged.begin(load)
            if length:
                outcome.take(length, part, np.arange(1, length + 1))
            if self.job.judged.stops and outcome.refusal():
                break
            self.job.judged.ends(outcome)
            outcomes.append(outcome)
        return outcomes

    def _take_first(self, outcomes: Sequence[Outcome], group: Group, taken: Taken) -> None:
        lengths = group.lengths[: len(outcomes)].tolist()
        for part in taken.parts:
            self._learn(part)
        self.done += sum(lengths)
        for outcome in outcomes:
            self.counts += outcome.counts
        reached = {one.load.app: length for one, length in zip(outcomes, lengths, strict=True) if length}
        if reached:
            self._hold(
                reached,
                sum(lengths),
                taken.accepted,
                taken.quarantined,
            )
            self.job.progress(self.done, f"loading {outcomes[-1].load.name}")
            self._flush_if_full()
        self._ending += [
            (one.load, length, bad, one) for one, length, bad in zip(outcomes, lengths, taken.bad, strict=True)
        ]

    def _take_whole(self, load: Load) -> list[Fault]:
        """Bring one file in or, when it breaks a rule that stops its load, none of its rows."""
        self.flush()
        received, outcome = 0, self.job.judged.begin(load)
        with Holding() as holding:
            try:
                for batch in self._read(load):
                    rows = np.arange(received + 1, received + batch.num_rows + 1)
                    received += batch.num_rows
                    self.done += batch.num_rows
                    self._learn(batch)
                    result = validate(self.job.received, batch, self._across, load.name, rows=rows)
                    outcome.take(batch.num_rows, result, rows)
                    holding.add(batch.num_rows, received, result)
                    self.job.progress(self.done, f"checking {load.name}")
            except HeadraceError as error:
                self._across.settle()
                return faults_at(load.name, error)
            if refused := outcome.refusal():
                self._across.settle()
                outcome.figures.accepted = 0
                quality.keep(self.lake, self.name, [(load, outcome.figures)], refused=True)
                return [refused]
            self.counts += outcome.counts
            parts = holding.parts()
            bad = sum(self._accept(load, rows, last, good, aside) for rows, last, good, aside in parts)
        self._ends(load, received, bad, outcome)
        return []

    def _read(self, load: Load) -> Generator[pa.Table]:
        """Yield the rows of a file, the last of them once it is seen that it stayed as it was decided upon."""
        last = None
        for batch in read_batches(load.file, self.job.received, min(READ_ROWS, self.job.batch_rows)):
            if last is not None:
                yield last
            last = batch
        require_same(load.file, load.sha256, self.job.received)
        if last is not None:
            yield last

    def _ends(self, load: Load, received: int, bad: int, outcome: Outcome) -> None:
        self.job.judged.ends(outcome)
        self._ending.append((load, received, bad, outcome))

    def flush(self) -> None:
        """Commit what is validated: quarantined rows first, then accepted rows, then the ledger."""
        self._flush()
        self._settle()

    def end(self) -> None:
        """Commit what is left, once all is taken."""
        self.flush()

    def _flush(self) -> None:
        if self._quarantined:
            marked = [table.append_column("_load", loads) for loads, table in self._quarantined]
            self.lake.append(self._quarantine, pa.concat_tables(marked).select(["_load", *QUARANTINE.names]))
        if self._reached:
            rows = self._numbered()
            self._commit(rows)
            self._next += rows.num_rows
        self._across.settle()
        self._accepted, self._quarantined, self._reached, self._rows = [], [], {}, 0
        self._flushed = monotonic()
        self.job.progress(self.done, f"loaded {self.name}")

    def _settle(self) -> None:
        ended = [(load, received, received - bad, bad) for load, received, bad, _ in self._ending]
        self._verify(ended)
        quality.keep(self.lake, self.name, [(load, outcome.figures) for load, *_, outcome in self._ending])
        self.job.ledger.finish(ended)
        self.finished += ended
        self._ending = []

    def _commit(self, rows: pa.Table) -> None:
        self.lake.append(self.name, rows, once=list(self._reached.items()))

    def _reach(self, load: Load) -> int:
        """Return the last row of a load that an earlier run committed."""
        return max(0, self._reached_before.get(load.app, 0))

    @cached_property
    def _reached_before(self) -> dict[str, int]:
        """How far an earlier run committed the loads that it began: of many thousands most have no row anywhere."""
        there = {*counted(self.lake, self.name, self._begun), *self._held_before}
        return self.lake.committed_each(self.name, [app for id, app in self._begun.items() if id in there])

    def _learn(self, batch: pa.Table) -> None:
        """Learn rows as they come, before any of them is judged."""

    def _complete(self, rows: pa.Table) -> pa.Table:
        """Return accepted rows with all columns that they have in the lake."""
        return rows

    def _validate(
        self,
        load: Load,
        batch: pa.Table,
        rows: npt.NDArray[np.int64],
        reached: int,
        held: npt.NDArray[np.int64],
        outcome: Outcome,
    ) -> int:
        self._learn(batch)
        new = (rows > reached) & ~np.isin(rows, held)
        self.done += batch.num_rows
        if not new.all():
            old = rows[~new]
            typed, problems = judge(self.job.received, batch.filter(pa.array(~new)))
            outcome.before(typed, problems, np.isin(old, held))
            self._before.learn(problems)
        if not new.any():
            return 0
        fresh = batch if new.all() else batch.filter(pa.array(new))
        result = validate(self.job.received, fresh, self._across, load.name, rows=rows[new])
        outcome.take(fresh.num_rows, result, rows[new])
        self.counts.append(result.counts)
        return self._accept(load, fresh.num_rows, int(rows[-1]), result.accepted, result.quarantined)

    def _accept(self, load: Load, received: int, last: int, accepted: pa.Table, quarantined: pa.Table) -> int:
        """Take validated rows, up to a position in their file; commit when there are enough of them."""
        good, bad = ((_repeat(load.id, table), table) for table in (accepted, quarantined))
        self._hold({load.app: last}, received, good, bad)
        self.job.progress(self.done, f"loading {load.name}")
        self._flush_if_full()
        return int(quarantined.num_rows)

    def _hold(self, reached: dict[str, int], received: int, accepted: Rows, quarantined: Rows) -> None:
        self._accepted.append((accepted[0], self._complete(accepted[1])))
        if len(quarantined[0]):
            self._quarantined.append(quarantined)
        self._reached |= reached
        self._rows += received

    def _room(self) -> int:
        """Return how many rows are taken before any are committed."""
        return min(READ_ROWS, self.job.batch_rows - self._rows)

    def _flush_if_full(self) -> None:
        if self._rows >= self.job.batch_rows:
            self.flush()

    def _make_tables(self) -> None:
        """Make both tables before the first row, so that a stream without rows can be read like any other."""
        for name, schema in (
            (self.name, arrow_schema(loaded(self.job.contract))),
            (self._quarantine, pa.schema([("_load", pa.string()), *QUARANTINE])),
        ):
            if not self.lake.exists(name):
                self.lake.append(name, schema.empty_table())

    def _numbered(self) -> pa.Table:
        """Return the accepted rows with the order in which they were learned, when they were known, and their load."""
        loads = pa.chunked_array([loads for loads, _ in self._accepted])
        rows = pa.concat_tables([table for _, table in self._accepted])
        sequence = pa.array(np.arange(self._next, self._next + rows.num_rows))
        known = self._known_at(rows)
        return rows.append_column("_seq", sequence).append_column("_known_at", known).append_column("_load", loads)

    def _known_at(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        return known_at(self.job.contract, rows)

    def _stored(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self.lake.batches(self.name, columns=columns)

    def _goes_on(self, load: Load) -> bool:
        """Whether an earlier run has taken some rows of a load."""
        return load.begun and (load.id in self._held_before or self._reach(load) > 0)

    def _held(self, load: Load) -> npt.NDArray[np.int64]:
        """Return the positions of a load's rows that are in quarantine already, and keep their reasons."""
        before = self._held_before.get(load.id, ())
        self._before = Before([reasons for _, reasons in before])
        if before:
            self._before.learn(possible(self.job.received))  # of keys and references rows are not judged again
        return np.array([row for row, _ in before], np.int64)

    def _verify(self, ended: list[tuple[Load, int, int, int]]) -> None:
        """Count what interrupted loads have left in the lake; the others were counted on their way."""
        again = {
            load.id: (load, received, accepted) for load, received, accepted, _ in ended if load.begun and received
        }
        found = counted(self.lake, self.name, again)
        for id, (load, received, accepted) in again.items():
            if received and found[id] != accepted:
                text = f"{found[id]} accepted rows of {load.name} in the lake"
                cure = "report it with a copy of the lake: nothing more is loaded into this stream"
                raise HeadraceError(Fault("HR-SOURCE-011", load.name, text, f"{accepted} of {received}", cure))


def _repeat(value: str, like: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(value), like.num_rows)


def faults_at(name: str, error: HeadraceError) -> list[Fault]:
    """Return faults of a file under the name that its project knows it by."""
    return [replace(fault, place=name) for fault in error.faults]
