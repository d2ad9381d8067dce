"""Rows that leave quarantine: tried first, then accepted like any other, so that accepted + quarantined stays received.

The rows go first, by one commit that names those of the quarantine which they were; then the quarantine without them;
then the ledger. What is killed after the first is completed by the next load or replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.known import known_at
from headrace.connect.loads import Ledger, Past
from headrace.connect.repair.received import Received, as_batch, received
from headrace.contracts import Across, KeyIndex, Referred, validate
from headrace.declare import Contract, Stream, Table
from headrace.declare.kept import stated
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.types import arrow_schema

_OVERTAKEN = "its table may have a newer row of its key: mend it where it comes from, or change it there again"
_APP = "replay"
"""Application id of the commits of a replay; their number counts those of a table, from 1."""


@dataclass(frozen=True)
class Trial:
    """What would become of rows in quarantine.

    Args:
        accepted: rows as the table would have them, in the order of ``passing``.
        passing: the rows that would leave quarantine.
        staying: those that would not, with the reasons that they would have.
    """

    accepted: pa.Table
    passing: tuple[Received, ...]
    staying: tuple[tuple[Received, tuple[str, ...]], ...]


def held_rows(lake: Lake, name: str) -> list[Received]:
    """Return the rows in quarantine of a stream or table, in the order in which they were refused."""
    table = f"quarantine_{name}"
    return received(lake.read(table)) if lake.exists(table) else []


def try_rows(lake: Lake, source: Stream | Table, rows: Sequence[Received], referred: Referred | None = None) -> Trial:
    """Hold rows in quarantine, as they are or repaired, against the contract of now; nothing is written.

    Args:
        lake: with the tables of the stream.
        source: a stream, or a table to which rows are appended or merged.
        rows: of its quarantine.
        referred: yields the values of the tables that the contract's rules refer to; none are judged without it.

    Raises:
        HeadraceError: HR-QUARANTINE-003 for a table that is replaced or kept with its history, 007 a drop of it was
            cut off.
    """
    contract, ledger = _contract(source), Ledger(lake, source.name)
    ledger.require_kept()
    unfinished = {past.id for past in ledger.unfinished}
    if _merges(source):  # a row follows that of its key; what is unique is so among those that come together
        across = Across(contract, referred=referred, key=KeyIndex(contract.key_fields()))
    else:
        across = Across(contract, lambda columns: _stored(lake, source.name, columns), referred)
    accepted, passing = [], list[Received]()
    staying: list[tuple[Received, tuple[str, ...]]] = []
    for text in (True, False):
        some = [row for row in rows if row.is_text == text and not row.unread and row.load not in unfinished]
        if not some:
            continue
        done = validate(contract, as_batch(some, contract, text=text), across)
        refused = dict(zip(done.quarantined["_row"].to_pylist(), done.quarantined["reasons"].to_pylist(), strict=True))
        good = [place for place in range(1, len(some) + 1) if place not in refused]
        late = _overtaken(lake, source, ledger, done.accepted, [some[place - 1].load for place in good])
        refused |= {good[at]: [_OVERTAKEN] for at in late}
        accepted.append(done.accepted.filter(pa.array([place not in refused for place in good], pa.bool_())))
        for place, row in enumerate(some, 1):
            if place in refused:
                staying.append((row, tuple(refused[place])))
            else:
                passing.append(row)
    staying += [(row, ("its load is not finished: 'headrace run' first",)) for row in rows if row.load in unfinished]
    staying += [(row, tuple(row.reasons)) for row in rows if row.unread and row.load not in unfinished]
    nothing = arrow_schema(stated(contract)).empty_table()
    return Trial(pa.concat_tables([nothing, *accepted]), tuple(passing), tuple(staying))


def _merges(source: Stream | Table) -> bool:
    return source.mode == "merge"


def _overtaken(lake: Lake, source: Stream | Table, ledger: Ledger, rows: pa.Table, loads: Sequence[str]) -> list[int]:
    """Return the places of rows of loads whose key a merged table has, where what it has may be newer than they are."""
    name, names = source.name, list(_contract(source).key_fields())
    if not _merges(source) or not rows.num_rows or not lake.exists(name):
        return []
    asked = rows.select(names).append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    there = pa.concat_tables(
        pa.Table.from_batches([part]).join(asked, names, join_type="inner").select(["place", "_load"])
        for part in lake.batches(name, columns=[*names, "_load"])
    ).to_pydict()
    order = {load: number for number, load in enumerate(ledger.by_id)}
    brought = [number for load, number in order.items() if ledger.by_id[load].received]
    newest = max(brought, default=-1)
    # What a load found to be as it was, it left untouched: only of the newest is it sure that none came behind it.
    return sorted(
        place
        for place, load in zip(there["place"], there["_load"], strict=True)
        if order.get(loads[place], -1) < newest or load == loads[place]
    )


def replay(lake: Lake, source: Stream | Table, rows: Sequence[Received], referred: Referred | None = None) -> Trial:
    """Accept rows in quarantine that keep the contract, as they are or repaired; the caller holds the table's lock.

    They get the next sequences, and count as known like other rows of their source.

    Returns:
        What became of them.

    Raises:
        HeadraceError: as of :func:`try_rows`.
    """
    name, contract = source.name, _contract(source)
    kept = Ledger(lake, name)
    kept.require_kept()
    ledger = complete_replay(lake, name, kept)
    trial = try_rows(lake, source, rows, referred)
    if trial.passing:
        first = lake.sequence(name) + 1
        table = trial.accepted
        number = ledger.replays + 1
        loads = pa.array([row.load for row in trial.passing], pa.string())
        table = table.append_column("_seq", pa.array(np.arange(first, first + table.num_rows)))
        table = table.append_column("_known_at", known_at(contract, table)).append_column("_load", loads)
        once, message = (_APP, number), {"replayed": _ids(trial.passing)}
        if _merges(source):
            lake.merge(name, table, keys=contract.key_fields(), once=once, message=message)
        else:
            lake.append(name, table, once=once, message=message)
        complete_replay(lake, name, ledger)
    return trial


def replays(lake: Lake, name: str) -> int:
    """Return how often rows in quarantine of a stream or table were accepted after all."""
    return max(lake.committed(name, _APP), 0)


def complete_replay(lake: Lake, name: str, ledger: Ledger) -> Ledger:
    """Take rows out of quarantine that a replay has accepted, and tell the ledger; the caller holds the lock."""
    number = replays(lake, name)
    if number <= ledger.replays:
        return ledger
    ids = next(one["message"]["replayed"] for one in lake.history(name) if "replayed" in one["message"])
    table = f"quarantine_{name}"
    schema = lake.schema(table)
    rows = pa.RecordBatchReader.from_batches(schema, _without(lake, table, ids))
    lake.overwrite(table, rows, once=(_APP, number), message={"replay": number})
    left = Counter(lake.read(table, columns=["_load"])["_load"].to_pylist())
    ledger.replayed(number, [_moved(ledger.by_id[load], left[load]) for load in ids if load in ledger.by_id])
    return ledger


def _moved(past: Past, quarantined: int) -> Past:
    return replace(past, accepted=past.accepted + past.quarantined - quarantined, quarantined=quarantined)


def _without(lake: Lake, table: str, ids: Mapping[str, Sequence[Sequence[int]]]) -> Iterator[pa.RecordBatch]:
    for part in lake.batches(table):
        gone = np.zeros(part.num_rows, np.bool_)
        loads, rows = part["_load"], part["_row"].to_numpy()
        for load, spans in ids.items():
            mine = pc.equal(loads, load).to_numpy(zero_copy_only=False)
            for first, last in spans:
                gone |= mine & (rows >= first) & (rows <= last)
        yield part.filter(pa.array(~gone))


def _ids(rows: Sequence[Received]) -> dict[str, list[list[int]]]:
    """Return which rows of which loads, as spans from the first to the last."""
    found: dict[str, list[list[int]]] = {}
    for load, row in sorted({(one.load, one.row) for one in rows}):
        spans = found.setdefault(load, [])
        if spans and spans[-1][1] == row - 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return found


def _contract(source: Stream | Table) -> type[Contract]:
    if source.contract is None or source.source is None:
        found, cure = f"{source.name}, which is made by a query", "replay what it reads"
        raise HeadraceError(Fault("HR-QUARANTINE-003", source.place, found, "a stream or table with a source", cure))
    if isinstance(source, Table) and (source.mode == "replace" or source.history):
        found, cure = f"{source.name}, which becomes what its source is", "mend the rows there; the next run reads them"
        expected = "a stream, or a table to which rows are added"
        raise HeadraceError(Fault("HR-QUARANTINE-003", source.place, found, expected, cure))
    return source.contract


def _stored(lake: Lake, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if lake.exists(name):
        yield from lake.batches(name, columns=columns)
