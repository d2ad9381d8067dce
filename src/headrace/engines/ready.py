"""A plan made ready for requests: a few rows at a time, each with the events of its own keys beside it.

Values of rows and features are plain here, as the kernel holds them (scaled decimals, microseconds, days, None for
null): for a few rows a call for each costs less than one for a column of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from headrace.contracts.json import column
from headrace.kernel import asof
from headrace.kernel.column import Column
from headrace.kernel.layout import side_by_side
from headrace.kernel.standing import Given, Line, Question, Standing
from headrace.kernel.typing import Bools, Ints
from headrace.plan import lower
from headrace.plan.expression import Node, Ref, references
from headrace.plan.meaning import Plan, StateGroup, WindowGroup
from headrace.types import LogicalType

Entity = tuple[str, tuple[str, ...]]
"""A stream or table, and the fields by which its rows are looked up."""
Plain = Mapping[str, Sequence[Any]]
"""By name, the value of each row."""


class Seen(Protocol):
    """What rows see of an entity: events of the first row, of the second and so on, each in the total order.

    Those of all requests are laid out alike: ``line`` says where a column lies in the ``matrix``, if it does.
    """

    @property
    def starts(self) -> Ints: ...

    @property
    def matrix(self) -> Ints: ...

    @property
    def there(self) -> Bools: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...

    def plain(self, name: str, positions: Ints) -> list[Any]: ...

    def line(self, name: str) -> int | None: ...


class Ready:
    """A plan of which all is made that does not depend on rows.

    Its values are those of ``engines.compute``, which the batch path runs, to the last bit: a test holds the two
    together, and parity holds them together on all that was ever served.

    Args:
        plan: what to compute.
        groups: of the plan, by the entity that they read.
    """

    def __init__(self, plan: Plan, groups: Mapping[Entity, Sequence[WindowGroup | StateGroup]]) -> None:
        assert plan.spine is not None
        fields = plan.spine.contract.columns()
        self._reads = {name: fields[name].type for name in plan.row_columns}
        self._windows = [
            (entity, _Windows(windows, self._reads))
            for entity, some in groups.items()
            if (windows := [one for one in some if isinstance(one, WindowGroup)])
        ]
        states = [(entity, one) for entity, some in groups.items() for one in some if isinstance(one, StateGroup)]
        self._states = [(entity, _States(one)) for entity, one in states]
        self._derived = [
            (one.name, one.node.name if isinstance(one.node, Ref) else _Plain(one.node)) for one in plan.derived
        ]

    def features(self, rows: Sequence[Mapping[str, Any]], moment: Ints, seen: Mapping[Entity, Seen]) -> dict[str, Any]:
        """Return the values of every feature of some rows, by name.

        Args:
            rows: with the plan's ``row_columns``.
            moment: [rows] their event time, microseconds UTC.
            seen: what they see of each entity.
        """
        given: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in self._reads}
        found: dict[str, Sequence[Any]] = {}
        for entity, windows in self._windows:
            found.update(windows.features(given, moment, seen[entity]))
        for entity, states in self._states:
            found.update(states.features(moment, seen[entity]))
        for name, expression in self._derived:
            if isinstance(expression, str):  # another name of a feature or field
                found[name] = found[expression] if expression in found else given[expression]
            else:
                args = (found[one] if one in found else given[one] for one in expression.reads)
                found[name] = expression.of(args, len(rows))
        return found


class _Windows:
    """The windows of one entity."""

    def __init__(self, groups: Sequence[WindowGroup], reads: Mapping[str, LogicalType]) -> None:
        wanted = [one for group in groups for one in group.aggregations]
        self._names = [name for one in wanted for name in one.outputs]
        self._values = list(dict.fromkeys(one.value for one in wanted if one.value is not None))
        self._holds = list(dict.fromkeys(one.where for one in wanted if one.where is not None))
        self._reads = reads
        self._questions = [
            Question(
                one.work,
                None if one.value is None else self._values.index(one.value),
                None if one.where is None else self._holds.index(one.where),
                one.include_current,
            )
            for one in wanted
        ]
        self._standing: dict[tuple[int | None, ...], Standing] = {}

    def features(self, rows: Plain, moment: Ints, seen: Seen) -> zip[tuple[str, list[Any]]]:
        length, columns = seen.matrix.shape[1], seen.columns
        values: dict[int, Column] = {}

        def value(at: int) -> Column:
            if at not in values:
                values[at] = lower.columns(self._values[at], columns, length)
            return values[at]

        held: dict[str, Column] = {}

        def own() -> Mapping[str, Column]:
            if not held:
                held.update({name: column(kind, list(rows[name])) for name, kind in self._reads.items()})
            return held

        given = Given(
            seen.starts,
            seen.matrix,
            seen.there,
            moment,
            value,
            lambda at: _holds(self._holds[at], columns, length),
            lambda at: lower.columns(self._values[at], own(), len(moment)),
            lambda at: _holds(self._holds[at], own(), len(moment)),
        )
        return zip(self._names, self._made(seen).answer(given), strict=True)

    def _made(self, seen: Seen) -> Standing:
        """Return the questions as they are asked of events that are laid out in this way."""
        places = tuple([seen.line(node.name) if isinstance(node, Ref) else None for node in self._values])
        if places not in self._standing:
            lines = [
                None if at is None else Line(at, node.domain.type)
                for at, node in zip(places, self._values, strict=True)
            ]
            self._standing[places] = Standing(self._questions, lines)
        return self._standing[places]


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

    def features(self, moment: Ints, seen: Seen) -> dict[str, list[Any]]:
        until = None
        if self._until is not None:
            ends = seen.columns[self._until]
            until = np.where(ends.mask, ends.values, np.iinfo(np.int64).max)
        position = asof.newest(side_by_side(seen.starts), seen.matrix[0], moment, until)
        there = (position >= 0).tolist()
        plain = {name: seen.plain(name, position) for name in self._reads}
        found: dict[str, list[Any]] = {}
        for name, expression in self._expressions:
            values = expression.of((plain[one] for one in expression.reads), len(there))
            found[name] = [value if one else None for value, one in zip(values, there, strict=True)]
        return found


class _Plain:
    """An expression over plain values."""

    def __init__(self, node: Node) -> None:
        self.reads, self._held = references(node), _HELD.get(node.domain.type.name)
        self._function = lower.plain_function(node)

    def of(self, args: Any, rows: int) -> list[Any]:
        """Return its value for each row, by the values of what it reads."""
        made = map(self._function, *args) if self.reads else [self._function()] * rows
        held = self._held
        if held is None:
            return list(made)
        return [value if value is None or type(value) is held else held(value) for value in made]


_HELD: Mapping[str, type] = {"float": float, "bool": bool} | dict.fromkeys(("int", "decimal", "timestamp", "date"), int)
"""How values of a type are held: what is written as a whole number may stand where a float is meant."""
