"""Whether the version that serves was trained from what is declared now, and what to do where it was not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.declare import Model
from headrace.errors import Fault
from headrace.learn.registry import Registry
from headrace.learn.version import Version
from headrace.plan import model_fingerprint

_SHOWN = 5


def of_another_declaration(model: Model, registry: Registry) -> Fault | None:
    """Return a warning when a model's champion was trained from another declaration than this one, else None.

    The warning says which version that is, which one was trained from this declaration, and how to make that serve.

    Args:
        model: as declared now, without faults.
        registry: of its versions.
    """
    champion = registry.champion(model.name)
    if champion is None or champion.record.origin.declaration == model_fingerprint(model):
        return None
    found = f"version {champion.number} as champion of {model.name}, trained from another declaration"
    found += f"; {_known(version_of(model, registry))}"
    expected = "a champion that was trained from what is declared now"
    return Fault("HR-LEARN-022", model.place, found, expected, _cure(model, champion, registry), "warning")


def champions_of_another_declaration(models: Iterable[Model], registry: Registry) -> tuple[Fault, ...]:
    """Return the warnings of ``of_another_declaration`` for some models."""
    found = (of_another_declaration(model, registry) for model in models)
    return tuple(fault for fault in found if fault is not None)


def damaged_champions(models: Iterable[Model], registry: Registry) -> tuple[Fault, ...]:
    """Return a warning for each model whose champion's file is gone, or is not what was registered."""
    champions = (registry.champion(model.name) for model in models)
    return tuple(
        Fault(
            "HR-LEARN-011",
            "",
            f"version {one.number} of {one.name}, which serves and whose file is gone or was altered",
            f"SHA-256 {one.digest[:12]}…, as registered",
            f"headrace train {one.name}, restore the file from a copy, or promote another version",
            "warning",
        )
        for one in champions
        if one is not None and not registry.loadable(one)
    )


def version_of(model: Model, registry: Registry) -> Version | None:
    """Return the newest version that was trained from a declaration, one that passed its gates before all others."""
    declared = model_fingerprint(model)
    mine = [one for one in registry.versions(model.name) if one.record.origin.declaration == declared]
    return max(mine, key=lambda one: (one.passed, one.number), default=None)


def other_features(
    model: Model, version: Version, names: tuple[str, ...], declared: Mapping[str, str], registry: Registry
) -> Fault | None:
    """Return why a version must not score the features as they are declared now, else None.

    Args:
        model: as declared now.
        version: of it.
        names: the features that the version's file knows.
        declared: fingerprint of each declared feature, see ``plan.feature_fingerprints``.
        registry: of its versions.
    """
    learned = version.record.origin.features
    gone = [name for name in names if name not in declared]
    other = [name for name in names if name in declared and learned.get(name) != declared[name]]
    if not gone and not other:
        return None
    parts = [f"no longer declared: {_listed(gone)}"] if gone else []
    parts += [f"declared otherwise: {_listed(other)}"] if other else []
    found = f"version {version.number} of {model.name}, trained on features that are {'; '.join(parts)}"
    expected = "a model of the features that are declared"
    return Fault("HR-SERVE-003", model.place, found, expected, _cure(model, version, registry))


def _known(version: Version | None) -> str:
    if version is None:
        return "no version was trained from this one"
    return f"version {version.number} was trained from this one" + ("" if version.passed else " and failed its gates")


def _cure(model: Model, other: Version, registry: Registry) -> str:
    """What makes a model of the present declaration serve, by promotion or training; or the other one its own."""
    version, back = version_of(model, registry), f"or declare again what version {other.number} was trained from"
    if version is not None and version.passed:
        return f"headrace models promote {model.name} {version.number}; {back}"
    if version is not None:
        return f'mend the model, or headrace models promote {model.name} {version.number} --reason "…"; {back}'
    return f"headrace run && headrace train, then headrace models promote if it does not become champion; {back}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
