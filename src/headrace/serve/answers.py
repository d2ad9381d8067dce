"""What is told of a decision: of one that was just made, and of one that is on record already."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from headrace.serve.deciding import Pending
from headrace.serve.record import Record

Give = Callable[[dict[str, Any]], Any]


def as_it_is(answer: dict[str, Any]) -> dict[str, Any]:
    """Give an answer as it is."""
    return answer


def repeated(record: Record, explain: int, with_features: bool) -> dict[str, Any]:
    """Return what was answered before, with as many reasons as were asked for then and now."""
    model = {name.removeprefix("model_"): record[name] for name in ("model_version", "model_digest")}
    answer = {"decision": record["decision"], "score": record["score"], "record_id": record["record_id"]}
    answer |= {"model": {"name": record["model"], **model}, "repeated": True}
    if record["situation"] != "[]":
        answer["situation"] = json.loads(record["situation"])
    if explain:
        answer["reasons"] = json.loads(record["reasons"])[:explain]
    if with_features:
        answer["features"] = json.loads(record["features"])
    return answer


def rendered(explain: int, with_features: bool, give: Give, pending: Pending) -> Any:
    """Return what was just decided, with what was asked for besides."""
    decided, model = pending.decided, pending.desk.model
    assert decided is not None
    answer: dict[str, Any] = {"decision": decided.decision, "score": decided.score, "record_id": pending.record_id}
    answer["model"] = model
    if decided.situation:
        answer["situation"] = decided.situation
    if explain:
        answer["reasons"] = decided.reasons
    if with_features:
        answer["features"] = decided.features
    return give(answer)
