"""A service at work: the values of a row from the state of its keys, its score, the decision, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa

from headrace.declare import Service
from headrace.engines import compute
from headrace.engines.frame import Frame, feature_array, frame
from headrace.kernel.column import Column
from headrace.learn import Registry, Scorer, Version
from headrace.online.state import State, plain
from headrace.plan import compile_rules, compile_set, lower, set_fingerprint
from headrace.plan.compile import domains
from headrace.plan.meaning import Plan, StateGroup, WindowGroup

Values = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What was known of a row: every feature as a column of one value, and up to which sequence each source was."""

    row: Frame
    made: Mapping[str, Column]
    horizon: Mapping[str, int]


@dataclass(frozen=True)
class Decision:
    """An answer: features as they leave Headrace, score, decision, and reasons where they were asked for."""

    features: Values
    score: float
    decision: str
    horizon: Mapping[str, int]
    reasons: tuple[Values, ...]


class Desk:
    """One service with the champion of its model.

    Args:
        service: the declaration.
        registry: where its model is.
        typical: value of each feature that stands for not knowing it, for reasons; NaN for null.
    """

    def __init__(self, service: Service, registry: Registry, version: Version, typical: Mapping[str, float]) -> None:
        self.service = service
        self.plan: Plan = compile_set(service.model.cases)
        self.declaration = set_fingerprint(service.model.cases)
        self.version, self.typical = version, typical
        self.scorer: Scorer = registry.load(version)
        self.contract = service.model.cases.spine.contract
        self.moment = service.model.cases.spine.event_time
        self._fields = tuple(domains(self.contract))
        self._rules: list[tuple[str, Callable[[Mapping[str, Any]], Any]]] = [
            (decision, lower.row_function(rule)) for decision, rule in compile_rules(service)
        ]

    def decide(self, row: pa.Table, state: State, transaction: lmdb.Transaction, explain: int = 0) -> Decision:
        """Answer one row that keeps the contract, from the state as it stands in a transaction."""
        seen = self.look(row, state, transaction)
        features = {one.name: feature_array(seen.made[one.name]).to_pylist()[0] for one in self.plan.outputs}
        score = float(self.scorer.score(self.inputs(features))[0])
        given = {name: plain(column, 0) for name, column in {**seen.row.columns, **seen.made}.items()}
        given["score"] = score
        decision = next((name for name, rule in self._rules if rule(given) is True), self.service.otherwise)
        return Decision(features, score, decision, seen.horizon, self.reasons(features, score, explain))

    def look(self, row: pa.Table, state: State, transaction: lmdb.Transaction) -> Seen:
        """Return the features of one row: the batch path itself, over the events of the row's own keys."""
        rows = frame(row, self._fields, self.contract, "the request")
        made: dict[str, Column] = {}
        horizon: dict[str, int] = {}
        for source, keys, groups in shared(self.plan):
            values = [plain(rows.columns[key], 0) for key in keys]
            events, newest = state.read(source, keys, values, transaction)
            horizon[source] = newest
            made |= compute.grouped(groups, rows, self.moment, {source: events}, None)
        made |= compute.derived(self.plan, rows, made)
        return Seen(rows, made, horizon)

    def inputs(self, features: Mapping[str, Any]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Return features as the model takes them: float32, booleans as 0 and 1, NaN for null."""
        values = [features[name] for name in self.scorer.features]
        return np.array([[np.nan if value is None else float(value) for value in values]]).astype(np.float32)

    def reasons(self, features: Mapping[str, Any], score: float, most: int) -> tuple[Values, ...]:
        """Return the features that moved the score most: by how much it falls when each is set to its typical value.

        The method is occlusion, one feature at a time; what features do together is not divided among them.
        """
        if most <= 0:
            return ()
        x = np.repeat(self.inputs(features), len(self.scorer.features), axis=0)
        for position, name in enumerate(self.scorer.features):
            x[position, position] = self.typical.get(name, np.nan)
        moved = score - self.scorer.score(x)
        order = np.argsort(-np.abs(moved), kind="stable")[:most]
        return tuple(
            {
                "feature": self.scorer.features[i],
                "value": features[self.scorer.features[i]],
                "moves_score_by": float(moved[i]),
                "method": "occlusion",
            }
            for i in order.tolist()
        )


def shared(plan: Plan) -> list[tuple[str, tuple[str, ...], list[WindowGroup | StateGroup]]]:
    """Return the groups of a plan by the source and keys that they share."""
    found: dict[tuple[str, tuple[str, ...]], list[WindowGroup | StateGroup]] = {}
    for group in plan.groups:
        source = group.stream.name if isinstance(group, WindowGroup) else group.table.name
        found.setdefault((source, group.keys), []).append(group)
    return [(source, keys, groups) for (source, keys), groups in found.items()]
