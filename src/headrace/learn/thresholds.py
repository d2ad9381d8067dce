"""At which scores services decide, read from their rules."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.declare import Model, Project
from headrace.plan import compile_rules
from headrace.plan.expression import Call, Literal, Node, Ref, walk

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def thresholds(project: Project, model: Model) -> tuple[float, ...]:
    """Return the scores at which the rules of services by a model change, ascending.

    They are the numbers that a rule compares the score with, on either side. What a rule computes with the score
    first, as in ``score * amount > 100``, has no score of its own.
    """
    services = [one for one in project.all_services.values() if one.model == model]
    rules = [rule for one in services for _, rule in compile_rules(one)]
    return tuple(sorted({at for rule in rules for node in walk(rule) for at in _compared(node)}))


def _compared(node: Node) -> Iterator[float]:
    if isinstance(node, Call) and node.function in _COMPARISONS:
        for one, other in (node.args, node.args[::-1]):
            if isinstance(one, Ref) and one.name == "score" and isinstance(other, Literal) and other.value is not None:
                yield float(other.value)
