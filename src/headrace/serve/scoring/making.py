"""What makes scores: a service with its champion as they are now, and the rows that come out of it, piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from headrace import clock
from headrace.declare import Service, node_id
from headrace.engines.frame import feature_array, frame
from headrace.engines.job import Computed, Progress
from headrace.errors import Fault, HeadraceError
from headrace.learn import Registry, Version
from headrace.learn.champion import other_features
from headrace.plan import compile_set, feature_fingerprints, fingerprints
from headrace.plan.meaning import Plan
from headrace.serve.desk import features_fingerprint
from headrace.serve.explain import explainer_of
from headrace.serve.loaded import Loaded
from headrace.serve.scoring.aside import Aside
from headrace.serve.scoring.deciding import Model, Reasons, Rules, model_of
from headrace.serve.scoring.rows import PLACE
from headrace.serve.values import matrix
from headrace.types import FLOAT, INT, STR

_BATCH_ROWS = 250_000


@dataclass(frozen=True)
class Maker:
    """A service with the champion of its model.

    Args:
        service, plan: as declared; the plan is of its features alone.
        registry, version, model: of what scores.
        rules: of its decisions.
        declaration, meaning: fingerprints of the service, and of all that decides its features.
    """

    service: Service
    plan: Plan
    registry: Registry
    version: Version
    model: Model
    rules: Rules
    declaration: str
    meaning: str


def maker_of(loaded: Loaded, service: Service) -> Maker:
    """Return what makes the scores of a service.

    Raises:
        HeadraceError: HR-SERVE-002 no champion, 003 one of other features; HR-LEARN-011 an altered file.
    """
    whole, registry = compile_set(service.model.cases), loaded.registry()
    plan = replace(whole, label=None, where=None)
    version = _champion(service, registry)
    model = model_of(registry, version)
    fault = other_features(service.model, version, model.scorer.features, feature_fingerprints(plan), registry)
    if fault is not None:
        raise HeadraceError(fault)
    rules = Rules(service, {one.name: one for one in plan.outputs})
    declaration = fingerprints(loaded.project)[node_id(service)]
    return Maker(service, plan, registry, version, model, rules, declaration, features_fingerprint(whole))


def _champion(service: Service, registry: Registry) -> Version:
    model = service.model.name
    version = registry.champion(model)
    if version is None:
        found = f"no champion of {model}, with which {service.name} decides"
        cure = f"headrace train; or headrace models promote {model} VERSION, where one is registered"
        raise HeadraceError(Fault("HR-SERVE-002", service.place, found, "a trained model", cure))
    return version


@dataclass
class Tally:
    """What was counted on the way."""

    rows: int = 0
    left_out: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    features_s: float = 0.0
    model_s: float = 0.0


class Making:
    """Turns rows with their features into rows of scores.

    Args:
        maker: of them.
        identity: fields that say which row it is.
        what: how the rows are called, where they are aside.
        late: takes rows for which there is no score.
        explain: how many reasons for each row.
    """

    def __init__(self, maker: Maker, identity: tuple[str, ...], what: str, late: Aside, explain: int) -> None:
        self.maker, self.identity, self.tally = maker, identity, Tally()
        self._what, self._late, self._explain = what, late, explain
        self._contract = maker.service.model.cases.spine.contract
        explaining = explainer_of(maker.registry, maker.version, maker.model.scorer) if explain else None
        self._reasons = Reasons(explaining, explain)

    def schema(self) -> pa.Schema:
        """The columns of scores."""
        fields = self._contract.columns()
        told = [(name, fields[name].type.arrow()) for name in self.identity]
        told += [("score", FLOAT.arrow()), ("decision", STR.arrow())]
        told += [("reasons", STR.arrow())] if self._explain else []
        told += [
            (one.name, FLOAT.arrow() if one.type.name == "decimal" else one.type.arrow())
            for one in self.maker.plan.outputs
        ]
        return pa.schema([*told, *((name, kind) for name, kind, _ in self._same())])

    def _same(self) -> list[tuple[str, pa.DataType, Any]]:
        """What is the same in all rows."""
        maker = self.maker
        return [
            ("model", STR.arrow(), maker.version.name),
            ("model_version", INT.arrow(), maker.version.number),
            ("model_digest", STR.arrow(), maker.version.digest),
            ("declaration", STR.arrow(), maker.declaration),
            ("features_declaration", STR.arrow(), maker.meaning),
        ]

    def batches(self, pieces: Iterator[Computed], progress: Progress, most: int) -> Iterator[pa.RecordBatch]:
        """Yield the scores of all pieces, some rows at a time; ``most`` is how many rows there are at most."""
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
            progress("scoring", done, max(done, most))

    def _batch(self, piece: Computed) -> pa.RecordBatch:
        x = matrix(piece.made, self.maker.model.scorer, piece.rows.num_rows)
        beyond = np.isinf(x)
        if beyond.any():
            piece, x = self._refuse_beyond(piece, x, beyond)
        scores = self.maker.model.score(x)
        if np.isnan(scores).any():
            good = ~np.isnan(scores)
            self._refuse(piece, ~good, "HR-LEARN-007", "score", "is NaN or infinite: the model takes no such nulls")
            piece, x, scores = _chosen(piece, good), x[good], scores[good]
        rules, names = self.maker.rules, self.maker.rules.names
        fields = frame(piece.rows, rules.fields, self._contract, self._what).columns
        places = rules.decide({**fields, **piece.made}, scores)
        for place, count in enumerate(np.bincount(places, minlength=len(names)).tolist()):
            self.tally.decided[names[place]] += count
        columns = [*(piece.rows.column(name) for name in self.identity), pa.array(scores)]
        columns.append(pa.array(names, pa.string()).take(pa.array(places)))
        if self._explain:
            columns.append(pa.array(self._reasons.of(x, piece.made), pa.string()))
        columns += [feature_array(piece.made[one.name]) for one in self.maker.plan.outputs]
        columns += [pa.repeat(pa.scalar(value, kind), len(scores)) for _, kind, value in self._same()]
        schema = self.schema()
        arrays = [_as(one, kind) for one, kind in zip(columns, schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _refuse_beyond(self, piece: Computed, x: Any, beyond: Any) -> tuple[Computed, Any]:
        """Set rows aside that a request is refused for: of the first feature that is beyond what a model takes."""
        first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), -1)
        for at in np.unique(first[first >= 0]).tolist():
            self._refuse(
                piece, first == at, "HR-REQUEST-009", self.maker.model.scorer.features[at], "is beyond float32"
            )
        good = first < 0
        return _chosen(piece, good), x[good]

    def _refuse(self, piece: Computed, which: Any, code: str, what: str, text: str) -> None:
        rows = piece.rows.filter(pa.array(which))
        given = rows.select([name for name in rows.column_names if not name.startswith("_")])
        self._late.refuse(self._what, given, rows.column(PLACE).to_pylist(), code, what, text)


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
