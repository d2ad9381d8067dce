"""Whether what decides moves one way as a field or window moves: then the edges of its stretches are all found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from headrace.plan.expression import Literal, Node, Ref
from headrace.plan.meaning import Aggregation, Plan

_ONE_WAY = frozenset(
    ("add", "sub", "mul", "neg", "rescale", "to_float", "floor", "ceil", "round", "greatest", "least", "sqrt", "ln",
     "exp", "gt", "ge", "lt", "le", "not", "and", "or", "is_null")
)  # fmt: skip
"""Functions that move one way as one of their arguments moves, whatever the others are."""
_AGGREGATES = frozenset(
    ("sum", "mean", "min", "max", "first", "last", "last_known", "count", "quantile", "decayed_sum", "decayed_mean")
)
"""Aggregates that move one way as the value of one event moves."""
_FREE, _STEADY, _LOOSE = 0, 1, 2


class Steady:
    """What follows from what in a plan.

    Args:
        plan: of the features.
        rules: of the service.
        asked: features that the model takes.
    """

    def __init__(self, plan: Plan, rules: Iterable[Node], asked: Iterable[str]) -> None:
        self._plan, self._rules, self._asked = plan, tuple(rules), tuple(asked)
        self._derived = {one.name: one.node for one in plan.derived}

    @cached_property
    def _windows(self) -> Mapping[str, Aggregation]:
        every = [one for group in self._plan.windows for one in group.aggregations if one.include_current]
        return {name: one for one in every for name in one.outputs}

    def of(self, name: str) -> bool:
        """Return whether all that decides moves one way as a thing moves."""
        asked = [self._name(one, name) for one in self._asked]
        return _LOOSE not in (*asked, *(self._node(rule, name) for rule in self._rules))

    def both(self, one: str, other: str) -> bool:
        """Return whether nothing that decides is made of two things together, but for the rules."""
        return not any(self._name(asked, one) and self._name(asked, other) for asked in self._asked)

    def _name(self, name: str, moving: str) -> int:
        if name == moving:
            return _STEADY
        if name in self._derived:
            return self._node(self._derived[name], moving)
        window = self._windows.get(name)
        if window is None or moving not in window.reads:
            return _FREE
        if window.where is not None and self._node(window.where, moving):
            return _LOOSE
        inner = _FREE if window.value is None else self._node(window.value, moving)
        return inner if window.aggregate in _AGGREGATES else _LOOSE

    def _node(self, node: Node, moving: str) -> int:
        match node:
            case Ref():
                return self._name(node.name, moving)
            case Literal():
                return _FREE
        args = [self._node(arg, moving) for arg in node.args]
        moved = [at for at, one in enumerate(args) if one]
        if not moved:
            return _FREE
        # a rule joins its conditions: each of them is looked at by itself
        if node.function in ("and", "or"):
            return max(args)
        one_way = node.function in _ONE_WAY or (node.function == "div" and moved == [0])
        return _STEADY if len(moved) == 1 and one_way and max(args) == _STEADY else _LOOSE
