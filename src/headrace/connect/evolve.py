"""A table of the lake follows its contract: what is compatible is carried out, what is not is refused.

Rows come first: they are held against the new contract before anything is changed. Then the table changes in one
commit, and last the ledger says which contract all rows keep. What is killed between is found half done by the next,
which goes by what is in the lake, and does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.known import known_at
from headrace.connect.loads import Ledger
from headrace.connect.recheck import recheck
from headrace.contracts import Referred, readable
from headrace.contracts.columns import read_column
from headrace.contracts.evolution import BREAKING, CHECKED, COMPATIBLE, Move, Promises, moves, widens
from headrace.declare import Contract, Stream, Table, node_id
from headrace.declare.fields import TIME_ROLES
from headrace.declare.kept import loaded
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan.consumers import EVERY, Consumer
from headrace.plan.promises import contract_meaning
from headrace.plan.rules import row_rules_meaning
from headrace.plan.snapshot import digest
from headrace.types import arrow_schema

Reads = Callable[[str], Sequence[Consumer]]
"""Who reads a column of a source, by its name; ``"*"`` for all that read the source."""
_SHOWN = 4
_RULES = "#rules"
"""Among what a contract promises: its rules beyond single fields."""


def nobody(_column: str) -> Sequence[Consumer]:
    """Return no consumers: for a source outside of a project."""
    return ()


@dataclass(frozen=True)
class Evolution:
    """What a change of a contract is for the table of a source.

    Args:
        source: the stream or table.
        rows: that are in the lake.
        moves: what changed, field by field.
        trusted: whether all rows are known to keep the contract that it is held against.
        settled: whether the lake is as the contract says already.
        rewrites: whether all rows are to be written anew, as columns go or become others.
    """

    source: Stream | Table
    rows: int
    moves: tuple[Move, ...]
    trusted: bool
    settled: bool = False
    rewrites: bool = False

    @property
    def breaking(self) -> tuple[Move, ...]:
        """What rows that are there, or what reads them, cannot follow; a table without rows can follow all."""
        return tuple(one for one in self.moves if one.kind == BREAKING) if self.rows else ()

    @property
    def checks(self) -> bool:
        """Whether rows must be read, as some may break the contract."""
        compatible = self.moves and all(one.kind == COMPATIBLE for one in self.moves)
        return bool(self.rows) and not self.settled and not (self.trusted and compatible)


def evolution(source: Stream | Table, lake: Lake, ledger: Ledger | None = None) -> Evolution:
    """Return what the contract of a source is for its table; nothing is done.

    Args:
        source: a stream or table with a contract, not made by a query.
        lake: with its table, or without.
        ledger: of its loads, if it was read already.
    """
    contract = source.contract
    if contract is None or not lake.exists(source.name):
        return Evolution(source, 0, (), trusted=True)
    ledger = Ledger(lake, source.name) if ledger is None else ledger
    now, wanted, held = promised(contract), arrow_schema(loaded(contract)), lake.schema(source.name)
    rows, same = lake.rows(source.name), set(zip(held.names, map(str, held.types), strict=True))
    there = set(zip(wanted.names, map(str, wanted.types), strict=True)) <= same
    if ledger.contract == digest(now) and there:
        return Evolution(source, rows, (), trusted=True, settled=True)
    before = ledger.promises()
    found = moves(None if before is None else _fields_of(before), _fields_of(now), held, wanted)
    rewrites = any(_is_timed(one) for one in found) or bool(_retyped(held, _with_ours(held, wanted)))
    ruled = (before or {}).get(_RULES) != now.get(_RULES)
    return Evolution(source, rows, tuple(found), trusted=bool(ledger.contract) and not ruled, rewrites=rewrites)


def promised(contract: type[Contract]) -> dict[str, Any]:
    """Return what a contract promises of each row: field by field, and its rules of rows, if it has some."""
    rules = row_rules_meaning(contract)
    return contract_meaning(contract) | ({_RULES: rules} if rules else {})


def _fields_of(promises: Promises) -> dict[str, Any]:
    return {name: said for name, said in promises.items() if name != _RULES}


def settle(
    source: Stream | Table,
    lake: Lake,
    ledger: Ledger | None = None,
    *,
    reads: Reads = nobody,
    accept: bool = False,
    referred: Referred | None = None,
) -> Evolution:
    """See to it that a table, and all of its rows, are as the contract of its source says; the caller holds its lock.

    Args:
        source: a stream or table with a contract.
        lake: with its table, or without.
        ledger: of its loads, if it was read already.
        reads: who reads a column, for the refusal.
        accept: whether to do also what is not compatible, as far as rows can follow: columns go, values are converted.
        referred: yields the values of the tables that the contract's rules refer to.

    Returns:
        What was done; of it, moves are none where nothing had to be.

    Raises:
        HeadraceError: HR-EVOLVE-001 a change that is not compatible, 002 values that cannot be converted, HR-DATA-108
            rows that break the contract; then nothing was changed.
    """
    contract = source.contract
    assert contract is not None
    ledger = Ledger(lake, source.name) if ledger is None else ledger
    found = evolution(source, lake, ledger)
    if found.settled:
        return found
    if found.breaking and not accept:
        raise HeadraceError(refusals(found, reads))
    if lake.exists(source.name):
        if found.checks:
            _require_readable(source, contract, lake)
            with _with_readers(found, reads):
                recheck(source, contract, lake, referred)
        _change(source.name, contract, lake, found)
    ledger.checked(promised(contract))
    return found


@contextmanager
def _with_readers(found: Evolution, reads: Reads) -> Iterator[None]:
    """Name, where rows break what changed, who reads that, and whom to talk to."""
    try:
        yield
    except HeadraceError as error:
        checked = (read_as(found, one) for one in found.moves if one.kind == CHECKED)
        told = read_by(list(dict.fromkeys(reader for column in checked for reader in reads(column))), "what changed")
        raise HeadraceError(replace(one, found=f"{one.found}{told and f'; {told}'}") for one in error.faults) from error


def refusals(found: Evolution, reads: Reads) -> list[Fault]:
    """Return a fault for each breaking change: what it would break, whom to talk to, and what can be done."""
    return [_refusal(found, move, reads(read_as(found, move))) for move in found.breaking]


def read_as(found: Evolution, move: Move) -> str:
    """Return the column whose readers a move concerns: whoever reads a source at all goes by its times."""
    contract = found.source.contract
    times = {contract.role(role) for role in TIME_ROLES} if contract is not None else set()
    return EVERY if move.field in times or _is_timed(move) else move.field


def _is_timed(move: Move) -> bool:
    """Whether a field became, or no longer is, the one that says when something happened, was known, or holds."""
    return any(role in TIME_ROLES for role in move.roles)


def _refusal(found: Evolution, move: Move, broken: Sequence[Consumer]) -> Fault:
    source, contract = found.source, found.source.contract
    field = None if contract is None else contract.fields().get(move.field)
    place = field.place if field is not None and field.place else (contract.place if contract else source.place)
    said = f"{move.field} of {source.name} {move.said}; {found.rows:,} rows in the lake"
    said += f"; it would break {_listed(broken)}" if broken else "; nothing is known to read it"
    owners = dict.fromkeys([*([source.owner] if source.owner else []), *(o for one in broken for o in one.owners)])
    expected = "a change that rows and readers can follow" + (f"; talk to {', '.join(owners)}" if owners else "")
    cure = f"declare {move.field} as before, add a field beside it, or load into a new stream; "
    cure += f"'headrace apply --accept {node_id(source)}' carries it out all the same, as far as rows can follow"
    return Fault("HR-EVOLVE-001", place, said, expected, cure)


def _listed(broken: Sequence[Consumer]) -> str:
    """Name some features, and all that is made from them: what is at stake stands at the end of the chain."""
    features = [one.name for one in broken if one.node.startswith("features:")]
    more = [f"{len(features) - _SHOWN} more features"] if len(features) > _SHOWN else []
    return ", ".join([*features[:_SHOWN], *more, *(one.name for one in broken if one.name not in features)])


def read_by(broken: Sequence[Consumer], what: str = "it") -> str:
    """Return who reads a column, in words, with whom to talk to; empty where nobody does."""
    if not broken:
        return ""
    owners = dict.fromkeys(owner for one in broken for owner in one.owners)
    asked = f" (owned by {', '.join(owners)})" if owners else ""
    return f"{what} is read by {_listed(broken)}{asked}"


def _require_readable(source: Stream | Table, contract: type[Contract], lake: Lake) -> None:
    held, faults = lake.schema(source.name), []
    for name, field in contract.fields().items():
        if name in held.names and not readable(field, held.field(name).type):
            found = f"{name} of {source.name}, which is {held.field(name).type} in the lake"
            cure = f"declare {name} as before and the new type as a field beside it, or load into a new stream"
            expected = f"what can become {field.type.bare!r}"
            faults.append(Fault("HR-EVOLVE-002", field.place or source.place, found, expected, cure))
    if faults:
        raise HeadraceError(faults)


def _change(name: str, contract: type[Contract], lake: Lake, found: Evolution) -> None:
    """Bring the columns of a table to what its contract says, in one commit."""
    held, wanted = lake.schema(name), _with_ours(lake.schema(name), arrow_schema(loaded(contract)))
    timed = [one.field for one in found.moves if _is_timed(one)]
    if found.rewrites:
        rows = (_converted(batch, contract, wanted, bool(timed)) for batch in lake.batches(name))
        added = [one.name for one in wanted if one.name not in held.names]
        message = {"evolved": sorted({*_retyped(held, wanted), *timed, *added})}
        lake.overwrite(name, pa.RecordBatchReader.from_batches(wanted, rows), message=message)
    elif set(wanted.names) - set(held.names):
        lake.add_columns(name, wanted)


def _retyped(held: pa.Schema, wanted: pa.Schema) -> list[str]:
    """Return the columns that go, or get another type."""
    kept = {one.name: one.type for one in wanted}
    return [one.name for one in held if kept.get(one.name) != one.type]


def _with_ours(held: pa.Schema, wanted: pa.Schema) -> pa.Schema:
    """Return the wanted columns, and those beside the contract's that the lake keeps for itself."""
    return pa.schema([*wanted, *(one for one in held if one.name.startswith("_") and one.name not in wanted.names)])


def _converted(batch: pa.RecordBatch, contract: type[Contract], wanted: pa.Schema, timed: bool) -> pa.RecordBatch:
    columns = {one.name: _column(batch, one, contract) for one in wanted}
    if timed and "_known_at" in columns:
        rows = pa.table(columns, schema=wanted)
        live = pc.equal(rows["_load"], "live")
        columns["_known_at"] = pc.if_else(live, rows["_known_at"], known_at(contract, rows)).combine_chunks()
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=wanted)


def _column(batch: pa.RecordBatch, one: pa.Field, contract: type[Contract]) -> pa.Array:
    if one.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, one.type)
    values = batch.column(one.name)
    if values.type == one.type or one.name not in contract.fields() or widens(values.type, one.type):
        return values.cast(one.type)
    read = read_column(contract.fields()[one.name], values)[0]
    if read.null_count > values.null_count:
        lost = read.null_count - values.null_count
        found = f"{lost:,} values of {one.name} that {one.type} cannot hold"
        cure = f"declare {one.name} as before, and the new type as a field beside it; nothing was changed"
        raise HeadraceError(Fault("HR-EVOLVE-002", contract.fields()[one.name].place, found, "values that stay", cure))
    return read
