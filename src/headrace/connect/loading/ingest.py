"""Loading: what is new through their contract into the lake, each row once, whatever is killed and when.

What an origin delivers is written down first (``given``), each file is decided upon before any is loaded
(``planning``), and rows come in batch by batch (``work``). A lock keeps other loads of the same stream out meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headrace.connect.evolve import Reads, nobody, settle
from headrace.connect.files import BATCH_ROWS
from headrace.connect.inbox import Inbox
from headrace.connect.loading.given import Given, given
from headrace.connect.loading.history import Keeping
from headrace.connect.loading.merging import Merging
from headrace.connect.loading.outcome import Quality
from headrace.connect.loading.planning import Plan, plan
from headrace.connect.loading.replacing import Replacing
from headrace.connect.loading.withdraw import withdraw
from headrace.connect.loading.work import Job, Progress, Work
from headrace.connect.loads import Ledger
from headrace.connect.quality import looks_up
from headrace.connect.repair.restore import complete_restore
from headrace.contracts import Referred, check_rules, total
from headrace.declare import Stream, Table
from headrace.declare.project import kept_beside
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake


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

    def then(self, other: IngestReport) -> IngestReport:
        """Return the report of this load and of another one behind it."""
        return IngestReport(
            self.received + other.received,
            self.accepted + other.accepted,
            self.quarantined + other.quarantined,
            total([self.reasons, other.reasons]),
            total([self.warned, other.warned]),
            self.files_new + other.files_new,
            other.files_skipped,
            tuple(dict.fromkeys((*self.faults, *other.faults))),
        )

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values for ``--json``."""
        return {**asdict(self), "faults": [fault.as_dict() for fault in self.faults]}


def ingest(
    stream: Stream | Table,
    folder: Path,
    lake: Lake,
    progress: Progress | None = None,
    *,
    inbox: Path | None = None,
    batch_rows: int = BATCH_ROWS,
    first: Callable[[], object] = tuple,
    reads: Reads = nobody,
    accept: bool = False,
    referred: Referred | None = None,
) -> IngestReport:
    """Load what is new of a stream or table into the lake; what was loaded before is passed over.

    Args:
        stream: whose ``source`` names files or an origin, and whose contract the rows must keep.
        folder: of the project, to which ``source`` is relative.
        lake: with the tables ``<stream>``, ``quarantine_<stream>`` and ``loads_<stream>`` afterwards.
        progress: told the rows done, after each batch.
        inbox: folder in which what an origin delivers waits until it is loaded; by default beside the lake.
        batch_rows: rows that are held in memory and committed together.
        first: called when no other process can add to the stream any more, to bring in what was learned before.
        reads: who reads a column of the stream, for what a file or a contract would break.
        accept: whether the contract may have changed in ways that are not compatible; see ``evolve.settle``.
        referred: yields the values of the tables that the contract's rules refer to; by default only what the rules
            themselves say is known of these tables: a name and a column.

    Returns:
        Counts, and the faults of files that could not be loaded; the other files are loaded all the same.

    Raises:
        HeadraceError: no file, no contract, a contract that changed in a way that rows cannot follow (HR-EVOLVE-001)
            or that some break (HR-DATA-108), disk full (run again to go on); of an origin that it is away
            (HR-SOURCE-020) and what its reader says.
    """
    received = stream.received
    if received is None or stream.contract is None or stream.source is None:
        found, cure = f"{stream.name} without contract or source", f"source=… and a contract for {stream.name}"
        raise HeadraceError(Fault("HR-SOURCE-010", stream.place, found, "both, to load rows", cure))
    if faults := check_rules(stream.contract):
        raise HeadraceError(faults)
    beside = lake.root.parent if isinstance(lake.root, Path) else Path(".headrace")
    told, box = progress or _silent, inbox or beside / "inbox"

    with lake.lock(stream.name):
        if (ledger := Ledger(lake, stream.name)).dropped:  # by a drop that was killed
            if _stands(lake, stream.name):
                ledger.keep()
            else:
                drop(lake, stream.name, box)

    def load() -> tuple[IngestReport, bool]:
        with given(stream, received, folder, lake, box, batch_rows, told) as there, lake.lock(stream.name):
            ledger = complete_restore(lake, stream.name)
            first()
            lookup = referred or looks_up(lake, {})
            settle(stream, lake, ledger, reads=reads, accept=accept, referred=lookup)
            there.require(ledger)
            todo = plan(received, there, ledger, batch_rows, reads)
            newest = lake.sequence(stream.name)
            had = there.whole and lake.exists(stream.name) and lake.rows(stream.name)
            todo.faults += withdraw(lake, stream.name, ledger, todo.broken, todo.there)
            judged = Quality(stream, received, lake)
            if (todo.failed and there.whole) or not (todo.loads or there.ends):
                told_of = IngestReport(files_skipped=todo.skipped, faults=(*todo.faults, *judged.freshness()))
                return told_of, there.before
            ledger.begin(todo.loads)
            judged.compare(ledger)
            assert stream.contract is not None
            job = Job(
                lake, stream.name, stream.contract, received, ledger, told, batch_rows, newest + 1, judged, lookup
            )
            work = _work(stream, there, todo, job)
            appends = there.mode == "append"
            todo.faults += work.take_all(todo.loads, together=appends or not judged.stops, appends=appends)
            if not (todo.failed and there.whole):
                work.end()
                if had and there.delivery is None and not any(received for _, received, *_ in work.finished):
                    todo.faults.append(_emptied(stream))
            todo.faults += [*work.faults, *judged.warnings(), *judged.freshness()]
            there.remember(lake, stream.name)
        return _report(todo, work), there.before

    report, before = load()
    if before and not any(one.severity == "error" for one in report.faults):
        report = report.then(load()[0])  # what was read by a run that was cut off is loaded; then what is there now
    return report


def drop(lake: Lake, name: str, inbox: Path) -> list[str]:
    """Remove a table with all that is kept beside it; its ledger, which tells that it goes, is the last.

    A drop that is killed before the table went did not happen; after that, the next load brings it to its end.

    Returns:
        The tables that were removed.
    """
    beside = [one for one in kept_beside(name) if lake.exists(one)]
    if (ledger := Ledger(lake, name)).table in beside and not ledger.dropped:
        ledger.drop()
    going = [name, *beside] if lake.exists(name) or not beside else beside
    if name in going:
        lake.drop(name)
    Inbox.forget(inbox, name)
    for one in beside:
        lake.drop(one)
    return going


def _stands(lake: Lake, name: str) -> bool:
    """Whether a table is there and can be read: in a bucket, one that is going is listed still."""
    try:
        return lake.version(name) >= 0
    except HeadraceError:
        return False


def _work(stream: Stream | Table, there: Given, todo: Plan, job: Job) -> Work:
    """Return what brings rows into a table of this kind."""
    if there.mode == "append":
        return Work(job)
    assert isinstance(stream, Table)
    if not job.contract.key_fields():
        return Replacing(job, todo.superseded)
    kind = Keeping if stream.history else Merging
    return kind(job, todo.superseded, there)


def _report(todo: Plan, work: Work) -> IngestReport:
    received = sum(one[1] for one in work.finished)
    accepted = sum(one[2] for one in work.finished)
    quarantined = sum(one[3] for one in work.finished)
    reasons, files = total(work.counts), len(work.finished)
    warned = work.job.judged.warned
    return IngestReport(received, accepted, quarantined, reasons, warned, files, todo.skipped, tuple(todo.faults))


def _emptied(stream: Stream | Table) -> Fault:
    found = f"files without a row, where {stream.name} had some; it is empty now"
    cure = 'nothing, if it is to be; else export them again; hr.volume(at_least=1, severity="stop") refuses such a load'
    return Fault("HR-SOURCE-022", stream.source, found, "that what was read stays", cure, "warning")


def _silent(done: int, what: str) -> None:
    pass
