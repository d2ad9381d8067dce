"""Parity: what was served, recomputed from history in the lake and compared bit by bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.contracts.json import column
from headrace.declare import Service, node_id
from headrace.declare.nested import flat
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import Column, held
from headrace.lake import Lake
from headrace.learn import Registry
from headrace.plan import compile_set, fingerprints
from headrace.plan.meaning import Plan
from headrace.serve import record as serve_record
from headrace.serve.desk import features_fingerprint
from headrace.serve.drain import drain, table_of
from headrace.serve.fields import Row, RowReader
from headrace.serve.history import Waiting, nothing_waits, recomputed
from headrace.serve.loaded import Loaded
from headrace.serve.record import WITHOUT_STATE, Record
from headrace.serve.scoring.deciding import Model, Rules
from headrace.serve.situations import Situations
from headrace.serve.values import leaving, matrix, same
from headrace.serve.veiled import Veiled

Progress = Callable[[str, int, int], None]
EXAMPLES = 20
_MASKED = "masked (personal)"
_AT_ONCE = 20_000


@dataclass
class Difference:
    """One served value that history does not confirm."""

    service: str
    feature: str
    record_id: str
    key: dict[str, Any]
    served: Any
    recomputed: Any
    cause: str

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class ParityReport:
    """What was compared.

    Args:
        rows: feature (also ``score`` and ``decision``), compared, equal, differing.
        examples: the first differences, each with its record, both values and the cause as far as it can be told.
        skipped: records that today's declaration or models cannot recompute, by reason; never counted as equal.
        records: how many records were compared.
    """

    rows: list[tuple[str, int, int, int]] = field(default_factory=list)
    examples: list[Difference] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    records: int = 0

    @property
    def compared(self) -> int:
        return sum(row[1] for row in self.rows)

    @property
    def equal(self) -> int:
        return sum(row[2] for row in self.rows)

    @property
    def differing(self) -> int:
        return sum(row[3] for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for ``--json``."""
        names = ("feature", "compared", "equal", "differing")
        return {
            "compared": self.compared,
            "equal": self.equal,
            "differing": self.differing,
            "records": self.records,
            "skipped": dict(self.skipped),
            "features": [dict(zip(names, row, strict=True)) for row in self.rows],
            "examples": [one.as_dict() for one in self.examples],
        }

    def count(self, name: str, differing: int, compared: int) -> None:
        """Add comparisons of a feature."""
        for i, (known, had, equal, wrong) in enumerate(self.rows):
            if known == name:
                self.rows[i] = (name, had + compared, equal + compared - differing, wrong + differing)
                return
        self.rows.append((name, compared, compared - differing, differing))

    def clear(self) -> None:
        """Begin anew."""
        self.rows, self.examples, self.skipped, self.records = [], [], {}, 0

    def skip(self, reason: str, count: int) -> None:
        """Note records that cannot be compared."""
        if count:
            self.skipped[reason] = self.skipped.get(reason, 0) + count


def _silent(what: str, done: int, total: int) -> None:
    pass


def parity(loaded: Loaded, services: Sequence[str] | None = None, progress: Progress = _silent) -> ParityReport:
    """Recompute every recorded decision from history, by the batch path, and compare it with what was served.

    A record sees, of each source, what had a sequence up to its horizon and was known by its known time: what was
    loaded or posted later changes nothing. What waits in the spool is brought into the lake first.

    Args:
        loaded: the project.
        services: names; all by default.
        progress: told of what is compared, how many records, of how many.

    Returns:
        Counts for each feature, for the score (by the model with the recorded digest) and for the decision.

    Raises:
        HeadraceError: HR-SERVE-007 for an unknown service.
    """
    declared = loaded.project.all_services
    unknown = [name for name in services or () if name not in declared]
    if unknown:
        cure = nearest(unknown[0], declared)
        raise HeadraceError(Fault("HR-SERVE-007", "", f"no service {unknown[0]!r}", "a declared one", cure))
    drain(loaded)
    report, lake, prints = ParityReport(), loaded.lake(), fingerprints(loaded.project)
    for name in declared if services is None else services:
        service = declared[name]
        _service(service, prints[node_id(service)], loaded, lake, report, progress)
    return report


def _service(
    service: Service, declaration: str, loaded: Loaded, lake: Lake, report: ParityReport, progress: Progress
) -> None:
    table = table_of(service.name)
    if not lake.exists(table):
        return
    plan = compile_set(service.model.cases)
    check = Check(service, plan, declaration, loaded.registry(), report, Veiled(loaded))
    done, total = 0, lake.rows(table)
    for batch in lake.batches(table, batch_rows=_AT_ONCE):
        records = serve_record.read(pa.Table.from_batches([batch]))
        done += len(records)
        mine = [one for one in records if one["features_declaration"] == check.meaning]
        report.skip("served by other declarations of the features", len(records) - len(mine))
        if mine:
            check.compare(mine, lake)
        progress(f"parity {service.name}", done, total)


class Check:
    """Compares records of one service with history.

    Args:
        service, plan: as declared now.
        declaration: fingerprint of the service.
        registry: of models, which are found by the digests of records.
        report: to which all is added.
        veiled: turns pseudonyms of records back, and says what of them is not shown.
    """

    def __init__(
        self,
        service: Service,
        plan: Plan,
        declaration: str,
        registry: Registry,
        report: ParityReport,
        veiled: Veiled,
    ) -> None:
        self.service, self.plan, self.registry, self.report = service, plan, registry, report
        self._veiled, self._hidden = veiled, veiled.hidden(service)
        self.meaning = features_fingerprint(plan)
        self.declaration = declaration
        self.contract = service.model.cases.spine.contract
        self.reader = RowReader(self.contract)
        self.situations = Situations(service, plan)
        self.rules = Rules(service, {one.name: one for one in plan.outputs})
        self._models: dict[str, Model | None] = {}

    def compare(self, records: list[Record], lake: Lake, waiting: Waiting = nothing_waits) -> None:
        """Recompute and compare some records; ``waiting`` is what of history is not in the lake yet."""
        records, rows = self._read(records)
        if not records:
            return
        horizons = [json.loads(record["horizon"]) for record in records]
        known = [record["_known_at"] for record in records]
        made = recomputed(self.plan, rows, horizons, known, lake, waiting)
        served = [json.loads(record["features"]) for record in records]
        kept = {one.name: [held(made[one.name], i) for i in range(len(rows))] for one in self.plan.outputs}
        left = {name: [leaving(v, made[name].type) for v in values] for name, values in kept.items()}
        for name, values in left.items():
            self._judge(name, [one.get(name) for one in served], values, records)
        self.report.records += len(records)
        scores = self._scores(made, records)
        self._judge_known("score", scores, records)
        self._judge_known("decision", self._decisions(rows, made, scores, records), records)

    def _read(self, records: list[Record]) -> tuple[list[Record], list[Row]]:
        """Return the records whose rows are of the contract as it is declared now, and these rows."""
        opened, lost = self._veiled.opened_all(records)
        for reason, count in lost.items():
            self.report.skip(reason, count)
        kept, rows = [], []
        featured = [one for one in opened if one["situation"] != WITHOUT_STATE]
        self.report.skip("decided without features, while the state of keys was made anew", len(opened) - len(featured))
        for record in featured:
            try:
                rows.append(self.reader.read(record["request"].encode()))
                kept.append(record)
            except HeadraceError:
                self.report.skip(f"asked with a row that breaks the contract {self.reader.name} of today", 1)
        return kept, rows

    def _judge_known(self, name: str, found: Mapping[int, Any], records: list[Record]) -> None:
        chosen = [records[i] for i in found]
        self._judge(name, [one[name] for one in chosen], list(found.values()), chosen)

    def _judge(self, name: str, served: Sequence[Any], history: Sequence[Any], records: Sequence[Record]) -> None:
        differing = 0
        for was, now, record in zip(served, history, records, strict=True):
            if not same(was, now):
                differing += 1
                if len(self.report.examples) < EXAMPLES:
                    shown = (_MASKED, _MASKED) if name in self._hidden.features else (was, now)
                    told = (name, record["record_id"], self._key(record), *shown, _cause(record, was, now))
                    self.report.examples.append(Difference(self.service.name, *told))
        self.report.count(name, differing, len(records))

    def _key(self, record: Record) -> dict[str, Any]:
        """The key of a record's row, without what is personal in it."""
        row, fields = json.loads(record["request"]), self.contract.fields()
        keys = [name for name in self.contract.key_fields() if name not in self._hidden.fields]
        return {name: row[name] for name in keys if not fields[name].privacy}

    def _scores(self, made: Mapping[str, Column], records: list[Record]) -> dict[int, float]:
        """Score each record by its own model, as it was served: together only where that changes no bit."""
        found: dict[int, float] = {}
        for digest in dict.fromkeys(record["model_digest"] for record in records):
            mine = np.array([i for i, record in enumerate(records) if record["model_digest"] == digest])
            model = self._model(digest)
            if model is None:
                self.report.skip("scored by a model whose file is gone or altered", len(mine))
                continue
            x = matrix(made, model.scorer, len(records))[mine]
            found.update(zip(mine.tolist(), model.score(x).tolist(), strict=True))
        return dict(sorted(found.items()))

    def _decisions(
        self, rows: list[Row], made: Mapping[str, Column], scores: Mapping[int, float], records: list[Record]
    ) -> dict[int, str]:
        """Decide each record that has a score, and was decided by the rules of today."""
        mine = [i for i in scores if records[i]["declaration"] == self.declaration]
        self.report.skip("decided by other rules of the service", len(scores) - len(mine))
        flat_rows = [flat(rows[i], self.contract) for i in mine]
        fields = self.contract.columns()
        given = {name: column(fields[name].type, [row[name] for row in flat_rows]) for name in self.rules.fields}
        given |= {name: one.take(np.array(mine, np.int64)) for name, one in made.items()}
        places = self.rules.decide(given, np.array([scores[i] for i in mine], np.float64))
        by_rules = {i: self.rules.names[place] for i, place in zip(mine, places.tolist(), strict=True)}
        return {i: self._fallback(records[i]) or decision for i, decision in by_rules.items()}

    def _fallback(self, record: Record) -> str | None:
        """The decision that the situation of a record asked for, where it asked for one."""
        return None if record["situation"] == "[]" else self.situations.fallback(json.loads(record["situation"]))

    def _model(self, digest: str) -> Model | None:
        if digest not in self._models:
            try:
                self._models[digest] = Model(self.registry.scorer(digest))
            except HeadraceError:
                self._models[digest] = None
        return self._models[digest]


def _cause(record: Record, was: Any, now: Any) -> str:
    if serve_record.checksum(record) != record["checksum"]:
        return "the record was altered after it was written"
    if (was is None) != (now is None):
        return "history has events that the state did not have, or the other way round"
    return "history or state was altered, or the kernel computes otherwise than when this was served"
