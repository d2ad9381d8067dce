"""Parity: what was served, recomputed from history in the lake and compared bit by bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headrace.declare import Service, node_id
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import Lake
from headrace.learn import Registry, Scorer
from headrace.plan import compile_rules, compile_set, fingerprints, lower
from headrace.plan.meaning import Plan
from headrace.serve import record as serve_record
from headrace.serve.desk import features_fingerprint
from headrace.serve.drain import drain, table_of
from headrace.serve.fields import Row, RowReader
from headrace.serve.history import recomputed
from headrace.serve.loaded import Loaded
from headrace.serve.record import Record
from headrace.serve.situations import Situations
from headrace.serve.values import held, leaving, same, vector

Progress = Callable[[str, int, int], None]
EXAMPLES = 20
_AT_ONCE = 20_000


@dataclass
class Difference:
    """One served value that history does not confirm."""

    service: str
    feature: str
    record_id: str
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
    check = _Check(service, plan, declaration, loaded.registry(), report)
    done, total = 0, lake.rows(table)
    for batch in lake.batches(table, batch_rows=_AT_ONCE):
        records = serve_record.read(pa.Table.from_batches([batch]))
        done += len(records)
        mine = [one for one in records if one["features_declaration"] == check.meaning]
        report.skip("served by other declarations of the features", len(records) - len(mine))
        if mine:
            check.compare(mine, lake)
        progress(f"parity {service.name}", done, total)


class _Check:
    """Compares records of one service."""

    def __init__(
        self, service: Service, plan: Plan, declaration: str, registry: Registry, report: ParityReport
    ) -> None:
        self.service, self.plan, self.registry, self.report = service, plan, registry, report
        self.meaning = features_fingerprint(plan)
        self.declaration = declaration
        self.reader = RowReader(service.model.cases.spine.contract)
        self.situations = Situations(service, plan)
        self.rules = [(name, lower.row_function(rule)) for name, rule in compile_rules(service)]
        self._scorers: dict[str, Scorer | None] = {}

    def compare(self, records: list[Record], lake: Lake) -> None:
        """Recompute and compare some records."""
        records, rows = self._read(records)
        if not records:
            return
        horizons = [json.loads(record["horizon"]) for record in records]
        known = [record["_known_at"] for record in records]
        made = recomputed(self.plan, rows, horizons, known, lake)
        served = [json.loads(record["features"]) for record in records]
        kept = {one.name: [held(made[one.name], i) for i in range(len(rows))] for one in self.plan.outputs}
        left = {name: [leaving(v, made[name].type) for v in values] for name, values in kept.items()}
        for name, values in left.items():
            self._judge(name, [one.get(name) for one in served], values, records)
        self.report.records += len(records)
        scores = self._scores(left, records)
        self._judge_known("score", scores, records)
        decisions: dict[int, Any] = {}
        for i, score in scores.items():
            if records[i]["declaration"] != self.declaration:
                self.report.skip("decided by other rules of the service", 1)
                continue
            given = {**rows[i], **{name: values[i] for name, values in kept.items()}, "score": score}
            decision = next((name for name, rule in self.rules if rule(given) is True), self.service.otherwise)
            decisions[i] = self.situations.fallback(json.loads(records[i]["situation"])) or decision
        self._judge_known("decision", decisions, records)

    def _read(self, records: list[Record]) -> tuple[list[Record], list[Row]]:
        """Return the records whose rows are of the contract as it is declared now, and these rows."""
        kept, rows = [], []
        for record in records:
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
                    one = Difference(self.service.name, name, record["record_id"], was, now, _cause(record, was, now))
                    self.report.examples.append(one)
        self.report.count(name, differing, len(records))

    def _scores(self, left: Mapping[str, list[Any]], records: list[Record]) -> dict[int, float]:
        """Score row by row, as it was served: a batch may add up in another order."""
        found: dict[int, float] = {}
        for i, record in enumerate(records):
            scorer = self._scorer(record["model_digest"])
            if scorer is None:
                self.report.skip("scored by a model whose file is gone or altered", 1)
                continue
            x = vector({name: values[i] for name, values in left.items()}, scorer)
            found[i] = float(scorer.score(x)[0])
        return found

    def _scorer(self, digest: str) -> Scorer | None:
        if digest not in self._scorers:
            try:
                self._scorers[digest] = self.registry.scorer(digest)
            except HeadraceError:
                self._scorers[digest] = None
        return self._scorers[digest]


def _cause(record: Record, was: Any, now: Any) -> str:
    if serve_record.checksum(record) != record["checksum"]:
        return "the record was altered after it was written"
    if (was is None) != (now is None):
        return "history has events that the state did not have, or the other way round"
    return "history or state was altered, or the kernel computes otherwise than when this was served"
