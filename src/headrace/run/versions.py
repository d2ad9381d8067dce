"""Versions of models as their readers ask for them: by number or alias, in a list, one in full, two side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.errors import Fault, HeadraceError, nearest
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.learn import Registry, Version

NEWEST = "latest"
"""Word for the newest version, as MLflow has it."""


def require_model(loaded: LoadedProject, registry: Registry, model: str) -> list[Version]:
    """Return the versions of a model that is declared, or was trained once.

    Raises:
        HeadraceError: HR-RUN-005 when there is no such model.
    """
    versions, declared = registry.versions(model), loaded.project.all_models
    if model not in declared and not versions:
        cure = nearest(model, dict.fromkeys((*declared, *(one.name for one in registry.versions()))))
        found, expected = f"no model {model!r}", "a declared or trained one"
        raise HeadraceError(Fault("HR-RUN-005", "", found, expected, cure or "declare one"))
    return versions


def version_named(loaded: LoadedProject, registry: Registry, model: str, word: str) -> Version:
    """Return a version by its number, an alias (``champion``, ``challenger``), or ``latest``.

    Raises:
        HeadraceError: HR-RUN-005 when there is no such model, HR-LEARN-014 no such version.
    """
    versions = require_model(loaded, registry, model)
    if word.isdecimal():
        return registry.version(model, int(word))
    if word == NEWEST and versions:
        return versions[-1]
    found = [one for one in versions if word in one.aliases]
    if not found:
        names = dict.fromkeys((*(alias for one in versions for alias in one.aliases), NEWEST)) if versions else ()
        known = ", ".join((*(str(one.number) for one in versions), *names))
        cure = nearest(word, names) or f"one of {known}" if versions else "headrace train, which registers the first"
        told = f"no version {word!r} of model {model!r}"
        raise HeadraceError(Fault("HR-LEARN-014", "", told, "a registered one", cure))
    return found[0]


@dataclass(frozen=True)
class Shown:
    """A version with what can be said of it here.

    Args:
        version: it.
        files: name of each file to ``intact``, ``altered`` or ``gone``; none where they were not looked at.
        size: bytes of the model file, or None where it is not here.
    """

    version: Version
    files: Mapping[str, str]
    size: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        return {**self.version.as_dict(), "state": dict(self.files), "bytes": self.size}


def shown(registry: Registry, version: Version) -> Shown:
    """Return a version with the state of its files."""
    return Shown(version, registry.states(version), registry.size(version))


@dataclass(frozen=True)
class Compared:
    """Two versions of a model.

    Args:
        before: the one, to which
        after: the other is compared.
        metrics: label, both values, their difference, and whether the second is better; None where nobody knows.
        differs: what they came from and that is not the same: kind, name, and both sides as text.
        apart: why their metrics are not of the same rows; empty where they are.
    """

    before: Version
    after: Version
    metrics: tuple[tuple[str, float | None, float | None, float | None, bool | None], ...]
    differs: tuple[tuple[str, str, str, str], ...]
    apart: str

    def overlap(self, label: str) -> bool:
        """Return whether the intervals of a metric overlap, so that chance may part the two."""
        one, other = (side.record.intervals.get("model", {}).get(label) for _, side in self._sides)
        return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        names = ("metric", "before", "after", "difference", "better")
        spans = {side: dict(one.record.intervals.get("model", {})) for side, one in self._sides}
        return {
            "ok": True,
            "model": self.after.name,
            **{side: one.number for side, one in self._sides},
            "metrics": [dict(zip(names, one, strict=True)) for one in self.metrics],
            "intervals": spans,
            "differs": [dict(zip(("kind", "name", "before", "after"), one, strict=True)) for one in self.differs],
            "other_rows": self.apart,
        }

    @property
    def _sides(self) -> tuple[tuple[str, Version], tuple[str, Version]]:
        return ("before", self.before), ("after", self.after)


def compare(loaded: LoadedProject, model: str, before: str | None = None, after: str | None = None) -> Compared:
    """Return how two versions of a model differ, in what they came from and in what they proved.

    Args:
        loaded: the project.
        model: its name.
        before: number or alias; by default the champion.
        after: number or alias; by default the newest, which is compared with the one before where it is champion.

    Raises:
        HeadraceError: HR-RUN-005 no such model, HR-LEARN-014 no such version, 036 only one version.
    """
    registry = loaded.registry()
    versions = require_model(loaded, registry, model)
    second = version_named(loaded, registry, model, after or NEWEST)
    first = _first(versions, second) if before is None else version_named(loaded, registry, model, before)
    if first is None:
        found = f"version {second.number} of {model} and nothing to compare it with"
        cure = f"headrace models show {model} {second.number}, or name two versions"
        raise HeadraceError(Fault("HR-LEARN-036", "", found, "two versions", cure))
    greater = _directions(loaded, model)
    labels = dict.fromkeys((*first.metrics, *second.metrics))
    metrics = tuple(_metric(label, first, second, greater.get(label)) for label in labels)
    packages = [_packages(registry, one) for one in (first, second)]
    return Compared(first, second, metrics, tuple(_differences(first, second, packages)), _apart(first, second))


def _first(versions: Sequence[Version], second: Version) -> Version | None:
    """The champion; for the champion itself the one that it replaced, or else the version before it."""
    others = [one for one in versions if one.number != second.number]
    champion = next((one for one in others if "champion" in one.aliases), None)
    replaced = [one["replaced"] for one in second.promotions[-1:]]
    before = next((one for one in others if one.number in replaced), None)
    return champion or before or (others[-1] if others else None)


def _directions(loaded: LoadedProject, model: str) -> dict[str, bool]:
    declared = loaded.project.all_models.get(model)
    return {} if declared is None else {one.label: one.greater_is_better for one in declared.metrics}


def _metric(
    label: str, first: Version, second: Version, greater: bool | None
) -> tuple[str, float | None, float | None, float | None, bool | None]:
    one, other = first.metrics.get(label), second.metrics.get(label)
    if one is None or other is None:
        return label, one, other, None, None
    better = None if greater is None or one == other else (other > one) == greater
    return label, one, other, other - one, better


def _apart(first: Version, second: Version) -> str:
    """Why the metrics of two versions are not of the same rows."""
    one, other = first.record.origin, second.record.origin
    if one.training_set != other.training_set:
        return "each was judged on a training set of its own"
    if one.fold.get("test") != other.fold.get("test"):
        return "each was judged on days of its own"
    return ""


def _packages(registry: Registry, version: Version) -> dict[str, str]:
    """Packages by name; all of them where the version keeps their list, else those that decide most."""
    try:
        listed = registry.file(version, "requirements.txt")
    except HeadraceError:
        listed = None
    if listed is None:
        return {str(name): str(one) for name, one in version.record.origin.environment.items()}
    pairs = (line.partition("  #")[0].partition("==") for line in listed.decode().splitlines())
    python = {"python": str(version.record.origin.environment.get("python", ""))}
    return python | {name: one for name, _, one in pairs}


def _differences(
    first: Version, second: Version, packages: Sequence[Mapping[str, str]]
) -> list[tuple[str, str, str, str]]:
    one, other = first.record, second.record
    left, right = one.origin, other.origin
    pairs: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("declaration", {"": left.declaration[:12]}, {"": right.declaration[:12]}),
        ("training set", {"": left.training_set[:12]}, {"": right.training_set[:12]}),
        ("feature", _short(left.features), _short(right.features)),
        ("data", left.data, right.data),
        ("rows", _fold(left.fold), _fold(right.fold)),
        ("candidate", {"": one.choice.get("name")}, {"": other.choice.get("name")}),
        ("parameter", one.choice.get("params", {}), other.choice.get("params", {})),
        ("threshold", {"": one.threshold}, {"": other.threshold}),
        ("code", _code(first), _code(second)),
        ("package", packages[0], packages[1]),
    ]
    return [
        (kind, str(name), _text(before.get(name)), _text(after.get(name)))
        for kind, before, after in pairs
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def _short(features: Mapping[str, str]) -> dict[str, str]:
    return {name: fingerprint[:12] for name, fingerprint in features.items()}


def _fold(fold: Mapping[str, Any]) -> dict[str, Any]:
    spans = {part: " to ".join(str(day)[:16] for day in fold[part]) for part in ("train", "test") if part in fold}
    return spans | {name: fold[name] for name in ("train_rows", "test_rows") if name in fold}


def _code(version: Version) -> dict[str, str]:
    files, commit = version.record.files, version.record.origin.commit
    kept = {name: files[name][:12] for name in ("code.diff", "code.zip") if name in files}
    return {"commit": f"{commit[:12]}{'+' * commit.endswith('+')}" if commit else "", **kept}


def _text(value: object) -> str:
    return "" if value is None else str(value)
