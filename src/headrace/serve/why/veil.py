"""What of a decision may be shown: values of columns that tell of a person are masked unless they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.declare import Contract, Project
from headrace.plan.lineage import tags_of_field
from headrace.plan.tracing import lineage

HARMLESS = frozenset(("public", "anonymous", "internal"))
"""Tags of which the values of single rows may be shown to whoever reads an explanation; a subject's are never."""


@dataclass(frozen=True)
class Veil:
    """Masks values by the tags of what they are of.

    Args:
        features: tags that hide each feature, by its name; those that it carries over from columns among them.
        reveal: whether all is shown.
    """

    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reveal: bool = False

    def feature(self, name: str, value: Any) -> Any:
        """Return the value of a feature, or in its place that it is masked."""
        return self._masked(self.features.get(name, ()), value)

    def columns(self, contract: type[Contract] | None, names: Iterable[str], value: Any) -> Any:
        """Return a value that is made of columns of a source, or in its place that it is masked."""
        if contract is None:
            return value
        return self._masked(sorted({tag for name in names for tag in hiding(contract, name)}), value)

    def hides(self, name: str, contract: type[Contract]) -> bool:
        """Whether a field of the request, or a feature, is masked."""
        tags = hiding(contract, name) if name in contract.columns() else self.features.get(name, ())
        return bool(tags) and not self.reveal

    def row(self, contract: type[Contract], given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request with what is masked in it; what is within an object is masked with the whole of it."""
        known = contract.fields()
        return {name: self.columns(contract, [name], one) if name in known else one for name, one in given.items()}

    def _masked(self, tags: Iterable[str], value: Any) -> Any:
        return value if self.reveal or value is None or not (said := ", ".join(tags)) else f"masked ({said})"


def veil_of(project: Project, reveal: bool) -> Veil:
    """Return what masks the values of a project's rows and features."""
    if reveal:
        return Veil(reveal=True)
    nodes = (node for node in lineage(project).nodes.values() if node.kind == "feature")
    tagged = {node.name: tuple(tag for tag in node.privacy if tag not in HARMLESS) for node in nodes}
    return Veil({name: tags for name, tags in tagged.items() if tags})


def hiding(contract: type[Contract], path: str) -> tuple[str, ...]:
    """Return the tags that hide a column, or what is within one; of a person's own name ``subject``."""
    fields, steps = contract.columns(), path.split(".")
    upwards = [fields[one] for at in range(len(steps)) if (one := ".".join(steps[: at + 1])) in fields]
    tags = {tag for one in upwards for tag in tags_of_field(one) if tag not in HARMLESS}
    return tuple(sorted(tags or ({"subject"} if any(one.subject for one in upwards) else set())))
