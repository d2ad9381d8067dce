"""A service over a table: rows, features, scores, decisions, and the record of what made them, written as a whole."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace import clock
from headrace.contracts import QUARANTINE
from headrace.declare import Service, Stream
from headrace.engines.job import Job, Progress, lake_batches
from headrace.engines.sets import computed
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import Lake, exclusive
from headrace.lake.disk import FULL
from headrace.learn.trainingset import MEMORY
from headrace.plan.domains import domains
from headrace.plan.parse import condition
from headrace.plan.snapshot import digest
from headrace.serve.drain import drain
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.scoring.aside import Aside
from headrace.serve.scoring.making import Maker, Making, Tally, maker_of
from headrace.serve.scoring.matters import Matters
from headrace.serve.scoring.rows import Asked, Given, laid, limited, of_files, of_frame, of_stream, of_table
from headrace.serve.scoring.scored import ScoredTable
from headrace.serve.scoring.targets import InMemory, Target, message_of, target_of

_BATCH_ROWS = 250_000


def _silent(what: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class _Wanted:
    where: str
    limit: int | None
    explain: int
    progress: Progress
    memory: int


def score_table(
    loaded: Loaded,
    table: str | Path | pa.Table,
    service: str = "",
    *,
    to: str = "",
    where: str = "",
    limit: int | None = None,
    explain: int = 0,
    progress: Progress | None = None,
    memory: int = MEMORY,
) -> ScoredTable:
    """Decide every row of a table as a service does, as of the row's own moment.

    Features are those that a request would have had then: of what had happened, what was known by the row's event
    time; where a row has ``_known_at``, or its contract a known time, by that. An event of the service's own stream
    sees what was known before it was learned itself, as in a training set. What waits in the spool is brought into the
    lake first. A row that breaks the contract of the stream goes into quarantine beside the scores, with all reasons.

    Args:
        loaded: the project; the model of the service must have a champion.
        table: name of a table of the lake; a path of a file (folder, glob) of rows of the stream's contract; or rows.
        service: its name; the only one by default.
        to: name of a table, by default ``scores_<service>``, or a file that ends in ``.parquet`` or ``.csv``. Rows that
            were given in memory stay there, unless it is said.
        where: SQL condition on fields of the row; others are left out and counted.
        limit: rows at most, the first of those for which the condition is true.
        explain: how many reasons for each row; 0 for none.
        progress: told what is done, how many, and of how many.
        memory: bytes to use, about; more is spilled to disk by partitions of keys.

    Returns:
        What became of the rows. The scores have the identity of each row (key, event time, keys of its entities),
        ``score`` (float64), ``decision``, ``reasons`` where asked for, each feature by its name, and what made them:
        ``model``, ``model_version``, ``model_digest``, ``declaration``, ``features_declaration``, as records have it.

    Raises:
        HeadraceError: HR-SCORE-001 no such table, 002 to 004 no place for scores, 005 a file that changed, 006 which
            service is not said; HR-SERVE-002 no champion, 003 one of other features, 007 no such service; HR-DATA-1xx
            columns that are missing; HR-EXPRESSION for ``where``; HR-SPILL-001 no room.
    """
    chosen = _service(loaded, service)
    drain(loaded)
    maker, in_memory = maker_of(loaded, chosen), isinstance(table, pa.Table) and not to
    target = InMemory() if in_memory else target_of(to, chosen.name, loaded.project, loaded.lake())
    wanted = _Wanted(where, limit, explain, progress or _silent, memory)
    try:
        return _scored(maker, loaded, table, target, wanted)
    except OSError as error:
        full = error.errno in FULL
        found = f"{'a full disk' if full else error.strerror or 'an error of the disk'} while scoring"
        cure = "free some space, and score again: it goes on where it can" if full else "make the state folder writable"
        raise HeadraceError(Fault("HR-SCORE-004", "", found, "room, and the right to write", cure)) from error


def _service(loaded: Loaded, name: str) -> Service:
    services = services_of(loaded)
    if not name and len(services) > 1:
        found, cure = f"{len(services)} services, and none is named", f"--service {next(iter(services))}"
        raise HeadraceError(Fault("HR-SCORE-006", "", found, f"one of {', '.join(services)}", cure))
    if name and name not in services:
        found = f"no service {name[:64]!r}"
        raise HeadraceError(Fault("HR-SERVE-007", "", found, "a declared one", nearest(name[:64], services)))
    return services[name] if name else next(iter(services.values()))


def _scored(maker: Maker, loaded: Loaded, table: str | Path | pa.Table, target: Target, wanted: _Wanted) -> ScoredTable:
    begun, lake = clock.monotonic_s(), loaded.lake()
    spine = maker.service.model.cases.spine
    node = condition(wanted.where, domains(spine.contract), "--where", "where") if wanted.where else None
    plan = replace(maker.plan, where=node)
    read = tuple(dict.fromkeys((*plan.identity, *maker.rules.fields)))
    versions = {name: lake.version(name) for name in plan.sources if lake.exists(name)}
    given, mark = _given(table, spine, lake, versions)
    missing = [name for name in plan.sources if name not in versions]
    matters = Matters(maker.service, maker.plan, isinstance(given, Asked), missing)
    with _work(loaded, target, [mark, wanted.where, wanted.limit, versions, maker.declaration, maker.meaning]) as work:
        aside, late = Aside(work, "broken"), Aside(work, "refused")
        late.clear()
        if isinstance(given, Given):
            columns = tuple(dict.fromkeys((*read, spine.event_time, *plan.row_columns)))
            given = laid(given, spine.contract, columns, loaded.project, lake, work, aside)
        asked = limited(given, spine.contract, node, wanted.limit)
        rows = {name: lake.rows(name, version) for name, version in versions.items()}
        job = Job(
            matters.within(plan),
            read,
            spine.event_time,
            None,
            asked.most,
            rows,
            lake_batches(lake, versions),
            asked.rows,
        )
        making = Making(maker, asked.what, late, matters, wanted.explain)
        pieces = computed(job, work / "spilled", wanted.memory, wanted.progress)
        record, told = message_of(maker.service.name), list[ScoredTable]()

        def batches() -> Iterator[pa.RecordBatch]:
            yield from making.batches(pieces, wanted.progress, asked.most)
            told.append(_told(maker, making.tally, asked, (aside, late)))
            record.update(told[0].record())
            # first what is aside, then the scores: a kill between the two loses nothing, and the next run is whole
            both = (batch for one in (aside, late) for batch in one.batches())
            target.put_aside(QUARANTINE, both, told[0].quarantined, record)

        written = target.write(making.schema(), batches(), record)
    taken = {"features": making.tally.features_s, "model": making.tally.model_s, "all": clock.monotonic_s() - begun}
    return replace(told[0], to=target.name, seconds=taken, target=written)


def _given(
    table: str | Path | pa.Table, spine: Stream, lake: Lake, versions: Mapping[str, int]
) -> tuple[Asked | Given, str]:
    """The rows, and what changes when they do."""
    if isinstance(table, pa.Table):
        return of_frame(table, "the rows", spine.contract), uuid.uuid4().hex
    if isinstance(table, Path) or Path(table).suffix or "/" in table:
        given = of_files(Path.cwd(), str(table), spine.contract)
        return given, given.mark
    if not lake.exists(table):
        cure = nearest(table, lake.tables()) or "headrace run, which loads tables"
        found, expected = f"no table {table[:128]!r} in the lake", "a table, or a file by its path"
        raise HeadraceError(Fault("HR-SCORE-001", "", found, expected, cure))
    version = versions.get(table, lake.version(table))
    if table == spine.name:
        return of_stream(lake, table, version), f"{table}:{lake.identity(table)}:{version}"
    given = of_table(lake, table, version, spine.contract)
    return given, given.mark


@contextmanager
def _work(loaded: Loaded, target: Target, asked: list[Any]) -> Iterator[Path]:
    """Give a folder for what is on its way, in which the same call finds what an interrupted one has done."""
    room = loaded.state_dir / "scoring"
    name = hashlib.sha256((target.name or uuid.uuid4().hex).encode()).hexdigest()[:12]
    with exclusive(room / ".locks" / f"{name}.lock"):
        said = digest(asked)[:16]
        for other in (room / name).glob("*"):
            if other.name != said:
                shutil.rmtree(other, ignore_errors=True)
        (room / name / said).mkdir(parents=True, exist_ok=True)
        try:
            yield room / name / said
        except BaseException:
            if not target.name:
                shutil.rmtree(room / name)
            raise
        shutil.rmtree(room / name)


def _told(maker: Maker, tally: Tally, asked: Asked, aside: tuple[Aside, Aside]) -> ScoredTable:
    return ScoredTable(
        service=maker.service.name,
        model=maker.version.name,
        version=maker.version.number,
        digest=maker.version.digest,
        declaration=maker.declaration,
        features_declaration=maker.meaning,
        source=asked.what,
        to="",
        rows=tally.rows,
        decisions={name: tally.decided[name] for name in maker.rules.names},
        refused=dict(Counter(asked.counts) + aside[1].counts),
        quarantined=sum(one.rows for one in aside),
        left_out=tally.left_out,
        seconds={},
        warnings=asked.faults,
    )
