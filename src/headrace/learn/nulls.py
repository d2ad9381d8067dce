"""Nulls at serving: which features can be null at all, and whether a model has a score where they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from headrace.declare import Task
from headrace.errors import Fault, HeadraceError
from headrace.kernel.aggregates import catalogue
from headrace.learn.cases import Matrix
from headrace.learn.scoring import scores
from headrace.plan.expression import Call, Literal, Node, Ref
from headrace.plan.meaning import Aggregation, Plan

_SHOWN = 5
_OF_ONE = ("sum", "mean", "min", "max", "first", "last", "last_known", "quantile")
"""Aggregates that have a value wherever one of their events has."""


def never_null(plan: Plan) -> frozenset[str]:
    """Return the features that have a value in every row, whatever is asked, as far as declarations can tell.

    Training sets do not answer this: in a long history every key has events, at serving a new one has none.

    Example:
        >>> from headrace.declare import Contract, Entity, Features, Stream, count, event_time, last
        >>> from headrace.plan import compile_features
        >>> from headrace.types import Timestamp
        >>> class Click(Contract):
        ...     at: Timestamp = event_time()
        ...     user: int
        >>> windows = {"n": count("1d"), "last": last("at", "1d")}
        >>> habit = Features("habit", Stream("clicks", Click), Entity("user"), windows)
        >>> sorted(never_null(compile_features([habit])))
        ['habit.n']
    """
    spine = "" if plan.spine is None else plan.spine.name
    made = [(one, group.stream.name == spine) for group in plan.windows for one in group.aggregations]
    sure = {output for one, own in made if _counts(one) or (own and _of_itself(one)) for output in one.outputs}
    for derived in plan.derived:  # each after all that it reads
        if _sure(derived.node, sure):
            sure.add(derived.name)
    return frozenset(sure)


def _counts(one: Aggregation) -> bool:
    """Whether an aggregate has a value where a key has no events: what its plain meaning says of none."""
    return catalogue()[one.aggregate].plain((), 0, one.work.setting) is not None


def _of_itself(one: Aggregation) -> bool:
    """Whether an aggregate has a value of the row alone, which is among its events and is never null."""
    given = one.value is not None and _sure(one.value, ())
    return one.include_current and one.where is None and given and one.aggregate in _OF_ONE


def _sure(node: Node, features: Collection[str]) -> bool:
    """Whether an expression has a value in every row."""
    match node:
        case Ref():
            return node.name in features or not node.domain.type.nullable
        case Literal():
            return node.value is not None
    if node.function == "is_null":
        return True
    if node.function == "case":
        return _sure_case(node.args, features)
    there = [_sure(arg, features) for arg in node.args]
    if node.function in ("coalesce", "greatest", "least"):
        return any(there)
    return all(there) and _TOTAL.get(node.function, _never)(node)


def _sure_case(args: Sequence[Node], features: Collection[str]) -> bool:
    """Every value that can be chosen; the last is out of reach where a condition and its contrary come before it."""
    there, known = frozenset(features), []
    for condition, value in zip(args[:-1:2], args[1::2], strict=True):
        if not _sure(value, there | _present(condition, holds=True)):
            return False
        if _sure(condition, there):
            known.append(condition)
        there |= _present(condition, holds=False)
    complete = any(isinstance(one, Call) and one.function == "not" and one.args[0] in known for one in known)
    return complete or _sure(args[-1], there)


def _present(condition: Node, *, holds: bool) -> frozenset[str]:
    """Columns that have a value where a condition holds, or where it does not, being false or null."""
    match condition:
        case Call("is_null", (Ref(name),)) if not holds:
            return frozenset({name})
        case Call("not", (other,)) if holds:
            return _present(other, holds=False)
        case Call("and", (one, other)) if holds:
            return _present(one, holds=True) | _present(other, holds=True)
        case Call("or", (one, other)) if not holds:
            return _present(one, holds=False) | _present(other, holds=False)
    return frozenset()


def _always(_: Call) -> bool:
    return True


def _never(_: Call) -> bool:
    return False


def _bounded(node: Call) -> bool:
    """A result whose bounds are known is finite, and within 64 bits."""
    return node.domain.magnitude is not None


def _divides(node: Call) -> bool:
    by = node.args[1].domain
    low, high = by.low, by.high
    if by.type.name in ("int", "float") and low is not None and low >= 1:
        return True  # nothing becomes larger by it; of a decimal, 1 is its last digit
    return _bounded(node) and ((low is not None and low > 0) or (high is not None and high < 0))


def _at_least(bound: float, *, itself: bool) -> Callable[[Call], bool]:
    def total(node: Call) -> bool:
        low = node.args[0].domain.low
        return low is not None and (low > bound or (itself and low == bound))

    return total


_TOTAL: Mapping[str, Callable[[Call], bool]] = {
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "to_float", "rescale"), _always),
    **dict.fromkeys(("floor", "ceil", "round", "lower", "upper", "trim", "length", "concat", "substring"), _always),
    **dict.fromkeys(("like", "starts_with", "contains", "date_trunc", "to_date", "epoch", "seconds_between"), _always),
    **dict.fromkeys(("year", "month", "day", "dayofweek", "isodow", "hour", "minute", "second", "shift_time"), _always),
    **dict.fromkeys(("add", "sub", "mul", "neg", "abs"), _bounded),
    **dict.fromkeys(("div", "intdiv", "mod"), _divides),
    "sqrt": _at_least(0, itself=True),
    "ln": _at_least(0, itself=False),
}
"""Of a function of values, when it gives a value for all of them; one that is not here may give none."""


def require_nulls(
    estimator: Any,
    x: Matrix,
    names: tuple[str, ...],
    nullable: Sequence[str],
    place: str,
    task: Task | None = None,
    classes: int = 0,
) -> None:
    """Refuse an estimator without a score for a row in which features are null that can be.

    Args:
        estimator: what ``fit`` returned.
        x: float32 features of at least one row.
        names: of the features.
        nullable: those that can be null.
        place: ``file:line`` of ``fit``.
        task: of the model; yes or no by default.
        classes: how many there are, of several.

    Raises:
        HeadraceError: HR-LEARN-007, with the features.
    """

    def scored(*absent: str) -> bool:
        row = np.nan_to_num(x[:1])
        row[:, [names.index(name) for name in absent]] = np.nan
        try:
            scores(estimator, row, names, place, task, classes)
        except HeadraceError:
            return False
        return True

    # what cannot score a usual row either is not told of nulls
    if not nullable or scored(*nullable) or not scored():
        return
    alone = [name for name in nullable if not scored(name)]
    raise HeadraceError(_no_score(estimator, alone or nullable, place))


def _no_score(estimator: Any, absent: Sequence[str], place: str) -> Fault:
    more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    name = type(getattr(estimator, "steps", [("", estimator)])[-1][1]).__name__
    found = f"{name} without a score where a feature is null, as {', '.join(absent[:_SHOWN])}{more} can be"
    expected = "a score for every row that a service can be asked for, also of a key without history"
    cure = f"put a SimpleImputer before {name} in a pipeline, or take one that knows nulls, such as "
    cure += "HistGradientBoostingClassifier; a feature that is an expression has none with coalesce(…, 0)"
    return Fault("HR-LEARN-007", place, found, expected, cure)
