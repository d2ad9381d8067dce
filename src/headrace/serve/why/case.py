"""A recorded decision under the declaration of today: what of it can be computed again, and why what cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headrace.declare import Contract, Service, node_id
from headrace.declare.nested import flat
from headrace.errors import HeadraceError
from headrace.kernel.column import Column, held
from headrace.lake import Lake
from headrace.learn import Registry, Scorer, Version
from headrace.plan import compile_set, feature_fingerprints, fingerprints
from headrace.plan.meaning import Plan
from headrace.serve.desk import features_fingerprint
from headrace.serve.fields import Row, RowReader
from headrace.serve.history import recomputed
from headrace.serve.loaded import Loaded
from headrace.serve.record import WITHOUT_STATE, Record
from headrace.serve.values import leaving, same
from headrace.serve.why.behind import Seen
from headrace.serve.why.through import Rules
from headrace.types import LogicalType


@dataclass(frozen=True)
class Case:
    """A record, and what its service declares now.

    Args:
        service: as declared now.
        record: it.
        plan: of the features that are declared now.
        lake: history.
        registry: of models.
        declaration: fingerprint of the service now.
    """

    service: Service
    record: Record
    plan: Plan
    lake: Lake
    registry: Registry
    declaration: str

    @property
    def contract(self) -> type[Contract]:
        return self.service.model.cases.spine.contract

    @property
    def seen(self) -> Seen:
        horizon = {name: one for name, one in read_object(self.record["horizon"]).items() if isinstance(one, int)}
        return Seen(self.record["at"], self.record["_known_at"], horizon)

    @property
    def without_state(self) -> bool:
        """Whether it was decided while the state of keys was made anew."""
        return bool(self.record["situation"] == WITHOUT_STATE)

    @cached_property
    def features(self) -> dict[str, Any]:
        """The features as they were recorded, as they left; none where there was no state to compute them from."""
        if self.without_state:
            return {}
        return read_object(self.record["features"])

    @cached_property
    def row(self) -> Row | None:
        """The request as the kernel holds it; None where it breaks the contract of today."""
        try:
            return RowReader(self.contract).read(self.record["request"].encode())
        except HeadraceError:
            return None

    @property
    def flat(self) -> Mapping[str, Any]:
        """The request and what is within its objects, by path."""
        assert self.row is not None
        return flat(self.row, self.contract)

    @cached_property
    def same_features(self) -> bool:
        """Whether the features are declared as they were then, all of them and in their order."""
        return bool(self.record["features_declaration"] == features_fingerprint(self.plan))

    @property
    def same_rules(self) -> bool:
        """Whether the service decides as it did then."""
        return bool(self.record["declaration"] == self.declaration)

    @cached_property
    def version(self) -> Version | None:
        """The version that scored, as the registry knows it; None where that was removed."""
        every = self.registry.versions(self.record["model"])
        mine = [one for one in every if one.digest == self.record["model_digest"]]
        return next((one for one in mine if one.number == self.record["model_version"]), next(iter(mine), None))

    @cached_property
    def scorer(self) -> Scorer | None:
        """The model that scored; None where its file is gone or altered."""
        try:
            return self.registry.scorer(self.record["model_digest"])
        except HeadraceError:
            return None

    @cached_property
    def rules(self) -> Rules:
        return Rules(self.service)

    @cached_property
    def kinds(self) -> dict[str, LogicalType]:
        """The types of the features that are declared now."""
        return {one.name: one.type for one in self.plan.outputs}

    def changed(self, name: str) -> bool:
        """Whether a feature is declared otherwise than when the version that scored learned it."""
        if self.same_features:
            return False
        if self.version is None or name not in self.kinds:
            return True
        learned = self.version.record.origin.features.get(name)
        return learned is None or learned != self._prints.get(name)

    @cached_property
    def _prints(self) -> Mapping[str, str]:
        return feature_fingerprints(self.plan)

    @cached_property
    def made(self) -> dict[str, Column] | None:
        """The features computed again from history, as the row saw it; None where that cannot be."""
        if self.row is None or not self.same_features or self.without_state:
            return None
        return recomputed(self.plan, [self.row], [self.seen.horizon], [self.seen.known], self.lake)

    @cached_property
    def given(self) -> dict[str, Any] | None:
        """What rules read of the record, as the kernel holds it: fields, features and the score."""
        if self.row is None or not all(name in self.features for name in self.kinds):
            return None
        kept = {name: held_again(self.features[name], kind) for name, kind in self.kinds.items()}
        return {**self.flat, **kept, "score": self.record["score"]}

    def differing(self) -> list[dict[str, Any]]:
        """Return the features that history makes otherwise than they were served: name, both values."""
        assert self.made is not None
        now = {name: leaving(held(one, 0), one.type) for name, one in self.made.items()}
        return [
            {"feature": name, "served": self.features.get(name), "recomputed": now[name]}
            for name in self.kinds
            if not same(self.features.get(name), now[name])
        ]


def case_of(loaded: Loaded, service: str, record: Record) -> Case | None:
    """Return a record under the declaration of its service, or None where no such service is declared any more."""
    declared = loaded.project.all_services.get(service)
    if declared is None:
        return None
    plan, prints = compile_set(declared.model.cases), fingerprints(loaded.project)
    return Case(declared, record, plan, loaded.lake(), loaded.registry(), prints[node_id(declared)])


def read_object(text: str | None) -> dict[str, Any]:
    """Return an object of a record; an empty one where the record was altered so that there is none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def held_again(value: Any, kind: LogicalType) -> Any:
    """Undo ``values.leaving``: decimals in units of their last digit, of which the float64 is the nearest."""
    if value is None:
        return None
    if kind.name == "list" and kind.item is not None:
        return [held_again(one, kind.item) for one in value]
    return round(value * 10**kind.scale) if kind.name == "decimal" else value
