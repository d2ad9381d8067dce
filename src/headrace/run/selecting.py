"""Which steps of a run are asked for: names, with ``+`` before for what one needs, and behind for what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.errors import Fault, HeadraceError, nearest

if TYPE_CHECKING:
    from headrace.run.steps import Step


def name_of(step: Step) -> str:
    """Return the name of the stream, table or training set that a step brings up to date."""
    return step.id.split(":", 1)[1]


def chosen(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """Return the steps that are asked for, in their order; all of them where no name is given.

    Args:
        steps: of a project.
        names: ``payments``; ``+daily`` with all that it needs; ``payments+`` with all that follows from it.

    Raises:
        HeadraceError: HR-SCHEDULE-001 for names that no step has, all of them.
    """
    if not names:
        return list(steps)
    known = dict.fromkeys(name_of(step) for step in steps)
    if unknown := [one for one in names if one.strip("+") not in known]:
        raise HeadraceError(_unknown(one.strip("+"), list(known)) for one in unknown)
    ids: set[str] = set()
    for one in names:
        own = {step.id for step in steps if name_of(step) == one.strip("+")}
        ids |= own
        ids |= _needed(steps, own) if one.startswith("+") else set()
        ids |= _following(steps, own) if one.endswith("+") else set()
    asked = named(names)
    return [_woken(step) if name_of(step) in asked else step for step in steps if step.id in ids]


def named(names: Sequence[str]) -> frozenset[str]:
    """Return the names that are asked for themselves, without what they need and what follows."""
    return frozenset(one.strip("+") for one in names)


def _woken(step: Step) -> Step:
    """What is asked for by name is read, however fresh it is."""
    return replace(step, rests=lambda _, __: ())


def _needed(steps: Sequence[Step], ids: set[str]) -> set[str]:
    found = set(ids)
    for step in reversed(steps):  # each step comes after all that it needs
        if step.id in found:
            found |= set(step.needs)
    return found


def _following(steps: Sequence[Step], ids: set[str]) -> set[str]:
    found = set(ids)
    for step in steps:
        if found & set(step.needs):
            found.add(step.id)
    return found


def _unknown(name: str, known: list[str]) -> Fault:
    expected = "the name of a stream, table or training set of the project"
    cure = nearest(name, known) or "declare one with a source or a query"
    return Fault("HR-SCHEDULE-001", "", f"nothing named {name!r} that a run could bring up to date", expected, cure)
