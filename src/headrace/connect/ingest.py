"""Loading: new files through their contract into the lake, each row once, whatever is killed and when.

A batch is two commits: first its quarantined rows, then its accepted rows, which also record for each file how far
it is done. A run that finds a load begun goes on behind that point, and passes over the rows that are in quarantine
already: so nothing is lost or doubled between the two. A lock keeps other loads of the same stream out meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headrace.connect.files import BATCH_ROWS, check_file, digest, find_files
from headrace.connect.loads import Ledger, Load, Past
from headrace.connect.places import File
from headrace.connect.recheck import recheck
from headrace.connect.restore import complete_restore
from headrace.connect.withdraw import withdraw
from headrace.connect.work import Progress, Work, faults_at
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
    batch_rows: int = BATCH_ROWS,
    first: Callable[[], object] = tuple,
) -> IngestReport:
    """Load the new files of a stream into the lake; files that were loaded before are passed over.

    Args:
        stream: whose ``source`` names the files and whose contract they must keep.
        folder: of the project, to which ``source`` is relative.
        lake: with the tables ``<stream>``, ``quarantine_<stream>`` and ``loads_<stream>`` afterwards.
        progress: told the rows done, after each batch.
        batch_rows: rows that are held in memory and committed together.
        first: called when no other process can add to the stream any more, to bring in what was learned before.

    Returns:
        Counts, and the faults of files that could not be loaded; the other files are loaded all the same.

    Raises:
        HeadraceError: no file, no contract, rows in the lake that break a changed contract (HR-DATA-108), disk full
            (run again to go on).
    """
    contract, source = stream.contract, stream.files
    if contract is None or source is None:
        found, cure = f"{stream.name} without contract or source", f"source=… and a contract for {stream.name}"
        raise HeadraceError(Fault("HR-SOURCE-010", stream.place, found, "both, to load files", cure))
    if faults := check_rules(contract):
        raise HeadraceError(faults)
    files = find_files(folder, source)
    with lake.lock(stream.name):
        ledger = complete_restore(lake, stream.name)
        first()
        _keep_contract(stream, contract, lake, ledger)
        plan = _plan(contract, files, ledger, batch_rows)
        newest = lake.sequence(stream.name)
        plan.faults += withdraw(lake, stream.name, ledger, plan.broken, plan.there)
        if not plan.loads:
            return IngestReport(files_skipped=plan.skipped, faults=tuple(plan.faults))
        ledger.begin(plan.loads)
        work = Work(lake, stream.name, contract, ledger, progress or _silent, batch_rows, newest + 1)
        for load in plan.loads:
            plan.faults.extend(work.take(load))
        work.flush()
    return _report(plan, work)


def _report(plan: _Plan, work: Work) -> IngestReport:
    received = sum(one[1] for one in work.finished)
    accepted = sum(one[2] for one in work.finished)
    quarantined = sum(one[3] for one in work.finished)
    reasons, files = total(work.counts), len(work.finished)
    return IngestReport(received, accepted, quarantined, reasons, files, plan.skipped, tuple(plan.faults))


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
            plan.faults += faults_at(file.name, error)
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
