"""Loading: new files through their contract into the lake, each row once, whatever is killed and when.

A batch is two commits: first its quarantined rows, then its accepted rows, which also record for each file how far
it is done. A run that finds a load begun goes on behind that point, and passes over the rows that are in quarantine
already: so nothing is lost or doubled between the two. A lock keeps other loads of the same stream out meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect import quality
from headrace.connect.files import BATCH_ROWS, check_file, digest, find_files, read_batches
from headrace.connect.holding import Holding
from headrace.connect.loads import Ledger, Load, Past
from headrace.connect.outcome import Outcome, Quality
from headrace.connect.places import File
from headrace.connect.recheck import recheck
from headrace.connect.restore import complete_restore
from headrace.connect.withdraw import withdraw
from headrace.contracts import QUARANTINE, Across, Referred, check_rules, judge, total, validate
from headrace.declare import Contract, Stream, Table
from headrace.declare.kept import loaded
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan.promises import contract_meaning
from headrace.plan.rules import row_rules_meaning
from headrace.plan.snapshot import digest as content_digest
from headrace.types import arrow_schema

Progress = Callable[[int, str], None]
"""Called with the rows done so far in this run, and what is being done."""


@dataclass(frozen=True)
class IngestReport:
    """What a run of ``ingest`` did; ``received == accepted + quarantined`` over the files that it finished.

    Args:
        received: rows of the files finished in this run.
        accepted: of these, rows now in the stream's table.
        quarantined: of these, rows now in ``quarantine_<stream>``.
        reasons: rows that break each rule, most frequent first; a row counts once for each of its reasons.
        warned: rows that break each rule that only warns; they are among the accepted or, for other reasons, not.
        files_new: files finished in this run.
        files_skipped: files that were loaded before.
        faults: files that could not be loaded (errors) and what is worth knowing (warnings).
    """

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    warned: dict[str, int] = field(default_factory=dict)
    files_new: int = 0
    files_skipped: int = 0
    faults: tuple[Fault, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values for ``--json``."""
        return {**asdict(self), "faults": [fault.as_dict() for fault in self.faults]}


def ingest(
    stream: Stream | Table,
    folder: Path,
    lake: Lake,
    progress: Progress | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    first: Callable[[], object] = tuple,
    referred: Referred | None = None,
) -> IngestReport:
    """Load the new files of a stream into the lake; files that were loaded before are passed over.

    Args:
        stream: whose ``source`` names the files and whose contract they must keep.
        folder: of the project, to which ``source`` is relative.
        lake: with the tables ``<stream>``, ``quarantine_<stream>`` and ``loads_<stream>`` afterwards.
        progress: told the rows done, after each batch.
        batch_rows: rows that are held in memory and committed together.
        first: called when no other process can add to the stream any more, to bring in what was learned before.
        referred: yields the values of the tables that the contract's rules refer to; by default only what the rules
            themselves say is known of these tables: a name and a column.

    Returns:
        Counts, and the faults of files that could not be loaded; the other files are loaded all the same.

    Raises:
        HeadraceError: no file, no contract, rows in the lake that break a changed contract (HR-DATA-108), disk full
            (run again to go on).
    """
    contract, source = stream.contract, stream.source
    if contract is None or source is None:
        found, cure = f"{stream.name} without contract or source", f"source=… and a contract for {stream.name}"
        raise HeadraceError(Fault("HR-SOURCE-010", stream.place, found, "both, to load files", cure))
    if faults := check_rules(contract):
        raise HeadraceError(faults)
    files = find_files(folder, source)
    with lake.lock(stream.name):
        ledger = complete_restore(lake, stream.name)
        first()
        lookup = referred or quality.looks_up(lake, {})
        _keep_contract(stream, contract, lake, ledger, lookup)
        plan = _plan(contract, files, ledger, batch_rows)
        newest = lake.sequence(stream.name)
        plan.faults += withdraw(lake, stream.name, ledger, plan.broken, plan.there)
        judged = Quality(stream, contract, lake)
        if not plan.loads:
            return IngestReport(files_skipped=plan.skipped, faults=(*plan.faults, *judged.freshness()))
        ledger.begin(plan.loads)
        judged.compare(ledger)
        work = _Work(lake, stream.name, contract, ledger, progress or _silent, batch_rows, newest + 1, judged, lookup)
        for load in plan.loads:
            plan.faults.extend(work.take(load))
        work.flush()
        plan.faults += [*judged.warnings(), *judged.freshness()]
    return _report(plan, work)


def _report(plan: _Plan, work: _Work) -> IngestReport:
    received = sum(one[1] for one in work.finished)
    accepted = sum(one[2] for one in work.finished)
    quarantined = sum(one[3] for one in work.finished)
    reasons, files = total(work.counts), len(work.finished)
    warned = work.judged.warned
    return IngestReport(received, accepted, quarantined, reasons, warned, files, plan.skipped, tuple(plan.faults))


def _silent(done: int, what: str) -> None:
    pass


def _keep_contract(
    stream: Stream | Table, contract: type[Contract], lake: Lake, ledger: Ledger, referred: Referred
) -> None:
    """See to it that the rows that are there keep the contract under which others come now."""
    rules = row_rules_meaning(contract)
    promised = content_digest(contract_meaning(contract) | ({"#rules": rules} if rules else {}))
    if ledger.contract == promised:
        return
    if lake.exists(stream.name):
        recheck(stream, contract, lake, referred)
    ledger.checked(promised)


@dataclass
class _Plan:
    loads: list[Load] = field(default_factory=list)
    broken: list[Past] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    skipped: int = 0
    faults: list[Fault] = field(default_factory=list)


def _plan(contract: type[Contract], files: Iterable[File], ledger: Ledger, batch_rows: int) -> _Plan:
    """Decide for each file whether it is new, known, changed or damaged, before any of them is loaded."""
    plan = _Plan()
    # A load that was cut off keeps its content: another file of the same is the copy, not this one.
    known = [*ledger.unfinished, *ledger.by_content.values()]
    contents = {past.sha256: past.name for past in known}
    for file in files:
        plan.there.add(file.name)
        try:
            _decide(plan, file, contract, ledger, contents, batch_rows)
        except HeadraceError as error:
            plan.faults += _at(file.name, error)
    going_on = {load.id for load in plan.loads}
    plan.broken = [past for past in ledger.unfinished if past.id not in going_on]
    return plan


def _decide(
    plan: _Plan,
    file: File,
    contract: type[Contract],
    ledger: Ledger,
    contents: dict[str, str],
    batch_rows: int,
) -> None:
    name, sha256, past = file.name, digest(file), ledger.by_name.get(file.name)
    if past is not None and past.finished and past.sha256 != sha256:
        raise HeadraceError(_changed(file, past))
    twin = ledger.by_content.get(sha256)
    if (past is not None and past.finished) or (twin is not None and twin.removed):
        plan.skipped += 1
    elif file.size == 0:
        plan.faults.append(_nothing(name))
    elif contents.get(sha256, name) != name:
        plan.skipped += 1
        plan.faults.append(_copy(name, contents[sha256]))
    else:
        plan.faults += check_file(file, contract, batch_rows)
        contents[sha256] = name
        plan.loads.append(ledger.load(file, sha256))


def _at(name: str, error: HeadraceError) -> list[Fault]:
    """Return faults of a file under the name that its project knows it by."""
    return [replace(fault, place=name) for fault in error.faults]


def _changed(file: File, past: Past) -> Fault:
    """Say whether a loaded file grew or was edited; a file is one delivery, and rows are not searched for changes."""
    if digest(file, past.size) == past.sha256:
        found = f"a file that grew after it was loaded: its first {past.size:,} bytes are what was loaded"
        cure = "put the rows behind them into a new file, and cut this one back"
    else:
        found = "a file that was edited after it was loaded; what was loaded stays as it was"
        cure = "restore it, and bring other rows in a new file"
    return Fault("HR-SOURCE-003", past.name, found, "files that stay as they are", cure)


def _nothing(name: str) -> Fault:
    found, cure = "an empty file, without even a header", "nothing, where it has no rows to bring; else export it again"
    return Fault("HR-SOURCE-005", name, found, "a header", cure, "warning")


def _copy(name: str, other: str) -> Fault:
    cure = "delete one of them, if they are one delivery"
    return Fault("HR-SOURCE-006", name, f"the same content as {other}", "each file once", cure, "warning")


@dataclass
class _Work:
    """Rows that are validated and not yet committed, and what was committed so far."""

    lake: Lake
    name: str
    contract: type[Contract]
    ledger: Ledger
    progress: Progress
    batch_rows: int
    _next: int
    judged: Quality
    referred: Referred
    done: int = 0
    counts: list[dict[str, int]] = field(default_factory=list)
    finished: list[tuple[Load, int, int, int]] = field(default_factory=list)
    _accepted: list[tuple[Load, pa.Table]] = field(default_factory=list)
    _quarantined: list[tuple[Load, pa.Table]] = field(default_factory=list)
    _reached: dict[str, int] = field(default_factory=dict)
    _rows: int = 0
    _ending: list[tuple[Load, int, int, Outcome]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._quarantine = f"quarantine_{self.name}"
        self._make_tables()
        self._across = Across(self.contract, self._stored, self.referred)

    def take(self, load: Load) -> list[Fault]:
        """Bring one file in, from the point that an earlier run reached; return what kept it from its end."""
        reached = max(0, self.lake.committed(self.name, load.app)) if load.begun else 0
        held = self._held(load) if load.begun else _no_rows()
        if self.judged.stops and not reached and not len(held):
            return self._take_whole(load)
        position, bad, outcome = 1, len(held), self.judged.begin(load)
        try:
            for batch in read_batches(load.file, self.contract, self.batch_rows):
                rows = np.arange(position, position + batch.num_rows)
                position += batch.num_rows
                bad += self._validate(load, batch, rows, reached, held, outcome)
        except HeadraceError as error:
            return _at(load.name, error)
        self._ends(load, position - 1, bad, outcome)
        return []

    def _take_whole(self, load: Load) -> list[Fault]:
        """Bring one file in or, when it breaks a rule that stops its load, none of its rows."""
        self.flush()
        received, outcome = 0, self.judged.begin(load)
        with Holding() as holding:
            try:
                for batch in read_batches(load.file, self.contract, self.batch_rows):
                    rows = np.arange(received + 1, received + batch.num_rows + 1)
                    received += batch.num_rows
                    self.done += batch.num_rows
                    result = validate(self.contract, batch, self._across, load.name, rows=rows)
                    outcome.take(batch.num_rows, result, rows)
                    holding.add(batch.num_rows, received, result)
                    self.progress(self.done, f"checking {load.name}")
            except HeadraceError as error:
                self._across.settle()
                return _at(load.name, error)
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

    def _ends(self, load: Load, received: int, bad: int, outcome: Outcome) -> None:
        self.judged.ends(outcome)
        self._ending.append((load, received, bad, outcome))

    def flush(self) -> None:
        """Commit what is validated: quarantined rows first, then accepted rows, then the ledger."""
        if self._quarantined:
            marked = [table.append_column("_load", _repeat(load.id, table)) for load, table in self._quarantined]
            self.lake.append(self._quarantine, pa.concat_tables(marked).select(["_load", *QUARANTINE.names]))
        if self._reached:
            rows = self._numbered()
            self.lake.append(self.name, rows, once=list(self._reached.items()))
            self._next += rows.num_rows
        self._across.settle()
        ended = [(load, received, received - bad, bad) for load, received, bad, _ in self._ending]
        self._verify(ended)
        quality.keep(self.lake, self.name, [(load, outcome.figures) for load, *_, outcome in self._ending])
        self.ledger.finish(ended)
        self.finished += ended
        self._accepted, self._quarantined, self._ending, self._reached, self._rows = [], [], [], {}, 0
        self.progress(self.done, f"loaded {self.name}")

    def _validate(
        self,
        load: Load,
        batch: pa.Table,
        rows: npt.NDArray[np.int64],
        reached: int,
        held: npt.NDArray[np.int64],
        outcome: Outcome,
    ) -> int:
        new = (rows > reached) & ~np.isin(rows, held)
        self.done += batch.num_rows
        if not new.all():
            old = rows[~new]
            outcome.before(*judge(self.contract, batch.filter(pa.array(~new))), np.isin(old, held))
        if not new.any():
            return 0
        fresh = batch if new.all() else batch.filter(pa.array(new))
        result = validate(self.contract, fresh, self._across, load.name, rows=rows[new])
        outcome.take(fresh.num_rows, result, rows[new])
        self.counts.append(result.counts)
        return self._accept(load, fresh.num_rows, int(rows[-1]), result.accepted, result.quarantined)

    def _accept(
        self,
        load: Load,
        received: int,
        last: int,
        accepted: pa.Table,
        quarantined: pa.Table,
    ) -> int:
        """Take validated rows, up to a position in their file; commit when there are enough of them."""
        self._accepted.append((load, accepted))
        if quarantined.num_rows:
            self._quarantined.append((load, quarantined))
        self._reached[load.app] = last
        self._rows += received
        self.progress(self.done, f"loading {load.name}")
        if self._rows >= self.batch_rows:
            self.flush()
        return int(quarantined.num_rows)

    def _make_tables(self) -> None:
        """Make both tables before the first row, so that a stream without rows can be read like any other."""
        for name, schema in (
            (self.name, arrow_schema(loaded(self.contract))),
            (self._quarantine, pa.schema([("_load", pa.string()), *QUARANTINE])),
        ):
            if not self.lake.exists(name):
                self.lake.append(name, schema.empty_table())

    def _numbered(self) -> pa.Table:
        """Return the accepted rows with the order in which they were learned, when they were known, and their load."""
        loads = pa.chunked_array([_repeat(load.id, table) for load, table in self._accepted])
        rows = pa.concat_tables([table for _, table in self._accepted])
        sequence = pa.array(np.arange(self._next, self._next + rows.num_rows))
        known = _known_at(self.contract, rows)
        return rows.append_column("_seq", sequence).append_column("_known_at", known).append_column("_load", loads)

    def _stored(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self.lake.batches(self.name, columns=columns)

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


def _known_at(contract: type[Contract], rows: pa.Table) -> pa.Array | pa.ChunkedArray:
    """History counts as known when it happened, unless a field says when it was; without times it was known always."""
    names = [contract.role(role) for role in ("known_time", "event_time", "valid_from")]
    columns = [rows[name] for name in names if name is not None]
    return pc.coalesce(*columns) if columns else pa.nulls(rows.num_rows, pa.timestamp("us", tz="UTC"))
