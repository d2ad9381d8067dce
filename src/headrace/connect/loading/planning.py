"""Which files are to be loaded: for each whether it is new, known, changed or damaged, before any of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headrace.connect.evolve import Reads, nobody, read_by
from headrace.connect.files import beginnings, check_file, digest
from headrace.connect.loading.given import Given
from headrace.connect.loading.work import faults_at
from headrace.connect.loads import Ledger, Load, Past
from headrace.connect.naming import read_as
from headrace.connect.places import PACKED, File
from headrace.contracts import Unfit
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError


@dataclass
class Plan:
    """What is to be done with the files of a source.

    Args:
        loads: files to be loaded, in order.
        broken: loads that were cut off and can never be finished.
        superseded: loads of which nothing counts any more once the others are done.
        there: names of the files that there are.
        skipped: files that were loaded before.
        faults: files that cannot be loaded, and what is worth knowing of others.
    """

    loads: list[Load] = field(default_factory=list)
    broken: list[Past] = field(default_factory=list)
    superseded: list[Past] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    skipped: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(fault.severity == "error" for fault in self.faults)


def plan(contract: type[Contract], given: Given, ledger: Ledger, batch_rows: int, reads: Reads = nobody) -> Plan:
    """Decide for each file what becomes of it.

    Args:
        contract: of the rows as they come.
        given: the files.
        ledger: of what was loaded.
        batch_rows: rows that are held in memory.
        reads: who reads a column, for what a file would break.
    """
    made = _Planning(contract, given, ledger, batch_rows, reads)
    made.plan.faults += given.faults
    if given.mode == "replace":
        made.all_or_nothing()
    else:
        made.each()
    made.plan.faults = given.told_once(made.plan.faults)
    going_on = {load.id for load in made.plan.loads}
    made.plan.broken = [past for past in ledger.unfinished if past.id not in going_on]
    if given.whole and (made.plan.loads or given.ends):
        made.plan.superseded = [past for past in ledger.by_id.values() if past.finished and past.id not in going_on]
    return made.plan


class _Planning:
    def __init__(self, contract: type[Contract], given: Given, ledger: Ledger, batch_rows: int, reads: Reads) -> None:
        self.plan = Plan()
        self._reads = reads
        self._contract, self._given, self._ledger, self._batch_rows = contract, given, ledger, batch_rows
        # A load that was cut off keeps its content: another file of the same is the copy, not this one, if it is there.
        there = {file.name for file in given.files}
        known = [*(past for past in ledger.unfinished if past.name in there), *ledger.by_content.values()]
        self._contents = {past.sha256: past.name for past in known}
        self._plain = any(not past.name.lower().endswith(tuple(PACKED)) for past in known)
        """Whether some content is not packed, so that what a packed file holds may be among them."""

    def each(self) -> None:
        decide = self._news if self._given.delivery is not None or self._given.mode == "merge" else self._file
        for file in self._given.files:
            self._tried(file, lambda file: decide(file, digest(file)))

    def all_or_nothing(self) -> None:
        """Load all files again when one is new, changed or gone: together they are what there is."""
        found: list[tuple[File, str]] = []
        for file in self._given.files:
            self._tried(file, lambda file: found.append((file, read_as(digest(file), self._contract))))
        standing = {past.name: past.sha256 for past in self._ledger.by_name.values() if past.finished}
        if self.plan.failed or standing == {file.name: sha256 for file, sha256 in found if file.size}:
            self.plan.skipped = len(found)
            return
        contents = dict(found)
        for file in contents:
            self._tried(file, lambda file: self._take(file, contents[file]))
        if self.plan.failed:
            self.plan.loads.clear()

    def _tried(self, file: File, work: Callable[[File], None]) -> None:
        self.plan.there.add(file.name)
        try:
            work(file)
        except Unfit as error:
            self.plan.faults += faults_at(file.name, _with_readers(error, self._reads))
        except HeadraceError as error:
            self.plan.faults += faults_at(file.name, error)

    def _news(self, file: File, sha256: str) -> None:
        past = self._ledger.by_name.get(file.name)
        if past is not None and past.sha256 == sha256 and (past.finished or past.removed):
            self.plan.skipped += 1
            return
        before = len(self.plan.loads)
        self._take(file, sha256)
        twin = self._ledger.by_content.get(sha256)
        if self._given.delivery is None and twin is not None and len(self.plan.loads) > before:
            self.plan.faults.append(_again(file.name, twin.name))

    def _file(self, file: File, sha256: str) -> None:
        """A file of events is one delivery, whatever its name, and stays as it is."""
        name, past = file.name, self._ledger.by_name.get(file.name)
        if past is not None and past.finished and past.sha256 != sha256:
            raise HeadraceError(_changed(file, past))
        if past is None and file.packed is not None and sha256 not in self._contents and self._plain:
            held = digest(file, unpacked=True)  # as logs are packed when they are rotated
            sha256 = held if held in self._contents else sha256
        twin, other = self._ledger.by_content.get(sha256), self._contents.get(sha256, name)
        if (past is not None and past.finished) or (twin is not None and twin.removed):
            self.plan.skipped += 1
        elif other != name:
            self.plan.skipped += 1
            is_there = any(one.name == other for one in self._given.files)
            self.plan.faults.append(_copy(name, other) if is_there else _renamed(name, other))
        elif past is None and (before := self._begins_with(file)) is not None:
            raise HeadraceError(_copy_and_more(name, before))
        else:
            self._take(file, sha256)

    def _begins_with(self, file: File) -> Past | None:
        """Return the load, as of a file that was rotated, whose rows would be taken again: no key keeps them out."""
        if self._contract.key_fields():
            return None
        loaded, sizes = self._loaded
        found = beginnings(file, sizes, unpacked=self._plain and file.packed is not None)
        return next((loaded[sha256] for sha256 in reversed(found) if sha256 in loaded), None)

    @cached_property
    def _loaded(self) -> tuple[dict[str, Past], npt.NDArray[np.int64]]:
        past = [one for one in self._ledger.by_name.values() if one.finished and one.received]
        return {one.sha256: one for one in past}, np.unique(np.array([one.size for one in past], np.int64))

    def _take(self, file: File, sha256: str) -> None:
        if file.size == 0:
            self.plan.faults.append(_nothing(file.name))
            return
        self.plan.faults += check_file(file, self._contract, self._batch_rows)
        self._contents[sha256] = file.name
        self._plain = self._plain or file.packed is None
        self.plan.loads.append(self._ledger.load(file, sha256, self._given.positions.get(file.name, "")))


def _with_readers(error: Unfit, reads: Reads) -> HeadraceError:
    """Say of columns that a file lacks, or has in another type, what cannot go on without them."""
    told = [(fault, read_by(reads(column))) for column, fault in error.columns]
    return HeadraceError(replace(one, found=f"{one.found}; {said}") if said else one for one, said in told)


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


def _renamed(name: str, other: str) -> Fault:
    found = f"what was loaded as {other}, which is gone: the file was renamed, and its rows are there already"
    return Fault("HR-SOURCE-006", name, found, "each file once", "nothing: it is passed over", "warning")


def _again(name: str, other: str) -> Fault:
    """What a table became once it may become again, so a file that was renamed cannot be told from a new one."""
    found = f"the content of what was loaded as {other}; merged again, it takes the place of what came after it"
    cure = "nothing, where it is a new delivery; of a file that was renamed, bring what came after it again"
    return Fault("HR-SOURCE-006", name, found, "each delivery once", cure, "warning")


def _copy_and_more(name: str, past: Past) -> Fault:
    found = f"what was loaded as {past.name}, and more: its first {past.size:,} bytes are what was loaded"
    cure = "put the rows behind them into a new file, and cut this one back"
    return Fault("HR-SOURCE-003", name, found, "files that stay as they are", cure)


def _copy(name: str, other: str) -> Fault:
    cure = "delete one of them, if they are one delivery"
    return Fault("HR-SOURCE-006", name, f"the same content as {other}", "each file once", cure, "warning")
