"""Parity: every value that was served, recomputed from history in the lake by the batch path, compared bit by bit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from headrace.declare import Contract, Service
from headrace.engines import compute
from headrace.engines.batch import source_contracts
from headrace.engines.frame import SEQ, Frame, feature_array, frame
from headrace.lake import Lake
from headrace.learn import Registry
from headrace.online.state import State
from headrace.plan import compile_set, set_fingerprint
from headrace.plan.compile import domains
from headrace.plan.meaning import Plan
from headrace.serve.desk import shared
from headrace.serve.office import ONLINE, Loaded
from headrace.serve.records import drain, stored
from headrace.serve.request import as_array

Progress = Callable[[str, int, int], None]
SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """A value that history does not confirm."""

    feature: str
    record_id: str
    served: Any
    history: Any
    cause: str


@dataclass
class ParityReport:
    """What was compared.

    Args:
        rows: feature, compared, equal, differing.
        differences: the first of them, each with both values and its cause.
        skipped: records that could not be recomputed, by reason.
    """

    rows: list[tuple[str, int, int, int]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def compared(self) -> int:
        return sum(row[1] for row in self.rows)

    @property
    def differing(self) -> int:
        return sum(row[3] for row in self.rows)

    @property
    def passed(self) -> bool:
        return self.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        names = ("feature", "compared", "equal", "differing")
        return {
            "compared": self.compared,
            "differing": self.differing,
            "features": [dict(zip(names, row, strict=True)) for row in self.rows],
            "differences": [vars(one) for one in self.differences],
            "skipped": dict(self.skipped),
        }


def parity(loaded: Loaded, services: list[str] | None = None, progress: Progress | None = None) -> ParityReport:
    """Recompute all that was served.

    A record says up to which sequence each source was known when it was answered; history is read as of there.

    Args:
        loaded: the project.
        services: names; all by default.
        progress: told what is done.
    """
    report = ParityReport()
    project, lake = loaded.project, loaded.lake()
    names = list(project.all_services) if services is None else services
    if (loaded.state_dir / ONLINE).exists():
        state = State(loaded.state_dir / ONLINE, [])
        try:
            drain(state, lake, list(project.all_services), list(project.streams))
        finally:
            state.close()
    for name in names:
        records = list(stored(lake, name))
        if progress is not None:
            progress(f"parity of {name}", 0, len(records))
        _service(project.all_services[name], records, lake, Registry(loaded.state_dir / "models"), report)
        if progress is not None:
            progress(f"parity of {name}", len(records), len(records))
    return report


def _service(
    service: Service, records: list[dict[str, Any]], lake: Lake, registry: Registry, report: ParityReport
) -> None:
    cases = service.model.cases
    plan, declaration = compile_set(cases), set_fingerprint(cases)
    current = [one for one in records if one["declaration"] == declaration]
    if len(current) < len(records):
        report.skipped["served by an older declaration"] += len(records) - len(current)
    if not current:
        return
    contract = cases.spine.contract
    rows = frame(_requests(current, contract), tuple(domains(contract)), contract, service.name)
    horizons = [json.loads(one["horizon"]) for one in current]
    made = recomputed(plan, rows, cases.spine.event_time, horizons, lake)
    served = [msgspec.json.decode(one["features"]) for one in current]
    columns = {output.name: feature_array(made[output.name]).to_pylist() for output in plan.outputs}
    for name, values in columns.items():
        _compare(name, [one.get(name) for one in served], values, current, report)
    _scores(columns, current, registry, service, report)


def _requests(records: list[dict[str, Any]], contract: type[Contract]) -> pa.Table:
    """Return the rows that were asked about; the same may have been asked more than once."""
    asked = [msgspec.json.decode(one["request"]) for one in records]
    columns = {
        name: as_array([one.get(name) for one in asked], field.type).cast(field.type.arrow())
        for name, field in contract.fields().items()
    }
    return pa.table(columns)


def recomputed(plan: Plan, rows: Frame, moment: str, horizons: list[Mapping[str, int]], lake: Lake) -> dict[str, Any]:
    """Return every feature by the batch path, each row seeing of each source what had a sequence up to its horizon."""
    contracts = source_contracts(plan)
    found: dict[str, Any] = {}
    for source, _, groups in shared(plan):
        columns = tuple(dict.fromkeys(column for group in groups for column in group.columns))
        events = frame(lake.read(source, columns=[*columns, SEQ]), columns, contracts[source], source)
        # known time here is the sequence itself: exactly the events up to the horizon were in the state
        known = np.array([one.get(source, 0) for one in horizons], dtype=np.int64)
        asked = replace(rows, known=known, seq=None)
        found |= compute.grouped(groups, asked, moment, {source: replace(events, known=events.seq)}, None)
    return found | compute.derived(plan, rows, found)


def _compare(
    name: str, served: list[Any], history: list[Any], records: list[dict[str, Any]], report: ParityReport
) -> None:
    differing = 0
    for was, now, record in zip(served, history, records, strict=True):
        expected = msgspec.json.decode(msgspec.json.encode(now))
        if msgspec.json.encode(was) == msgspec.json.encode(expected):
            continue
        differing += 1
        if len(report.differences) < SHOWN:
            report.differences.append(Difference(name, record["record_id"], was, expected, _cause(was, expected)))
    report.rows.append((name, len(served), len(served) - differing, differing))


def _cause(was: Any, now: Any) -> str:
    if was is None or now is None:
        return "an event is there in one of them only: a table was rewritten, or the record was altered"
    return "the record, or the history up to its horizon, was altered"


def _scores(
    columns: Mapping[str, list[Any]],
    records: list[dict[str, Any]],
    registry: Registry,
    service: Service,
    report: ParityReport,
) -> None:
    """Score again, each record with the version that scored it."""
    scorers = {one.digest: one for one in registry.versions(service.model.name)}
    again: list[float | None] = []
    loaded: dict[str, Any] = {}
    for position, record in enumerate(records):
        digest = record["digest"]
        if digest not in scorers:
            report.skipped["scored by a version that is gone"] += 1
            again.append(record["score"])
            continue
        if digest not in loaded:
            loaded[digest] = registry.load(scorers[digest])
        names = loaded[digest].features
        values = [columns[name][position] for name in names]
        x = np.array([[np.nan if value is None else float(value) for value in values]]).astype(np.float32)
        again.append(float(loaded[digest].score(x)[0]))
    _compare("score", [record["score"] for record in records], again, records, report)
