"""Loading: what is new through their contract into the lake, each row once, whatever is killed and when.

What an origin delivers is written down first (``given``), each file is decided upon before any is loaded
(``planning``), and rows come in batch by batch (``work``). A lock keeps other loads of the same stream out meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headrace.connect.files import BATCH_ROWS
from headrace.connect.given import Given, given
from headrace.connect.history import Keeping
from headrace.connect.loads import Ledger
from headrace.connect.merging import Merging
from headrace.connect.planning import Plan, plan
from headrace.connect.recheck import recheck
from headrace.connect.replacing import Replacing
from headrace.connect.restore import complete_restore
from headrace.connect.withdraw import withdraw
from headrace.connect.work import Job, Progress, Work
from headrace.contracts import check_rules, total
from headrace.declare import Contract, Stream, Table
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan.promises import contract_meaning
from headrace.plan.snapshot import digest as content_digest


@dataclass(frozen=True)
class IngestReport:
    """What a run of ``ingest`` did; ``received == accepted + quarantined`` over the files that it finished.

    Args:
        received: rows of the files finished in this run.
        accepted: of these, rows now in the stream's table.
        quarantined: of these, rows now in ``quarantine_<stream>``.
        reasons: rows that break each rule, most frequent first; a row counts once for each of its reasons.
        files_new: files finished in this run.
        files_skipped: files that were loaded before.
        faults: files that could not be loaded (errors) and what is worth knowing (warnings).
    """

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
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
    inbox: Path | None = None,
    batch_rows: int = BATCH_ROWS,
    first: Callable[[], object] = tuple,
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

    Returns:
        Counts, and the faults of files that could not be loaded; the other files are loaded all the same.

    Raises:
        HeadraceError: no file, no contract, rows in the lake that break a changed contract (HR-DATA-108), disk full
            (run again to go on); of an origin that it is away (HR-SOURCE-020) and what its reader says.
    """
    received = stream.contract if isinstance(stream, Stream) else stream.received
    if received is None or stream.contract is None or stream.source is None:
        found, cure = f"{stream.name} without contract or source", f"source=… and a contract for {stream.name}"
        raise HeadraceError(Fault("HR-SOURCE-010", stream.place, found, "both, to load rows", cure))
    if faults := check_rules(stream.contract):
        raise HeadraceError(faults)
    told, box = progress or _silent, inbox or lake.root.parent / "inbox"
    with given(stream, received, folder, lake, box, batch_rows, told) as there, lake.lock(stream.name):
        ledger = complete_restore(lake, stream.name)
        first()
        _keep_contract(stream, stream.contract, lake, ledger)
        there.require(ledger)
        todo = plan(received, there, ledger, batch_rows)
        newest = lake.sequence(stream.name)
        todo.faults += withdraw(lake, stream.name, ledger, todo.broken, todo.there)
        if (todo.failed and there.whole) or not (todo.loads or there.ends):
            return IngestReport(files_skipped=todo.skipped, faults=tuple(todo.faults))
        ledger.begin(todo.loads)
        job = Job(lake, stream.name, stream.contract, received, ledger, told, batch_rows, newest + 1)
        work = _work(stream, there, todo, job)
        for load in todo.loads:
            todo.faults.extend(work.take(load))
        if not (todo.failed and there.whole):
            work.end()
        todo.faults += work.faults
        there.remember(lake, stream.name, todo.loads)
    return _report(todo, work)


def _work(stream: Stream | Table, there: Given, todo: Plan, job: Job) -> Work:
    """Return what brings rows into a table of this kind."""
    if isinstance(stream, Stream) or there.mode == "append":
        return Work(job)
    if not job.contract.key_fields():
        return Replacing(job, todo.superseded)
    kind = Keeping if stream.history else Merging
    return kind(job, there.whole, there.learned_us, there.others, todo.superseded)


def _report(todo: Plan, work: Work) -> IngestReport:
    received = sum(one[1] for one in work.finished)
    accepted = sum(one[2] for one in work.finished)
    quarantined = sum(one[3] for one in work.finished)
    reasons, files = total(work.counts), len(work.finished)
    return IngestReport(received, accepted, quarantined, reasons, files, todo.skipped, tuple(todo.faults))


def _silent(done: int, what: str) -> None:
    pass


def _keep_contract(stream: Stream | Table, contract: type[Contract], lake: Lake, ledger: Ledger) -> None:
    """See to it that the rows that are there keep the contract under which others come now."""
    promised = content_digest(contract_meaning(contract))
    if ledger.contract == promised:
        return
    if lake.exists(stream.name):
        recheck(stream, contract, lake)
    ledger.checked(promised)
