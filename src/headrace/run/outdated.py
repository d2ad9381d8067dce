"""What is no longer what a run would make of it: what changed beneath it, or who else wrote to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from headrace.run.journal import Done, Journal
from headrace.run.reasons import FOREIGN, GONE, reasons
from headrace.run.steps import Inputs, Step, settled

_MADE = ("query:", "training_set:")


def outdated(step: Step, done: Done, inputs: Inputs) -> tuple[str, ...]:
    """Return why a step is to be done again; nothing where what came of it is what it would come to now.

    Args:
        step: that was done before.
        done: how it was.
        inputs: that it has now.
    """
    why = reasons(done.inputs, settled(done.inputs, inputs, step.same))
    if why or (step.stands(done.figures) and step.ours(done.figures)):
        return why
    return FOREIGN if step.stands(done.figures) else GONE


def left_behind(steps: Iterable[Step], journal: Journal | None) -> dict[str, tuple[str, ...]]:
    """Return the tables by query and sets, as nodes, that do not have the rows of what is in the lake, and why.

    So it is after a run of a part, after one in which they failed, or when somebody else wrote to them. What comes of
    another declaration is not told here.
    """
    found = dict[str, tuple[str, ...]]()
    for step in steps:
        done = None if journal is None or not step.id.startswith(_MADE) else journal.step(step.id)
        if done is None or step.rests(done.inputs, done.at):
            continue
        inputs = step.inputs()
        same = all(done.inputs.get(key) == one for key, one in inputs.items() if key.startswith("declaration "))
        why = outdated(step, replace(done, inputs=_rows(done.inputs)), _rows(inputs)) if same else ()
        if why:
            found[step.id.replace("query:", "table:")] = why
    return found


def _rows(inputs: Mapping[str, str]) -> Inputs:
    return {key: value for key, value in inputs.items() if key.startswith("rows ")}
