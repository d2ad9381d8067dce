"""Recorded decisions as columns: what was decided, and all that another version and the rules need to decide again."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from headrace.contracts.json import Refused, column, parsed, value_of
from headrace.declare import Field, Service, node_id
from headrace.declare.nested import flat
from headrace.errors import HeadraceError
from headrace.kernel.column import Column
from headrace.lake import Lake, Within
from headrace.learn import Registry, Scorer, Version
from headrace.learn.champion import other_features
from headrace.plan import compile_set, feature_fingerprints, fingerprints
from headrace.plan.meaning import Plan
from headrace.serve import record as serve_record
from headrace.serve.desk import features_fingerprint
from headrace.serve.drain import table_of
from headrace.serve.fields import Row, RowReader
from headrace.serve.history import recomputed
from headrace.serve.loaded import Loaded
from headrace.serve.situations import Situations
from headrace.serve.veiled import Veiled
from headrace.serve.why.case import held_again
from headrace.serve.why.through import Bools, Floats, Ints, Matrix, Rules, matrix, scores
from headrace.types import BOOL, FLOAT, STR, LogicalType

_AT_ONCE = 20_000
_NOTHING = "[]"
"""No situation, as a record has it."""


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
    def situations(self) -> Situations:
        return Situations(self.service, self.plan)

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
        left: is told the reason, and the ids of records that are not compared for it.
    """

    replay: Replay
    fields: Sequence[str]
    skipped: Counter[str] = field(default_factory=Counter)
    left: Callable[[str, Sequence[str]], None] = lambda reason, ids: None

    def parts(self, since: int, until: int) -> Iterator[tuple[Part, int]]:
        """Yield decisions that were made in a span, and how many records were read for them.

        Args:
            since, until: microseconds UTC; the first belongs to the span, the last does not.
        """
        lake, table = self.replay.lake, table_of(self.replay.service.name)
        within = Within("decided_at", since, until - 1)
        for batch in lake.batches(table, within=within, batch_rows=_AT_ONCE):
            part = self.part(pa.Table.from_batches([batch]))
            if part is not None:
                yield part, batch.num_rows

    @cached_property
    def _veiled(self) -> Veiled:
        return Veiled(self.replay.loaded)

    def _opened(self, rows: pa.Table) -> pa.Table:
        """Rows with their personal values; those whose key is not at hand are counted."""
        if not Veiled.any_in(rows):
            return rows
        opened, lost = self._veiled.opened_all(serve_record.read(rows))
        self.skipped.update(lost)
        return serve_record.table(opened)

    def part(self, rows: pa.Table) -> Part | None:
        """Decide records again, rows of the table of decisions; None where none of them can be."""
        kept = self.fitting(self._opened(rows))
        return self._decided(*self._made(kept)) if kept.num_rows else None

    def fitting(self, rows: pa.Table) -> pa.Table:
        """The records that can be compared; the others are counted by reason."""
        kept = np.ones(rows.num_rows, np.bool_)
        for reason, wrong in self._reasons(rows):
            self._leave(reason, rows, kept & wrong)
            kept &= ~wrong
        return rows.filter(pa.array(kept))

    def _leave(self, reason: str, rows: pa.Table, wrong: Bools) -> None:
        if wrong.any():
            self.skipped[reason] += int(wrong.sum())
            self.left(reason, rows.column("record_id").filter(pa.array(wrong)).to_pylist())

    def _reasons(self, rows: pa.Table) -> Iterator[tuple[str, Bools]]:
        one = self.replay
        records = serve_record.read(rows)
        altered = [serve_record.checksum(each) != each["checksum"] for each in records]
        yield "altered after they were written: their checksum is another one", np.array(altered, np.bool_)
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
        again, contract = self.replay.features, self.replay.service.model.cases.spine.contract
        read = [self._whole(one) if again else self._part(one) for one in rows.column("request").to_pylist()]
        broken: Bools = np.array([one is None for one in read], np.bool_)
        self._leave(f"asked with a row that breaks the contract {contract.name} of today", rows, broken)
        rows = rows.filter(pa.array(~broken))
        given = [one for one in read if one is not None]
        fields = self._columns(given)
        return rows, (self._again(rows, given) if again else self._recorded(rows)), fields

    @cached_property
    def _named(self) -> list[str]:
        """Fields that are asked for, and those within others."""
        columns = self.replay.service.model.cases.spine.contract.columns()
        return [one for one in dict.fromkeys((*self.fields, *self.replay.rules.reads)) if one in columns]

    @cached_property
    def _tops(self) -> list[Field]:
        """The fields of a row in which they are: the others need not be read."""
        whole = self.replay.service.model.cases.spine.contract.fields()
        return list({name: whole[name] for one in self._named for name in _upwards(one) if name in whole}.values())

    def _part(self, request: str) -> Row | None:
        try:
            given = parsed(request)
            return {one.name: value_of(one, given.get(one.name), one.name in given) for one in self._tops}
        except Refused:
            return None

    def _whole(self, request: str) -> Row | None:
        try:
            return self._reader.read(request.encode())
        except HeadraceError:
            return None

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.replay.service.model.cases.spine.contract)

    def _columns(self, given: Sequence[Row]) -> dict[str, Column]:
        contract = self.replay.service.model.cases.spine.contract
        columns, nothing = contract.columns(), dict.fromkeys(contract.fields())
        flats = [flat({**nothing, **one}, contract) for one in given]
        return {name: column(columns[name].type, [one[name] for one in flats]) for name in self._named}

    def _recorded(self, rows: pa.Table) -> dict[str, Column]:
        told = [msgspec.json.decode(one) for one in rows.column("features").to_pylist()]
        kinds = {one.name: one.type for one in self.replay.plan.outputs}
        names = [*self.replay.scorer.features, *(one for one in self.replay.rules.reads if one in kinds)]
        return {name: _recorded([one.get(name) for one in told], kinds.get(name)) for name in dict.fromkeys(names)}

    def _again(self, rows: pa.Table, given: Sequence[Row]) -> dict[str, Column]:
        """Features by the declaration of today, from history as each row saw it."""
        horizons = [json.loads(each) for each in rows.column("horizon").to_pylist()]
        known = rows.column("_known_at").cast(pa.int64()).to_pylist()
        return recomputed(self.replay.plan, given, horizons, known, self.replay.lake)

    def _decided(self, rows: pa.Table, made: Mapping[str, Column], fields: Mapping[str, Column]) -> Part:
        one = self.replay
        x, beyond = matrix(made, one.scorer)
        if beyond.any():
            self._leave("with a feature beyond float32", rows, beyond)
            there = np.flatnonzero(~beyond)
            x, rows = x[there], rows.take(pa.array(there))
            made, fields = ({name: each.take(there) for name, each in some.items()} for some in (made, fields))
        old = rows.column("score").to_numpy().astype(np.float64)
        given = {**fields, **made}
        new, after = self.again(rows, x, given)
        before = self._ruled(rows, given, old) if one.as_declared else rows.column("decision").to_pylist()
        at = rows.column("at").cast(pa.int64()).to_numpy()
        ids, versions = rows.column("record_id").to_pylist(), rows.column("model_version").to_pylist()
        return Part(ids, at, before, after, old, new, x, {name: fields[name] for name in self.fields}, versions)

    def again(self, rows: pa.Table, x: Matrix, given: Mapping[str, Column]) -> tuple[Floats, list[str]]:
        """Return score and decision of each record by the version.

        Args:
            rows: records.
            x: features, as the version takes them.
            given: what the rules read.
        """
        new = scores(x, self.replay.scorer)
        return new, self._ruled(rows, given, new)

    def _ruled(self, rows: pa.Table, given: Mapping[str, Column], score: Floats) -> list[str]:
        """Decisions as the service declares them: of its rules, and of odd situations, in which no score decides."""
        names = self.replay.rules.names
        found = [names[at] for at in self.replay.rules.decide(given, score)]
        for at, said in enumerate(rows.column("situation").to_pylist()):
            if said not in (None, _NOTHING):
                found[at] = self._fallback(msgspec.json.decode(said)) or found[at]
        return found

    def _fallback(self, situation: Sequence[str]) -> str | None:
        with contextlib.suppress(HeadraceError):  # it answered then, in what it would refuse today
            return self.replay.situations.fallback(situation)
        return None


def _upwards(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[: at + 1]) for at in range(len(steps))]


def _recorded(values: list[Any], kind: LogicalType | None) -> Column:
    """A feature on record as the kernel holds it; of one that is no longer declared by what its values are."""
    if kind is None:
        some = next((one for one in values if one is not None), None)
        kind = STR if isinstance(some, str) else BOOL if isinstance(some, bool) else FLOAT
    if kind.name == "float":
        values = [None if one is None else float(one) for one in values]
    return column(kind, [held_again(one, kind) for one in values])
