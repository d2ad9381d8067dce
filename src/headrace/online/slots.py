"""Slots: which events of which entity the plans of a project need, and how far back they reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from headrace.declare import Contract
from headrace.online.packed import FIRST, TIME
from headrace.plan.meaning import Plan, StateGroup, WindowGroup
from headrace.types import LogicalType

Groups = Mapping[tuple[str, tuple[str, ...]], Sequence[WindowGroup | StateGroup]]
"""The groups of a plan by the slot that they read."""


@dataclass(frozen=True)
class Slot:
    """Events (or versions of a state table's row) of one source, held by the keys of one entity.

    Args:
        source: name of the stream or table.
        keys: fields that name the entity.
        key_types: their types.
        time: field of the moment: event time, or valid_from.
        columns: other fields that the plans read, with their types.
        reach: microseconds before a row's moment that some window reaches; None where nothing may be forgotten.
    """

    source: str
    keys: tuple[str, ...]
    key_types: tuple[LogicalType, ...]
    time: str
    columns: tuple[tuple[str, LogicalType], ...]
    reach: int | None

    @property
    def id(self) -> tuple[str, tuple[str, ...]]:
        return self.source, self.keys

    def place_of(self, column: str) -> int:
        """Return which of its columns has a name."""
        return next(at for at, (name, _) in enumerate(self.columns) if name == column)

    @cached_property
    def lines(self) -> Mapping[str, int]:
        """Where in the matrix of its events a column lies as the kernel holds it, which texts do not."""
        held = {name: FIRST + at for at, (name, kind) in enumerate(self.columns) if kind.name != "str"}
        return {self.time: TIME} | held

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields of the source that are read to fill it."""
        return tuple(dict.fromkeys((*self.keys, self.time, *(name for name, _ in self.columns))))

    def as_dict(self) -> dict[str, object]:
        """Return plain values, of which the layout of a state is recognised."""
        return {
            "source": self.source,
            "keys": [*zip(self.keys, map(repr, self.key_types), strict=True)],
            "time": self.time,
            "columns": [(name, repr(kind)) for name, kind in self.columns],
            "reach": self.reach,
        }


def slots_of(plans: Iterable[Plan]) -> tuple[Slot, ...]:
    """Return what must be held for some plans, in a stable order; plans share slots of the same entity."""
    found: dict[tuple[str, tuple[str, ...]], Slot] = {}
    for plan in plans:
        for group in plan.groups:
            one = _slot(group)
            found[one.id] = _joined(found[one.id], one) if one.id in found else one
    return tuple(found[name] for name in sorted(found))


def groups_of(plan: Plan) -> Groups:
    """Return the groups of a plan by the slot that they read."""
    found: dict[tuple[str, tuple[str, ...]], list[WindowGroup | StateGroup]] = {}
    for group in plan.groups:
        found.setdefault((source_of(group), group.keys), []).append(group)
    return found


def source_of(group: WindowGroup | StateGroup) -> str:
    """Return the name of the stream or table that a group reads."""
    return group.stream.name if isinstance(group, WindowGroup) else group.table.name


def _slot(group: WindowGroup | StateGroup) -> Slot:
    if isinstance(group, WindowGroup):
        contract, time, reach = group.stream.contract, group.stream.event_time, _reach(group)
    else:
        assert group.table.contract is not None
        contract, time, reach = group.table.contract, group.valid_from, None
    fields = contract.columns()
    columns = tuple((name, fields[name].type) for name in _held(group, time))
    return Slot(source_of(group), group.keys, _types(contract, group.keys), time, columns, reach)


def _held(group: WindowGroup | StateGroup, time: str) -> list[str]:
    return sorted({name for name in group.columns if name != time and name not in group.keys})


def _types(contract: type[Contract], names: Iterable[str]) -> tuple[LogicalType, ...]:
    fields = contract.columns()
    return tuple(fields[name].type for name in names)


def _reach(group: WindowGroup) -> int | None:
    longest = 0
    for one in group.aggregations:
        for span in one.spans:
            if span.length is None:
                return None
            longest = max(longest, span.length + span.delay + span.hop)
    return longest


def _joined(first: Slot, second: Slot) -> Slot:
    columns = dict(first.columns) | dict(second.columns)
    reach = None if first.reach is None or second.reach is None else max(first.reach, second.reach)
    ordered = tuple(sorted(columns.items()))
    return Slot(first.source, first.keys, first.key_types, first.time, ordered, reach)
