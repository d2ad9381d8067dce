"""Rows on their way into the lake: validated, numbered, and committed with how far each file is done.

A batch is two commits: first its quarantined rows, then its accepted rows, which also record for each file how far
it is done. A run that finds a load begun goes on behind that point, and passes over the rows that are in quarantine
already: so nothing is lost or doubled between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.files import read_batches
from headrace.connect.known import known_at
from headrace.connect.loads import Ledger, Load
from headrace.contracts import QUARANTINE, KeyIndex, Validated, validate
from headrace.declare import Contract
from headrace.declare.kept import loaded
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.types import arrow_schema

Progress = Callable[[int, str], None]
"""Called with the rows done so far in this run, and what is being done."""


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
    """

    lake: Lake
    name: str
    contract: type[Contract]
    received: type[Contract]
    ledger: Ledger
    progress: Progress
    batch_rows: int
    next: int


class Work:
    """Rows that are validated and not yet committed, and what was committed so far."""

    def __init__(self, job: Job) -> None:
        self.job, self.lake, self.name = job, job.lake, job.name
        self.done = 0
        self.counts: list[dict[str, int]] = []
        self.finished: list[tuple[Load, int, int, int]] = []
        self.faults: list[Fault] = []
        self._next = job.next
        self._accepted: list[tuple[Load, pa.Table]] = []
        self._quarantined: list[tuple[Load, pa.Table]] = []
        self._reached: dict[str, int] = {}
        self._rows = 0
        self._ending: list[tuple[Load, int, int]] = []
        self._quarantine = f"quarantine_{self.name}"
        self._make_tables()
        self._keys = KeyIndex(job.contract.key_fields(), self._stored_keys)

    def take(self, load: Load) -> list[Fault]:
        """Bring one file in, from the point that an earlier run reached; return what kept it from its end."""
        reached = self._reach(load) if load.begun else 0
        held = self._held(load) if load.begun else _no_rows()
        position, bad = 1, len(held)
        batches = read_batches(load.file, self.job.received, self.job.batch_rows)
        while True:
            try:
                batch = next(batches, None)
            except HeadraceError as error:
                return faults_at(load.name, error)
            if batch is None:
                self._ending.append((load, position - 1, bad))
                return []
            rows = np.arange(position, position + batch.num_rows)
            position += batch.num_rows
            bad += self._validate(load, batch, rows, (rows > reached) & ~np.isin(rows, held))

    def flush(self) -> None:
        """Commit what is validated: quarantined rows first, then accepted rows, then the ledger."""
        self._flush()
        self._settle()

    def end(self) -> None:
        """Commit what is left, once all is taken."""
        self.flush()

    def _flush(self) -> None:
        if self._quarantined:
            marked = [table.append_column("_load", _repeat(load.id, table)) for load, table in self._quarantined]
            self.lake.append(self._quarantine, pa.concat_tables(marked).select(["_load", *QUARANTINE.names]))
        if self._reached:
            rows = self._numbered()
            self._commit(rows)
            self._next += rows.num_rows
        self._keys.settle()
        self._accepted, self._quarantined, self._reached, self._rows = [], [], {}, 0
        self.job.progress(self.done, f"loaded {self.name}")

    def _settle(self) -> None:
        ended = [(load, received, received - bad, bad) for load, received, bad in self._ending]
        self._verify(ended)
        self.job.ledger.finish(ended)
        self.finished += ended
        self._ending = []

    def _commit(self, rows: pa.Table) -> None:
        self.lake.append(self.name, rows, once=list(self._reached.items()))

    def _reach(self, load: Load) -> int:
        """Return the last row of a load that an earlier run committed."""
        return max(0, self.lake.committed(self.name, load.app))

    def _complete(self, rows: pa.Table) -> pa.Table:
        """Return accepted rows with all columns that they have in the lake."""
        return rows

    def _validate(self, load: Load, batch: pa.Table, rows: npt.NDArray[np.int64], new: npt.NDArray[np.bool_]) -> int:
        self.done += batch.num_rows
        if not new.any():
            return 0
        fresh = batch if new.all() else batch.filter(pa.array(new))
        result: Validated = validate(self.job.received, fresh, self._keys, load.name, rows=rows[new])
        self._accepted.append((load, self._complete(result.accepted)))
        if result.quarantined.num_rows:
            self._quarantined.append((load, result.quarantined))
        self.counts.append(result.counts)
        self._reached[load.app] = int(rows[-1])
        self._rows += fresh.num_rows
        self.job.progress(self.done, f"loading {load.name}")
        if self._rows >= self.job.batch_rows:
            self.flush()
        return int(result.quarantined.num_rows)

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
        loads = pa.chunked_array([_repeat(load.id, table) for load, table in self._accepted])
        rows = pa.concat_tables([table for _, table in self._accepted])
        sequence = pa.array(np.arange(self._next, self._next + rows.num_rows))
        known = self._known_at(rows)
        return rows.append_column("_seq", sequence).append_column("_known_at", known).append_column("_load", loads)

    def _known_at(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        return known_at(self.job.contract, rows)

    def _stored_keys(self) -> Iterator[pa.RecordBatch]:
        yield from self.lake.batches(self.name, columns=list(self.job.contract.key_fields()))

    def _held(self, load: Load) -> npt.NDArray[np.int64]:
        """Return the positions of a load's rows that are in quarantine already, and count their reasons."""
        rows = self.lake.read(self._quarantine, columns=["_load", "_row", "reasons"])
        rows = rows.filter(pc.equal(rows["_load"], load.id))
        for reasons in rows["reasons"].to_pylist():
            self.counts.append({f"{reason.split(':')[0]}: before an interruption": 1 for reason in reasons})
        return np.asarray(rows["_row"].to_numpy(), np.int64)

    def _verify(self, ended: list[tuple[Load, int, int, int]]) -> None:
        """Count what an interrupted load has left in the lake; the others were counted on their way."""
        for load, received, accepted, _ in ended:
            if load.begun and received:
                parts = self.lake.batches(self.name, columns=["_load"])
                found = sum(pc.sum(pc.equal(part["_load"], load.id)).as_py() or 0 for part in parts)
                if found != accepted:
                    text = f"{found} accepted rows of {load.name} in the lake"
                    cure = "report it with a copy of the lake: nothing more is loaded into this stream"
                    raise HeadraceError(Fault("HR-SOURCE-011", load.name, text, f"{accepted} of {received}", cure))


def _no_rows() -> npt.NDArray[np.int64]:
    return np.empty(0, np.int64)


def _repeat(value: str, like: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(value), like.num_rows)


def faults_at(name: str, error: HeadraceError) -> list[Fault]:
    """Return faults of a file under the name that its project knows it by."""
    return [replace(fault, place=name) for fault in error.faults]
