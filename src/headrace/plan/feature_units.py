"""Units of features: which each has, and which come together in its expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from headrace.plan.expression import Node
from headrace.plan.lineage import Mix
from headrace.plan.meaning import Plan
from headrace.plan.units import KEEPING, expression_mixes, expression_unit

Unit = Callable[[str], str]


def feature_units(
    plan: Plan, sources: Mapping[str, str], said: Mapping[str, str], unit: Unit
) -> tuple[dict[str, str], dict[str, tuple[Mix, ...]]]:
    """Return the unit of each feature of a plan, and the units that it brings together.

    Args:
        plan: of the groups.
        sources: the name of the source of each group.
        said: each feature as it is written.
        unit: of the node of a column.
    """
    units: dict[str, str] = {}
    mixed: dict[str, tuple[Mix, ...]] = {}

    def of_row(source: str, name: str) -> str:
        return units[name] if name in units else unit(f"column:{source}.{name}")

    def take(name: str, source: str, value: Node | None, *others: Node | None) -> None:
        known = partial(of_row, source)
        each = (found for node in (value, *others) if node is not None for found in expression_mixes(node, known))
        mixed[name] = tuple(dict.fromkeys(Mix(found, said.get(name, name)) for found in each))
        units[name] = "" if value is None else expression_unit(value, known)

    for group in plan.windows:
        for one in group.aggregations:
            for name in one.outputs:
                take(name, str(group.stream.name), one.value, one.where)
                units[name] = units[name] if one.aggregate in KEEPING else ""
    for state in plan.states:
        for name, node in state.expressions:
            take(name, str(state.table.name), node)
    for derived in plan.derived:
        take(derived.name, sources[derived.name.partition(".")[0]], derived.node)
    return units, mixed
