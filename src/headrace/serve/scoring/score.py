"""A service over a table: rows, features, scores, decisions, and the record of what made them, written as a whole."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace import clock
from headrace.contracts import QUARANTINE
from headrace.declare import Service, node_id
from headrace.engines.frame import feature_array, frame
from headrace.engines.job import Computed, Job, Progress, lake_batches
from headrace.engines.sets import computed
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import exclusive
from headrace.learn import Version
from headrace.learn.champion import other_features
from headrace.learn.trainingset import MEMORY
from headrace.plan import compile_set, feature_fingerprints, fingerprints
from headrace.plan.domains import domains
from headrace.plan.meaning import Plan
from headrace.plan.parse import condition
from headrace.plan.snapshot import digest
from headrace.serve.desk import features_fingerprint
from headrace.serve.drain import drain
from headrace.serve.explain import explainer_of
from headrace.serve.loaded import Loaded
from headrace.serve.scoring.aside import Aside
from headrace.serve.scoring.deciding import Reasons, Rules, matrix, model_of
from headrace.serve.scoring.rows import PLACE, Asked, Given, laid, limited, of_files, of_frame, of_stream, of_table
from headrace.serve.scoring.scored import ScoredTable
from headrace.serve.scoring.targets import InMemory, Target, message_of, target_of
from headrace.types import FLOAT, INT, STR

_BATCH_ROWS = 250_000


def _silent(what: str, done: int, total: int) -> None:
    pass


@dataclass
class _Tally:
    """What was counted on the way."""

    rows: int = 0
    left_out: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    features_s: float = 0.0
    model_s: float = 0.0


def score_table(
    loaded: Loaded,
    table: str | Path | pa.Table,
    service: str = "",
    *,
    to: str = "",
    where: str = "",
    limit: int | None = None,
    explain: int = 0,
    progress: Progress = _silent,
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
    path = _Path(loaded, chosen)
    target = (
        InMemory() if isinstance(table, pa.Table) and not to else target_of(to, chosen.name, loaded.project, path.lake)
    )
    return path.run(table, target, where, limit, explain, progress, memory)


def _service(loaded: Loaded, name: str) -> Service:
    services = loaded.project.all_services
    if not services:
        raise HeadraceError(Fault("HR-SERVE-001", "", "a project without services", "an hr.Service", "declare one"))
    if not name and len(services) > 1:
        found, cure = f"{len(services)} services, and none is named", f"--service {next(iter(services))}"
        raise HeadraceError(Fault("HR-SCORE-006", "", found, f"one of {', '.join(services)}", cure))
    if name and name not in services:
        found = f"no service {name[:64]!r}"
        raise HeadraceError(Fault("HR-SERVE-007", "", found, "a declared one", nearest(name[:64], services)))
    return services[name] if name else next(iter(services.values()))


class _Path:
    """The path of one service: its plan, its champion, its rules, and the tables as they are now."""

    def __init__(self, loaded: Loaded, service: Service) -> None:
        self.loaded, self.service, self.lake = loaded, service, loaded.lake()
        self.plan = compile_set(service.model.cases)
        self.registry = loaded.registry()
        self.version = self._champion()
        self.model = model_of(self.registry, self.version)
        self.scorer = self.model.scorer
        declared = feature_fingerprints(self.plan)
        fault = other_features(service.model, self.version, self.scorer.features, declared, self.registry)
        if fault is not None:
            raise HeadraceError(fault)
        self.rules = Rules(service, {one.name: one for one in self.plan.outputs})
        self.declaration = fingerprints(loaded.project)[node_id(service)]
        self.meaning = features_fingerprint(self.plan)

    def _champion(self) -> Version:
        model = self.service.model.name
        version = self.registry.champion(model)
        if version is None:
            found = f"no champion of {model}, with which {self.service.name} decides"
            cure = f"headrace train; or headrace models promote {model} VERSION, where one is registered"
            raise HeadraceError(Fault("HR-SERVE-002", self.service.place, found, "a trained model", cure))
        return version

    def run(self, table: str | Path | pa.Table, target: Target, where: str, limit: int | None, explain: int,
            progress: Progress, memory: int) -> ScoredTable:  # fmt: skip
        """Score, see ``score_table``."""
        begun = clock.monotonic_s()
        spine = self.service.model.cases.spine
        node = condition(where, domains(spine.contract), "--where", "where") if where else None
        plan = replace(self.plan, label=None, where=node)
        identity = tuple(dict.fromkeys((*plan.identity, *self.rules.fields)))
        versions = {name: self.lake.version(name) for name in plan.sources if self.lake.exists(name)}
        given, mark = self._given(table)
        with ExitStack() as stack:
            work = self._work(stack, target, [mark, where, limit, versions])
            aside, late = Aside(work, "broken"), Aside(work, "refused")
            late.clear()
            if isinstance(given, Given):
                columns = tuple(dict.fromkeys((*identity, spine.event_time, *plan.row_columns)))
                given = laid(given, spine.contract, columns, self.loaded.project, self.lake, work, aside)
            asked = limited(given, spine.contract, node, limit)
            rows = {name: self.lake.rows(name, version) for name, version in versions.items()}
            reads = lake_batches(self.lake, versions)
            job = Job(plan, identity, spine.event_time, None, asked.most, rows, reads, asked.rows)
            writing = _Writing(self, plan, asked, late, _Tally(), explain, progress)
            record: dict[str, Any] = message_of(self.service.name)
            scored = list[ScoredTable]()

            def batches() -> Iterator[pa.RecordBatch]:
                yield from writing.batches(computed(job, work / "spilled", memory, progress))
                scored.append(self._scored(asked, target, writing, (aside, late), begun))
                record.update(scored[0].record())
                # first what is aside, then the scores: a kill between the two loses nothing, and the next run is whole
                both = (batch for one in (aside, late) for batch in one.batches())
                target.put_aside(QUARANTINE, both, scored[0].quarantined, record)

            target.write(writing.schema(), batches(), record)
            shutil.rmtree(work.parent)
        taken = clock.monotonic_s() - begun
        seconds = {"features": writing.tally.features_s, "model": writing.tally.model_s, "all": taken}
        return replace(scored[0], seconds=seconds)

    def _given(self, table: str | Path | pa.Table) -> tuple[Asked | Given, str]:
        contract, name = self.service.model.cases.spine.contract, self.service.model.cases.spine.name
        if isinstance(table, pa.Table):
            given = of_frame(table, "the rows")
            return given, uuid.uuid4().hex
        if isinstance(table, Path) or Path(table).suffix or "/" in table:
            given = of_files(Path.cwd(), str(table), contract)
            return given, given.mark
        if not self.lake.exists(table):
            cure = nearest(table, self.lake.tables()) or "headrace run, which loads tables"
            found, expected = f"no table {table[:128]!r} in the lake", "a table, or a file by its path"
            raise HeadraceError(Fault("HR-SCORE-001", "", found, expected, cure))
        version = self.lake.version(table)
        if table == name:
            return of_stream(self.lake, name, version), f"{name}:{self.lake.identity(name)}:{version}"
        given = of_table(self.lake, table, version, contract)
        return given, given.mark

    def _work(self, stack: ExitStack, target: Target, asked: list[Any]) -> Path:
        """A folder for what is on its way, in which the same call finds what an interrupted one has done."""
        room = self.loaded.state_dir / "scoring"
        name = hashlib.sha256(target.name.encode()).hexdigest()[:12] if target.name else uuid.uuid4().hex[:12]
        stack.enter_context(exclusive(room / ".locks" / f"{name}.lock"))
        said = digest([asked, self.declaration, self.meaning, self.version.digest])[:16]
        for other in (room / name).glob("*"):
            if other.name != said:
                shutil.rmtree(other, ignore_errors=True)
        (room / name / said).mkdir(parents=True, exist_ok=True)
        return room / name / said

    def _scored(
        self, asked: Asked, target: Target, writing: _Writing, aside: tuple[Aside, Aside], begun: float
    ) -> ScoredTable:
        tally = writing.tally
        counts = Counter(asked.counts)
        counts.update(aside[1].counts)
        return ScoredTable(
            service=self.service.name,
            model=self.version.name,
            version=self.version.number,
            digest=self.version.digest,
            declaration=self.declaration,
            features_declaration=self.meaning,
            source=asked.what,
            to=target.name,
            rows=tally.rows,
            decisions={name: tally.decided[name] for name in self.rules.names},
            refused=dict(counts),
            quarantined=sum(one.rows for one in aside),
            left_out=tally.left_out,
            seconds={},
            warnings=asked.faults,
            target=target,
        )


@dataclass
class _Writing:
    """Turns rows with their features into rows of scores."""

    path: _Path
    plan: Plan
    asked: Asked
    late: Aside
    tally: _Tally
    explain: int
    progress: Progress

    def __post_init__(self) -> None:
        explaining = explainer_of(self.path.registry, self.path.version, self.path.scorer) if self.explain else None
        self.reasons = Reasons(explaining, self.explain)

    def schema(self) -> pa.Schema:
        """The columns of scores."""
        fields = self.plan.spine.contract.columns() if self.plan.spine is not None else {}
        told = [(name, fields[name].type.arrow()) for name in self.plan.identity]
        told += [("score", FLOAT.arrow()), ("decision", STR.arrow())]
        told += [("reasons", STR.arrow())] if self.explain else []
        told += [
            (one.name, FLOAT.arrow() if one.type.name == "decimal" else one.type.arrow()) for one in self.plan.outputs
        ]
        return pa.schema([*told, *((name, kind) for name, kind, _ in self._same())])

    def _same(self) -> list[tuple[str, pa.DataType, Any]]:
        """What is the same in all rows."""
        version = self.path.version
        return [
            ("model", STR.arrow(), version.name),
            ("model_version", INT.arrow(), version.number),
            ("model_digest", STR.arrow(), version.digest),
            ("declaration", STR.arrow(), self.path.declaration),
            ("features_declaration", STR.arrow(), self.path.meaning),
        ]

    def batches(self, pieces: Iterator[Computed]) -> Iterator[pa.RecordBatch]:
        """Yield the scores of all pieces, some rows at a time."""
        done = 0
        while True:
            begun = clock.monotonic_s()
            piece = next(pieces, None)
            self.tally.features_s += clock.monotonic_s() - begun
            if piece is None:
                return
            self.tally.left_out += sum(piece.excluded.values())
            for begin in range(0, piece.rows.num_rows, _BATCH_ROWS):
                begun = clock.monotonic_s()
                batch = self._batch(_part(piece, begin, min(begin + _BATCH_ROWS, piece.rows.num_rows)))
                self.tally.model_s += clock.monotonic_s() - begun
                self.tally.rows += batch.num_rows
                yield batch
            done += piece.rows.num_rows + sum(piece.excluded.values())
            self.progress("scoring", done, max(done, self.asked.most))

    def _batch(self, piece: Computed) -> pa.RecordBatch:
        x = matrix(piece.made, self.path.scorer, piece.rows.num_rows)
        beyond = np.isinf(x)
        if beyond.any():
            piece, x = self._refuse_beyond(piece, x, beyond)
        scores = self.path.model.score(x)
        if np.isnan(scores).any():
            good = ~np.isnan(scores)
            self._refuse(piece, ~good, "HR-LEARN-007", "score", "is NaN or infinite: the model takes no such nulls")
            piece, x, scores = _chosen(piece, good), x[good], scores[good]
        contract = self.plan.spine.contract if self.plan.spine is not None else None
        assert contract is not None
        fields = frame(piece.rows, self.path.rules.fields, contract, self.asked.what).columns
        places = self.path.rules.decide({**fields, **piece.made}, scores)
        names = self.path.rules.names
        for place, count in enumerate(np.bincount(places, minlength=len(names)).tolist()):
            self.tally.decided[names[place]] += count
        columns = [*(piece.rows.column(name) for name in self.plan.identity), pa.array(scores)]
        columns.append(pa.array(names, pa.string()).take(pa.array(places)))
        if self.explain:
            columns.append(pa.array(self.reasons.of(x, piece.made), pa.string()))
        columns += [feature_array(piece.made[one.name]) for one in self.plan.outputs]
        columns += [pa.repeat(pa.scalar(value, kind), len(scores)) for _, kind, value in self._same()]
        schema = self.schema()
        arrays = [_as(one, kind) for one, kind in zip(columns, schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _refuse_beyond(self, piece: Computed, x: Any, beyond: Any) -> tuple[Computed, Any]:
        """Set rows aside that a request is refused for: of the first feature that is beyond what a model takes."""
        first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), -1)
        for at in np.unique(first[first >= 0]).tolist():
            self._refuse(piece, first == at, "HR-REQUEST-009", self.path.scorer.features[at], "is beyond float32")
        good = first < 0
        return _chosen(piece, good), x[good]

    def _refuse(self, piece: Computed, which: Any, code: str, what: str, text: str) -> None:
        rows = piece.rows.filter(pa.array(which))
        given = rows.select([name for name in rows.column_names if not name.startswith("_")])
        self.late.refuse(self.asked.what, given, rows.column(PLACE).to_pylist(), code, what, text)


def _as(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if whole.type.equals(kind) else whole.cast(kind)


def _part(piece: Computed, begin: int, end: int) -> Computed:
    if (begin, end) == (0, piece.rows.num_rows):
        return piece
    made = {name: column.part(begin, end) for name, column in piece.made.items()}
    return Computed(piece.rows.slice(begin, end - begin), made, {})


def _chosen(piece: Computed, good: Any) -> Computed:
    places = np.flatnonzero(good)
    made = {name: column.take(places) for name, column in piece.made.items()}
    return Computed(piece.rows.take(pa.array(places)), made, {})
