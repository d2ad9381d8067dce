"""What a changed contract means in a project: for the rows in the lake, for what reads them, and for whom to ask."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.declare import Stream, Table, node_id, sources_of
from headrace.declare.contract import ContractType
from headrace.errors import Fault, HeadraceError
from headrace.run.checks import require_sound
from headrace.run.journal import Journal
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.connect.evolve import Evolution, Reads
    from headrace.contracts.evolution import Move
    from headrace.plan.consumers import Consumer


@dataclass(frozen=True)
class Verdict:
    """What a change of a contract is: taken as it is, to be checked against rows, or refused.

    Args:
        node: the stream or table.
        rows: that are in the lake.
        moves: what changed, field by field.
        checks: whether rows are held against the contract before it is taken.
        broken: what would break, by the field that breaks it.
        faults: HR-EVOLVE-001 for each breaking change.
    """

    node: str
    rows: int
    moves: tuple[Move, ...]
    checks: bool
    broken: Mapping[str, tuple[Consumer, ...]]
    faults: tuple[Fault, ...] = ()

    @property
    def kind(self) -> str:
        """``compatible``, ``to be checked`` or ``breaking``."""
        return "breaking" if self.faults else "to be checked" if self.checks else "compatible"

    def lines(self) -> list[str]:
        """Return what is told of it, a line each."""
        rows = f"{self.rows:,} rows in the lake"
        told = [f"{one.kind}: {one.field} {one.said}" for one in self.moves]
        for field, consumers in self.broken.items():
            told += [f"{field} is read by {one.name}{_owned(one)}" for one in consumers]
        if self.faults:
            told.append(f"the next run refuses it: {rows}; see 'headrace apply --accept {self.node}'")
        elif self.checks:
            told.append(f"the next run checks the {rows} against this contract, and fails if any breaks it")
        return told

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for ``--json``."""
        broken = {field: [one.as_dict() for one in found] for field, found in self.broken.items()}
        moves = [one.as_dict() for one in self.moves]
        return {"node": self.node, "kind": self.kind, "rows": self.rows, "moves": moves, "breaks": broken}


def _owned(one: Consumer) -> str:
    return f" [{', '.join(one.owners)}]" if one.owners else ""


def verdicts(loaded: LoadedProject) -> dict[str, Verdict]:
    """Return by node what the contracts of a project change for what is in the lake; nothing is done."""
    from headrace.connect.evolve import evolution

    lake, found = loaded.lake(), {}
    for source in evolving(loaded):
        one = evolution(source, lake)
        if not one.settled and (one.moves or one.checks):
            found[node_id(source)] = _verdict(one, reads_of_source(loaded, source))
    return found


def _verdict(found: Evolution, reads: Reads) -> Verdict:
    from headrace.connect.evolve import read_as, refusals

    broken = {one.field: tuple(reads(read_as(found, one))) for one in found.breaking}
    faults = tuple(refusals(found, reads))
    return Verdict(node_id(found.source), found.rows, found.moves, found.checks, broken, faults)


def evolving(loaded: LoadedProject) -> list[Stream | Table]:
    """Return the sources of a project whose tables follow a contract: those of files, and of live events."""
    by_query = (one for one in loaded.project.tables.values() if one.query is not None)
    made = {one.name for one in by_query}
    return [
        one
        for one in sources_of(loaded.project)
        if one.name not in made and isinstance(one.contract, ContractType) and not one.contract.faults
    ]


def reads_of_source(loaded: LoadedProject, source: Stream | Table) -> Reads:
    """Return who reads the columns of a source, by what was applied last; before that, by what is declared."""

    def reads(column: str) -> Sequence[Consumer]:
        from headrace.plan.consumers import consumers

        return consumers(_standing(loaded), source.name, column)

    return reads


def _standing(loaded: LoadedProject) -> Mapping[str, Any]:
    from headrace import plan

    path = loaded.state_dir / "run.db"
    if path.exists():
        with Journal(path) as journal:
            applied = journal.snapshot()
        if applied is not None:
            return applied
    with contextlib.suppress(HeadraceError):  # told by themselves
        return plan.snapshot(loaded.project)
    return {}


def require_sound_evolution(loaded: LoadedProject) -> tuple[Fault, ...]:
    """Return the warnings of a project's declarations.

    Where these have faults since a field that they read is gone or is another, say that first.

    Raises:
        HeadraceError: with all faults, when there are errors; those of changed contracts first.
    """
    try:
        return require_sound(loaded.project)
    except HeadraceError as error:
        broken = [fault for one in verdicts(loaded).values() for fault in one.faults]
        raise HeadraceError((*broken, *error.faults)) from None


def only_adds(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a source got fields and is else what it was: what is made from it is not touched."""
    before, now = (meaning.get("contract") or {} for meaning in (old, new))
    same = {**old, "contract": None} == {**new, "contract": None}
    return same and bool(before) and all(now.get(name) == promised for name, promised in before.items())


def refused(found: Mapping[str, Verdict], accept: Collection[str] = ()) -> list[Fault]:
    """Return the faults of breaking changes of all nodes but those that are accepted."""
    return [fault for node, one in found.items() if node not in accept for fault in one.faults]


def require_no_service(loaded: LoadedProject, source: Stream | Table) -> None:
    """Refuse to rewrite a table under a service that runs: it holds the columns as they were.

    Raises:
        HeadraceError: HR-EVOLVE-003.
    """
    from headrace.connect.evolve import evolution
    from headrace.lake import exclusive

    lock = loaded.state_dir / "serving.lock"
    if not lock.exists() or not evolution(source, loaded.lake()).rewrites:
        return
    try:
        with exclusive(lock, wait_s=0):
            return
    except HeadraceError:
        found = f"a service that runs, and holds the columns of {source.name} as they were"
        cure = "stop it, do this again, and start it: then it answers by the new contract"
        expected = "nobody at work with a table whose columns change"
        raise HeadraceError(Fault("HR-EVOLVE-003", source.place, found, expected, cure)) from None
