"""A plan made ready for requests: a few rows at a time, each with the events of its own keys beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from headrace.contracts.json import column
from headrace.engines.frame import Frame
from headrace.kernel import asof
from headrace.kernel.column import Column, all_held
from headrace.kernel.layout import side_by_side
from headrace.kernel.standing import Given, Question, Standing
from headrace.kernel.typing import Bools, Ints
from headrace.plan import lower
from headrace.plan.expression import Node, Ref, references
from headrace.plan.meaning import Plan, StateGroup, WindowGroup

Entity = tuple[str, tuple[str, ...]]
"""A stream or table, and the fields by which its rows are looked up."""


class Seen(Protocol):
    """What rows see of an entity: events of the first row, of the second and so on, each in the total order."""

    @property
    def starts(self) -> Ints: ...

    @property
    def time(self) -> Ints: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...

    def plain(self, name: str, positions: Ints) -> list[Any]: ...


class Ready:
    """A plan of which all is made that does not depend on rows.

    Its values are those of ``engines.compute``, which the batch path runs, to the last bit: a test holds the two
    together, and parity holds them together on all that was ever served.

    Args:
        plan: what to compute.
        groups: of the plan, by the entity that they read.
    """

    def __init__(self, plan: Plan, groups: Mapping[Entity, Sequence[WindowGroup | StateGroup]]) -> None:
        self._windows = [
            (entity, _Windows(windows))
            for entity, some in groups.items()
            if (windows := [one for one in some if isinstance(one, WindowGroup)])
        ]
        states = [(entity, one) for entity, some in groups.items() for one in some if isinstance(one, StateGroup)]
        self._states = [(entity, _States(one)) for entity, one in states]
        self._derived = [
            (one.name, one.node.name if isinstance(one.node, Ref) else _Plain(one.node)) for one in plan.derived
        ]

    def features(self, rows: Frame, moment: Ints, seen: Mapping[Entity, Seen]) -> dict[str, Column]:
        """Return every feature of some rows, by name.

        Args:
            rows: with the plan's ``row_columns``.
            moment: [rows] their event time, microseconds UTC.
            seen: what they see of each entity.
        """
        found: dict[str, Column] = {}
        for entity, windows in self._windows:
            found |= windows.features(rows, moment, seen[entity])
        for entity, states in self._states:
            found |= states.features(moment, seen[entity])
        plain: dict[str, list[Any]] = {}
        for name, expression in self._derived:
            if isinstance(expression, str):  # another name of a feature or field, which may be a list
                found[name] = found[expression] if expression in found else rows.columns[expression]
                continue
            for one in expression.reads:
                if one not in plain:
                    plain[one] = all_held(found[one] if one in found else rows.columns[one])
            plain[name] = expression.of(plain, rows.length)
            found[name] = column(expression.kind, plain[name])
        return found


class _Windows:
    """The windows of one entity."""

    def __init__(self, groups: Sequence[WindowGroup]) -> None:
        wanted = [one for group in groups for one in group.aggregations]
        self._outputs = [one.outputs for one in wanted]
        self._values = list(dict.fromkeys(one.value for one in wanted if one.value is not None))
        self._holds = list(dict.fromkeys(one.where for one in wanted if one.where is not None))
        own = [one for one in wanted if one.include_current]
        self._own_values = {one.value for one in own}
        self._own_holds = {one.where for one in own}
        self._standing = Standing(
            [
                Question(
                    one.work,
                    None if one.value is None else self._values.index(one.value),
                    None if one.where is None else self._holds.index(one.where),
                    one.include_current,
                )
                for one in wanted
            ]
        )

    def features(self, rows: Frame, moment: Ints, seen: Seen) -> dict[str, Column]:
        length = int(seen.starts[-1])
        given = Given(
            seen.starts,
            seen.time,
            moment,
            [lower.columns(node, seen.columns, length) for node in self._values],
            [_holds(node, seen.columns, length) for node in self._holds],
            [_value(node, rows) if node in self._own_values else None for node in self._values],
            [_holds(node, rows.columns, rows.length) if node in self._own_holds else None for node in self._holds],
        )
        found: dict[str, Column] = {}
        for names, columns in zip(self._outputs, self._standing.answer(given), strict=True):
            found.update(zip(names, columns, strict=True))
        return found


def _value(node: Node, rows: Frame) -> Column:
    return lower.columns(node, rows.columns, rows.length)


def _holds(node: Node, columns: Mapping[str, Column], length: int) -> Bools:
    made = lower.columns(node, columns, length)
    holds: Bools = made.values if made.valid is None else made.values & made.valid
    return holds


class _States:
    """The expressions over the row of a state table that was valid at the moment."""

    def __init__(self, group: StateGroup) -> None:
        self._until = group.valid_to
        self._expressions = [(name, _Plain(node)) for name, node in group.expressions]
        self._reads = tuple(dict.fromkeys(one for _, expression in self._expressions for one in expression.reads))

    def features(self, moment: Ints, seen: Seen) -> dict[str, Column]:
        until = None
        if self._until is not None:
            ends = seen.columns[self._until]
            until = np.where(ends.mask, ends.values, np.iinfo(np.int64).max)
        position = asof.newest(side_by_side(seen.starts), seen.time, moment, until)
        there = (position >= 0).tolist()
        plain = {name: seen.plain(name, position) for name in self._reads}
        found: dict[str, Column] = {}
        for name, expression in self._expressions:
            values = expression.of(plain, len(position))
            found[name] = column(
                expression.kind, [value if one else None for value, one in zip(values, there, strict=True)]
            )
        return found


class _Plain:
    """An expression over plain values: for a few rows a call for each costs less than one for all of them."""

    def __init__(self, node: Node) -> None:
        self.kind, self.reads = node.domain.type, references(node)
        self._function = lower.plain_function(node)

    def of(self, given: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        """Return its value for each row, by the values of what it reads."""
        if not self.reads:
            return [self._function()] * rows
        return list(map(self._function, *(given[name] for name in self.reads)))
