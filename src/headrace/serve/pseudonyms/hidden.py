"""What of a service's rows is personal, as the contract says, and is written as pseudonyms for that reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.contracts.json import written
from headrace.declare import Field, Project, Service
from headrace.plan.lineage import tags_of_field
from headrace.plan.privacy import free
from headrace.plan.tracing import lineage
from headrace.serve.pseudonyms.cipher import Cipher
from headrace.types import LogicalType


@dataclass(frozen=True)
class Hidden:
    """What of a service's rows is personal.

    Args:
        fields: of the request.
        features: that are made of such fields, by their tags.
    """

    fields: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.fields or self.features)


class Writing:
    """Puts pseudonyms in the place of what is personal in an answer's record.

    Args:
        hidden: what that is.
        fields: of a row, with types, in their order.
        features: names, in their order.
        cipher: of the project.
    """

    def __init__(
        self, hidden: Hidden, fields: Mapping[str, LogicalType], features: Sequence[str], cipher: Cipher
    ) -> None:
        self._fields = [(at, name, kind) for at, (name, kind) in enumerate(fields.items()) if name in hidden.fields]
        self._features = [(at, name) for at, name in enumerate(features) if name in hidden.features]
        self._named, self._made = hidden.features, cipher.hidden

    def row(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the values of a row as they are written."""
        values = list(row.values())
        for at, name, kind in self._fields:
            if (value := values[at]) is not None:
                values[at] = self._made(name, written(value, kind))
        return values

    def values(self, features: Sequence[Any]) -> Sequence[Any]:
        """Return the values of features as they are written."""
        if not self._features:
            return features
        values = list(features)
        for at, name in self._features:
            values[at] = self._made(name, values[at])
        return values

    def reasons(self, reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return reasons as they are written."""
        return [
            {**one, "value": self._made(one["feature"], one["value"])} if one["feature"] in self._named else one
            for one in reasons
        ]


def hidden_in(project: Project, service: Service) -> Hidden:
    """Return what is personal in the rows of a service: by tags that are not free, or a subject that has no tag.

    The event time is never hidden: a record is found by it.

    Args:
        project: to which tags are followed.
        service: of it.
    """
    spine = service.model.cases.spine
    every = spine.contract.fields()
    fields = frozenset(name for name, one in every.items() if _personal(one) and name != spine.event_time)
    nodes = lineage(project).nodes.values()
    features = frozenset(one.name for one in nodes if one.kind == "feature" and _tagged(one.privacy))
    return Hidden(fields, features)


def _personal(one: Field) -> bool:
    tags = tags_of_field(one)
    return _tagged(tags) or (one.subject and not tags)


def _tagged(tags: Collection[str]) -> bool:
    return not all(map(free, tags))
