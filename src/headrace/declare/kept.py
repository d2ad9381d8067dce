"""What the lake keeps of a project: the columns that loading adds to rows, and the tables beside the declared ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.declare.contract import Contract
from headrace.declare.project import DECISIONS_OF, RUN_LOG, SHADOW_OF, Project, kept_beside, sources_of
from headrace.types import BOOL, FLOAT, INT, STR, LogicalType, Timestamp, list_of

__all__ = ["DECISIONS", "LOADS", "QUARANTINED", "RUNS", "RUN_LOG", "SHADOWS", "Columns", "beside", "loaded", "stated"]

Columns = Mapping[str, LogicalType]

_ADDED = {"_seq": INT, "_known_at": Timestamp, "_load": STR}
"""The order in which a row was learned, since when it is known, and its load."""
QUARANTINED: Columns = {"_source": STR, "_row": INT, "reasons": list_of(STR), "row": STR}
"""A row that was refused: where it stood (from 1), all reasons, and the row as JSON, as received."""
LOADS: Columns = {
    "_load": STR,
    "path": STR,
    "bytes": INT,
    "sha256": STR,
    "state": STR,
    "received": INT,
    "accepted": INT,
    "quarantined": INT,
    "position": STR,
    "at": Timestamp,
}
"""Columns of ``loads_<source>``."""
QUALITY: Columns = {
    "_load": STR,
    "at": Timestamp,
    "rule": STR,
    "field": STR,
    "severity": STR,
    "checked": INT,
    "failed": INT,
    "value": FLOAT,
    "ok": BOOL,
    "least": FLOAT,
    "most": FLOAT,
    "edges": list_of(FLOAT),
    "bins": list_of(INT),
}
"""Columns of ``quality_<source>``: how each load kept each rule, and in rows of the rule ``profile`` its columns."""
DECISIONS: Columns = {
    "record_id": STR,
    "at": Timestamp,
    "_known_at": Timestamp,
    "horizon": STR,
    "request": STR,
    "features": STR,
    "score": FLOAT,
    "decision": STR,
    "reasons": STR,
    "situation": STR,
    "model": STR,
    "model_version": INT,
    "model_digest": STR,
    "declaration": STR,
    "features_declaration": STR,
    "decided_at": Timestamp,
    "latency_us": INT,
    "checksum": STR,
}
"""Columns of ``decisions_<service>``.

``request``, ``features``, ``reasons``, ``situation`` and ``horizon`` are JSON with exact numbers: floats are the
shortest text that reads as the same 64 bits. ``at`` is the row's event time, ``_known_at`` up to when it knew,
``horizon`` the last sequence of each source that it could see.
"""
SHADOWS: Columns = {
    "record_id": STR,
    "decided_at": Timestamp,
    "model": STR,
    "model_version": INT,
    "shadow_model": STR,
    "shadow_version": INT,
    "shadow_digest": STR,
    "score": FLOAT,
    "shadow_score": FLOAT,
    "decision": STR,
    "shadow_decision": STR,
    "skipped": STR,
    "shadowed_at": Timestamp,
}
"""Columns of ``shadow_<service>``: a row for each record that was decided while there was a shadow.

``skipped`` says why the shadow has no score for it, and is null where it has one.
"""
RUNS: Columns = {
    "run": INT,
    "kind": STR,
    "outcome": STR,
    "started": Timestamp,
    "finished": Timestamp,
    "step": STR,
    "action": STR,
    "why": STR,
    "seconds": FLOAT,
    "attempts": INT,
    "faults": list_of(STR),
    "rows": INT,
    "quarantined": INT,
    "new_rows": INT,
    "figures": STR,
}
"""Columns of ``run_log``: a row for each step of each run; ``rows`` there are by now, ``new_rows`` this run loaded."""


def stated(contract: type[Contract]) -> dict[str, LogicalType]:
    """Return the columns that a contract states, without those that loading adds."""
    return {name: field.type for name, field in contract.fields().items()}


def loaded(contract: type[Contract]) -> Columns:
    """Return the columns of a table into which rows under a contract are loaded."""
    return stated(contract) | _ADDED


def beside(project: Project) -> Iterator[tuple[str, Columns]]:
    """Yield the tables that the lake keeps beside the declared ones, with their columns."""
    for source in sources_of(project):
        quarantine, quality, loads = kept_beside(source.name)
        if source.source is not None:
            yield quarantine, {"_load": STR, **QUARANTINED}
            yield loads, LOADS
        if source.contract is not None:
            yield quality, QUALITY
    yield RUN_LOG, RUNS
    for service in project.all_services.values():
        yield DECISIONS_OF.format(service.name), DECISIONS
        yield SHADOW_OF.format(service.name), SHADOWS
