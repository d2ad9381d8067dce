"""The rows that are to be scored: of the service's own stream as the lake has them, of anything else once they keep it.

Rows of another table, of files or of a frame are held against the contract of the stream first, as a load holds them.
Those that keep it are laid down typed; the others go aside with all their reasons. An interrupted run finds both again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.files import READ_ROWS, check_file, find_files, read_batches
from headrace.connect.known import known_at
from headrace.connect.places import File
from headrace.connect.quality import looks_up
from headrace.contracts import Across, check_columns, validate
from headrace.contracts.nested import read_at
from headrace.declare import Contract, Field, Project, Reference, contract_of, sources_of
from headrace.engines.frame import KNOWN, frame
from headrace.engines.job import Spine, lake_batches
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.lake.disk import sync
from headrace.plan import lower
from headrace.plan.expression import Node, references
from headrace.serve.scoring.aside import Aside
from headrace.types import Timestamp

PLACE = "_place"
"""Where a row stands in what is scored, from 1."""
_ROWS, _TOLD = "rows.arrow", "received.json"


@dataclass(frozen=True)
class Asked:
    """Rows that are asked about.

    Args:
        what: the table or file, for the record and for reasons.
        rows: yields them, each with its ``PLACE`` and its known time.
        most: how many they are at most.
        counts: how many rows broke each rule of the contract, and are aside.
        faults: warnings about files, such as a column that is ignored.
    """

    what: str
    rows: Spine
    most: int
    counts: Mapping[str, int]
    faults: tuple[Fault, ...] = ()


def of_stream(lake: Lake, name: str, version: int) -> Asked:
    """Return the events of a stream as the lake has them: they kept its contract when they were loaded."""
    batches = lake_batches(lake, {name: version})

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        done = 0
        for part in batches(name, columns):
            yield _placed(part, done)
            done += part.num_rows

    return Asked(name, rows, lake.rows(name, version), {})


@dataclass(frozen=True)
class Given:
    """Rows that are not in the lake as events of the stream.

    Args:
        what: how they are called.
        parts: yields them as received, with the name of their source and the place of the first in it.
        mark: changes when they do.
    """

    what: str
    parts: Iterator[tuple[str, int, pa.Table]]
    mark: str
    faults: tuple[Fault, ...] = ()


def of_table(lake: Lake, name: str, version: int, contract: type[Contract]) -> Given:
    """Return the rows of another table of the lake.

    Raises:
        HeadraceError: HR-DATA-1xx for columns that it lacks, or that cannot be read as the contract's.
    """
    there = lake.schema(name, version)
    wanted = [one for one in (*contract.fields(), KNOWN) if one in there.names]
    check_columns(with_known(contract), pa.schema([there.field(one) for one in wanted]), name)

    def parts() -> Iterator[tuple[str, int, pa.Table]]:
        done = 0
        for batch in lake.batches(name, version=version, columns=wanted, batch_rows=READ_ROWS):
            yield name, done + 1, pa.Table.from_batches([batch])
            done += batch.num_rows

    return Given(name, parts(), f"{name}:{lake.identity(name)}:{version}")


def of_files(folder: Path, source: str, contract: type[Contract]) -> Given:
    """Return the rows of files, of any kind that a source may have.

    Raises:
        HeadraceError: HR-SOURCE-… for files that are not there or cannot be read to their end.
    """
    files, contract = find_files(folder, source), with_known(contract)
    faults = [fault for file in files for fault in check_file(file, contract, READ_ROWS)]

    def parts() -> Iterator[tuple[str, int, pa.Table]]:
        for file in files:
            first = 1
            for part in read_batches(file, contract, READ_ROWS):
                yield file.name, first, part
                first += part.num_rows
            _require_same(file)

    mark = json.dumps([[file.name, file.path, file.mark] for file in files])
    return Given(source, parts(), mark, tuple(faults))


def of_frame(table: pa.Table, what: str, contract: type[Contract]) -> Given:
    """Return the rows of a table in memory.

    Raises:
        HeadraceError: as in ``of_table``.
    """
    faults = check_columns(with_known(contract), table.schema, what)
    pieces = (table.slice(begin, READ_ROWS) for begin in range(0, table.num_rows, READ_ROWS))
    return Given(what, ((what, 1 + at * READ_ROWS, one) for at, one in enumerate(pieces)), "", tuple(faults))


def with_known(contract: type[Contract]) -> type[Contract]:
    """Return a contract whose rows may say up to when they knew, as records of a service do."""
    made = contract_of(contract.name, {**contract.fields(), KNOWN: Field(type=Timestamp | None, default=None)})
    made._rules = contract.rules()
    return made


def laid(given: Given, contract: type[Contract], columns: Sequence[str], project: Project, lake: Lake, work: Path,
         aside: Aside) -> Asked:  # fmt: skip
    """Hold rows against a contract, and lay those that keep it into a file of the folder ``work``.

    Args:
        given: rows as received.
        contract: of the stream whose rows they are like.
        columns: that are needed of them.
        project, lake: in which the contract's rules look values up.
        work: folder; what an interrupted call has laid there whole is not laid again.
        aside: takes the rows that break the contract.
    """
    told = work / _TOLD
    if not told.exists():
        aside.clear()
        fresh = told.with_suffix(".new")
        fresh.write_text(json.dumps(_lay(given, contract, columns, _across(contract, project, lake), work, aside)))
        sync(work / _ROWS, fresh, work)
        fresh.replace(told)
    said = json.loads(told.read_text())

    def rows(_: Sequence[str]) -> Iterator[pa.Table]:
        with pa.memory_map(str(work / _ROWS)) as source:
            file = pa.ipc.open_file(source)
            for at in range(file.num_record_batches):
                yield pa.Table.from_batches([file.get_batch(at)])

    return Asked(given.what, rows, said["accepted"], said["counts"], given.faults)


def _lay(
    given: Given, contract: type[Contract], columns: Sequence[str], across: Across, work: Path, aside: Aside
) -> dict[str, object]:
    received, accepted, counts = 0, 0, Counter[str]()
    fields, extended = contract.columns(), with_known(contract)
    schema = pa.schema([*((name, fields[name].type.arrow()) for name in columns), (PLACE, pa.int64()),
                        (KNOWN, Timestamp.arrow())])  # fmt: skip
    moment = contract.role("event_time") or ""
    with pa.ipc.new_file(work / _ROWS, schema) as out:
        for source, first, part in given.parts:
            done = validate(extended, part, across, source, first)
            counts.update(done.counts)
            aside.add(done.quarantined)
            places = np.delete(np.arange(part.num_rows), done.quarantined["_row"].to_numpy() - first) + received + 1
            # a row knows at least all that was known by its own moment, as a request does
            learned = pc.coalesce(done.accepted[KNOWN], known_at(contract, done.accepted))
            own = done.accepted[moment]
            learned = pc.if_else(pc.less(learned, own), own, learned)
            values = [read_at(done.accepted, name) for name in columns]
            out.write_table(pa.table([*values, pa.array(places), learned], schema=schema))
            received, accepted = received + part.num_rows, accepted + done.accepted.num_rows
        return {"received": received, "accepted": accepted, "counts": dict(counts)}


def _across(contract: type[Contract], project: Project, lake: Lake) -> Across:
    """What other rows decide: keys among the rows themselves, references in the tables that are loaded."""
    tables = {one.name: one for one in sources_of(project)}
    references = [one for one in contract.rules().values() if isinstance(one, Reference)]
    there = all(lake.exists(one.table) for one in references)
    return Across(contract, referred=looks_up(lake, tables) if there else None)


def limited(asked: Asked, contract: type[Contract], where: Node | None, limit: int | None) -> Asked:
    """Return the rows up to the one that is the ``limit``-th of which a condition is true."""
    if limit is None:
        return asked

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        left = limit
        for part in asked.rows(columns):
            hits = np.arange(part.num_rows) if where is None else _hits(part, contract, where, asked.what)
            part, left = (part, left - len(hits)) if len(hits) < left else (part.slice(0, hits[left - 1] + 1), 0)
            yield part
            if not left:
                return

    most = asked.most if where is not None else min(limit, asked.most)
    return Asked(asked.what, rows, most, asked.counts, asked.faults)


def _hits(
    part: pa.Table, contract: type[Contract], where: Node, what: str
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    given = frame(part, references(where), contract, what)
    holds = lower.columns(where, given.columns, given.length)
    return np.flatnonzero(holds.values & holds.mask)


def _placed(part: pa.Table, done: int) -> pa.Table:
    return part.append_column(PLACE, pa.array(np.arange(done + 1, done + 1 + part.num_rows)))


def _require_same(file: File) -> None:
    if file.rests() is False:
        found, cure = "a file that changed while it was scored", "score it again once it is written"
        raise HeadraceError(Fault("HR-SCORE-005", file.name, found, "a file that stays as it is", cure))
