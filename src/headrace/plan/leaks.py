"""Leaks that can be seen before any row is read: features that would know the label."""

from __future__ import annotations

from headrace.errors import Fault
from headrace.plan.expression import references
from headrace.plan.meaning import LabelPlan, Plan
from headrace.types import duration_text


def leaks(plan: Plan, label: LabelPlan, place: str) -> list[Fault]:
    """Return a fault for each feature that reads the label's own columns before the label has matured.

    A label that comes from another stream cannot leak this way: its events are seen only once they are known. But
    where the truth stands in the spine's own rows, history shows it at once, long before anyone knew it.
    """
    source = label.label.source
    if plan.spine is None or source.name != plan.spine.name:
        return []
    secret = {f"{source.name}.{column}" for column in references(label.value)} - {
        f"{source.name}.{key}" for key in label.label.on
    }
    faults = []
    safe = _delayed(plan, label)
    for output in plan.outputs:
        seen = secret & set(output.lineage)
        if not seen or output.name in safe:
            continue
        found = f"{output.name} reads {', '.join(sorted(seen))}, from which the label is made"
        wait = duration_text(label.label.matures_us)
        expected = f"only what is known {wait} after the event, when the label has matured"
        faults.append(Fault("HR-LEAK-001", output.place or place, found, expected, f"add delay='{wait}' or drop it"))
    return faults


def _delayed(plan: Plan, label: LabelPlan) -> set[str]:
    """Features whose windows end before the label could have been known; and features derived only from such."""
    safe: set[str] = set()
    for group in plan.windows:
        for one in group.aggregations:
            if all(span.delay >= label.label.matures_us for span in one.spans):
                safe.update(one.outputs)
    called = {one.name for one in plan.outputs}
    secret = set(references(label.value)) - set(label.label.on)
    for derived in plan.derived:
        names = references(derived.node)
        features = [name for name in names if name in called]
        if not secret & set(names) and features and all(name in safe for name in features):
            safe.add(derived.name)
    return safe
