"""Whether a window fits its aggregate: value, parameters, and what the aggregate needs to be exact."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.declare import Window
from headrace.declare.window import How
from headrace.errors import Fault, nearest
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.aggregates import catalogue
from headrace.plan.expression import Node
from headrace.plan.functions.conversions import converted

_USUAL = {"q": 0.5, "k": 3, "n": 3, "half_life": "'7d'"}
"""Parameters of aggregates as they are often given, for cures."""


def misfits(one: Window, label: str, value: Node | None) -> Iterator[Fault]:
    """Yield every fault of a window in the light of its aggregate.

    Args:
        one: the window.
        label: what its feature is called.
        value: its typed value; None where there is none, or where it has a fault that is told already.
    """
    aggregate = catalogue().get(one.kind)
    if aggregate is None:
        cure = nearest(str(one.kind), catalogue())
        yield Fault("HR-WINDOW-005", one.place, f"{label}: aggregate {one.kind!r}", "a known one", cure)
        return
    faults = [*_value(one, label, value, aggregate), *_params(one, label, aggregate)]
    yield from faults
    if not faults and (value is not None or one.value is None):
        yield from _settings(one, label, value, aggregate)


def _value(one: Window, label: str, value: Node | None, aggregate: Aggregate) -> Iterator[Fault]:
    if one.value is None and aggregate.takes and not aggregate.value_optional:
        cure = f"hr.{one.kind}('…', {_first(one)!r})"
        yield Fault("HR-WINDOW-006", one.place, f"{label}: {one.kind} without a value", "an SQL expression", cure)
    if value is not None and value.domain.type.name not in aggregate.takes:
        found = f"{label}: {one.kind} of {value.domain.type!r}"
        expected = " or ".join(aggregate.takes) or "no value, only a window"
        cure = (
            converted(value, aggregate.takes, one.value or "")
            if aggregate.takes
            else f"write hr.{one.kind}({_first(one)!r})"
        )
        yield Fault("HR-WINDOW-007", one.place, found, expected, cure)


def _first(one: Window) -> str:
    return one.windows[0] if one.windows else "7d"


def _params(one: Window, label: str, aggregate: Aggregate) -> Iterator[Fault]:
    said = dict(one.params)
    for name in aggregate.needs:
        if name not in said:
            found = f"{label}: {one.kind} without {name}"
            yield Fault("HR-WINDOW-011", one.place, found, f"its {name}=", f"hr.{one.kind}(…, {name}=…)")
    for name in said:
        if name not in aggregate.needs:
            takes = ("value", "window", *aggregate.needs, *How.__annotations__)
            found = f"{label}: {one.kind} with {name}="
            yield Fault("HR-WINDOW-012", one.place, found, "what the aggregate takes", nearest(name, takes))


def _settings(one: Window, label: str, value: Node | None, aggregate: Aggregate) -> Iterator[Fault]:
    domain = None if value is None else value.domain
    try:
        aggregate.setting(domain, dict(one.params))
        aggregate.result(domain, dict(one.params))
    except ValueError as error:
        asked = ", ".join(f"{name}={_USUAL.get(name, '…')}" for name in aggregate.needs)
        cure = f"write hr.{one.kind}(…, {asked})" if asked else ""
        if "bound" in str(error) and value is not None:
            bounded = f"least(greatest({one.value}, 0), 1000)"
            cure = f"give its field bounds, hr.field(ge=…, le=…), or write {bounded} with bounds that suit"
        yield Fault("HR-WINDOW-009", one.place, f"{label}: {error}", "what the aggregate needs", cure)
