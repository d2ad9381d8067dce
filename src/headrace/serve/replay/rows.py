"""Recorded decisions as columns: what was decided, and all that another version and the rules need to decide again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from headrace.contracts.json import Refused, column, value_of
from headrace.declare import Service, node_id
from headrace.declare.nested import flat
from headrace.errors import HeadraceError
from headrace.kernel.column import Column
from headrace.lake import Lake, Within
from headrace.learn import Registry, Scorer, Version
from headrace.learn.champion import other_features
from headrace.plan import compile_set, feature_fingerprints, fingerprints
from headrace.plan.meaning import Plan
from headrace.serve.desk import features_fingerprint
from headrace.serve.drain import table_of
from headrace.serve.fields import RowReader
from headrace.serve.history import recomputed
from headrace.serve.loaded import Loaded
from headrace.serve.why.case import held_again
from headrace.serve.why.through import Bools, Floats, Ints, Matrix, Rules, matrix, scores
from headrace.types import BOOL, FLOAT, STR, LogicalType

_AT_ONCE = 20_000
_COLUMNS = ("record_id", "at", "_known_at", "horizon", "request", "features", "score", "decision", "model_version",
            "declaration", "features_declaration", "decided_at")  # fmt: skip


@dataclass(frozen=True)
class Replay:
    """What is replayed through what.

    Args:
        loaded: the project.
        service: whose decisions.
        version: through which they go.
        features: whether features are computed again under the declaration of today; else they are those on record.
        as_declared: whether both sides are decided by the rules of today; else each record keeps its decision.
    """

    loaded: Loaded
    service: Service
    version: Version
    features: bool = False
    as_declared: bool = False

    @cached_property
    def plan(self) -> Plan:
        return compile_set(self.service.model.cases)

    @cached_property
    def lake(self) -> Lake:
        return self.loaded.lake()

    @cached_property
    def registry(self) -> Registry:
        return self.loaded.registry()

    @cached_property
    def scorer(self) -> Scorer:
        return self.registry.load(self.version)

    @cached_property
    def rules(self) -> Rules:
        return Rules(self.service)

    @cached_property
    def declaration(self) -> str:
        return fingerprints(self.loaded.project)[node_id(self.service)]

    @cached_property
    def prints(self) -> Mapping[str, str]:
        """Of each feature as declared now, the fingerprint of all that decides its values."""
        return feature_fingerprints(self.plan)

    def require_fit(self) -> None:
        """Refuse a version of other features than those that are computed again.

        Raises:
            HeadraceError: HR-SERVE-003.
        """
        if self.features:
            model, registry = self.service.model, self.registry
            fault = other_features(model, self.version, self.scorer.features, self.prints, registry)
            if fault is not None:
                raise HeadraceError(fault)


@dataclass
class Part:
    """Some decisions, before and after.

    Args:
        ids: of the records.
        at: their event times, microseconds UTC.
        before, after: decisions.
        old, new: scores.
        x: features as the version takes them, shape (n, features).
        fields: fields of the requests, as the kernel holds them.
        versions: of the model, that scored before.
    """

    ids: list[str]
    at: Ints
    before: list[str]
    after: list[str]
    old: Floats
    new: Floats
    x: Matrix
    fields: Mapping[str, Column]
    versions: list[int]


@dataclass
class Reader:
    """Reads decisions of a span and decides them again.

    Args:
        replay: what goes through what.
        fields: fields of the request that are kept beside, of those that a row has by itself.
        skipped: records that are not compared, by reason; counted here.
    """

    replay: Replay
    fields: Sequence[str]
    skipped: Counter[str] = field(default_factory=Counter)

    def parts(self, since: int, until: int) -> Iterator[tuple[Part, int]]:
        """Yield decisions that were made in a span, and how many records were read for them.

        Args:
            since, until: microseconds UTC; the first belongs to the span, the last does not.
        """
        lake, table = self.replay.lake, table_of(self.replay.service.name)
        within = Within("decided_at", since, until - 1)
        for batch in lake.batches(table, columns=list(_COLUMNS), within=within, batch_rows=_AT_ONCE):
            rows = pa.Table.from_batches([batch])
            kept = self._fitting(rows)
            if kept.num_rows:
                yield self._decided(*self._made(kept)), rows.num_rows

    def _fitting(self, rows: pa.Table) -> pa.Table:
        """The records that can be compared; the others are counted by reason."""
        kept = np.ones(rows.num_rows, np.bool_)
        for reason, wrong in self._reasons(rows):
            self.skipped[reason] += int((kept & wrong).sum())
            kept &= ~wrong
        self.skipped = +self.skipped
        return rows.filter(pa.array(kept))

    def _reasons(self, rows: pa.Table) -> Iterator[tuple[str, Bools]]:
        one = self.replay
        yield "decided without a score", rows.column("score").is_null().to_numpy()
        if not one.as_declared:
            told = "decided by other rules of the service (--decide-as-declared decides both by those of today)"
            yield told, np.array([it != one.declaration for it in rows.column("declaration").to_pylist()], np.bool_)
        if not one.features:
            pairs = zip(rows.column("features_declaration").to_pylist(), rows.column("model_version").to_pylist(),
                        strict=True)  # fmt: skip
            told = f"recorded with features that version {one.version.number} did not learn (--features computes them)"
            yield told, np.array([not self._same_meaning(*pair) for pair in pairs], np.bool_)

    def _same_meaning(self, declaration: str, number: int) -> bool:
        """Whether the features on record mean what those mean that the version learned."""
        if (declaration, number) not in self._meanings:
            one = self.replay
            if declaration == features_fingerprint(one.plan):
                known: Mapping[str, str] = one.prints
            else:
                versions = {each.number: each for each in one.registry.versions(one.service.model.name)}
                known = versions[number].record.origin.features if number in versions else {}
            learned = one.version.record.origin.features
            self._meanings[declaration, number] = all(
                name in known and known[name] == learned.get(name) for name in one.scorer.features
            )
        return self._meanings[declaration, number]

    @cached_property
    def _meanings(self) -> dict[tuple[str, int], bool]:
        return {}

    def _made(self, rows: pa.Table) -> tuple[pa.Table, dict[str, Column], dict[str, Column]]:
        """Records with their features and fields as columns; those that cannot be read are counted."""
        if self.replay.features:
            return self._again(rows)
        told = [msgspec.json.decode(one) for one in rows.column("features").to_pylist()]
        kinds = {one.name: one.type for one in self.replay.plan.outputs}
        names = [*self.replay.scorer.features, *(one for one in self.replay.rules.reads if one in kinds)]
        made = {name: _recorded([one.get(name) for one in told], kinds.get(name)) for name in dict.fromkeys(names)}
        return rows, made, self._fields(rows)

    def _fields(self, rows: pa.Table) -> dict[str, Column]:
        """The fields that are asked for, alone: the whole of each row need not be read."""
        contract = self.replay.service.model.cases.spine.contract
        columns, whole = contract.columns(), contract.fields()
        named = [one for one in dict.fromkeys((*self.fields, *self.replay.rules.reads)) if one in columns]
        tops = dict.fromkeys(one.partition(".")[0] if one not in whole else one for one in named)
        given = [msgspec.json.decode(one) for one in rows.column("request").to_pylist()]
        read = [{name: _value(whole[name], one) for name in tops} for one in given]
        nothing = dict.fromkeys(whole)
        flats = [flat({**nothing, **one}, contract) for one in read] if set(named) - set(whole) else read
        return {name: column(columns[name].type, [one[name] for one in flats]) for name in named}

    def _again(self, rows: pa.Table) -> tuple[pa.Table, dict[str, Column], dict[str, Column]]:
        """Features by the declaration of today, from history as each row saw it."""
        one, contract = self.replay, self.replay.service.model.cases.spine.contract
        reader, read, kept = RowReader(contract), [], []
        for request in rows.column("request").to_pylist():
            try:
                read.append(reader.read(request.encode()))
                kept.append(True)
            except HeadraceError:
                self.skipped[f"asked with a row that breaks the contract {contract.name} of today"] += 1
                kept.append(False)
        rows = rows.filter(pa.array(kept, pa.bool_()))
        horizons = [json.loads(each) for each in rows.column("horizon").to_pylist()]
        known = rows.column("_known_at").cast(pa.int64()).to_pylist()
        made = recomputed(one.plan, read, horizons, known, one.lake)
        return rows, made, self._fields(rows)

    def _decided(self, rows: pa.Table, made: Mapping[str, Column], fields: Mapping[str, Column]) -> Part:
        one = self.replay
        x, beyond = matrix(made, one.scorer)
        if beyond.any():
            self.skipped["with a feature beyond float32"] += int(beyond.sum())
            there = np.flatnonzero(~beyond)
            x, rows = x[there], rows.take(pa.array(there))
            made, fields = ({name: each.take(there) for name, each in some.items()} for some in (made, fields))
        old = rows.column("score").to_numpy().astype(np.float64)
        new = scores(x, one.scorer)
        given, names = {**fields, **made}, one.rules.names
        after = [names[at] for at in one.rules.decide(given, new)]
        before = rows.column("decision").to_pylist()
        if one.as_declared:
            before = [names[at] for at in one.rules.decide(given, old)]
        at = rows.column("at").cast(pa.int64()).to_numpy()
        ids, versions = rows.column("record_id").to_pylist(), rows.column("model_version").to_pylist()
        return Part(ids, at, before, after, old, new, x, {name: fields[name] for name in self.fields}, versions)


def _value(one: Any, given: Mapping[str, Any]) -> Any:
    """A field of a request on record; null where the contract of today does not take what it was then."""
    try:
        return value_of(one, given.get(one.name), one.name in given)
    except Refused:
        return None


def _recorded(values: list[Any], kind: LogicalType | None) -> Column:
    """A feature on record as the kernel holds it; of one that is no longer declared by what its values are."""
    if kind is None:
        some = next((one for one in values if one is not None), None)
        kind = STR if isinstance(some, str) else BOOL if isinstance(some, bool) else FLOAT
    if kind.name == "float":
        values = [None if one is None else float(one) for one in values]
    return column(kind, [held_again(one, kind) for one in values])
