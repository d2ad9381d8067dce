"""``headrace models shadow``: lets a version be scored beside the champion, and takes it away; who did it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.declare.sheet import Sheet
from headrace.run.champions import registry
from headrace.run.project import LoadedProject
from headrace.run.promotion import who
from headrace.run.sheets import html_of
from headrace.run.versions import require_model, version_named

if TYPE_CHECKING:
    from headrace.learn import Version


@dataclass(frozen=True)
class ShadowSet:
    """A version that is the shadow of its model's champion now, or is none any more.

    Args:
        model: its name.
        version: it; None where there was none to take away.
        on: whether it is the shadow now.
        services: that decide by the model, by name, each with the model that it declares as its shadow; else empty.
    """

    model: str
    version: Version | None
    on: bool
    services: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        number = None if self.version is None else self.version.number
        last = None if self.version is None else dict(self.version.shadows[-1])
        told = {"ok": True, "model": self.model, "version": number, "on": self.on, "change": last}
        return told | {"services": self.services}

    def __repr__(self) -> str:
        if self.version is None:
            return f"{self.model}: no version was set as a shadow"
        does = "is the shadow now" if self.on else "is the shadow no more"
        named = [f"{name} (in place of {other})" if other else name for name, other in self.services.items()]
        if not self.on:
            named = [f"{name} ({other} is again)" if other else name for name, other in self.services.items()]
        return f"{self.model}: version {self.version.number} {does}{' of ' * bool(named)}{', '.join(named)}"

    def _repr_html_(self) -> str:
        model, _, told = repr(self).partition(": ")
        return html_of(Sheet(model, told, (), ()))


def set_shadow(loaded: LoadedProject, model: str, version: str, reason: str | None = None) -> ShadowSet:
    """Let a version be scored beside the champion, after each answer; running services take it up by themselves.

    Args:
        loaded: the project.
        model: its name.
        version: number, or an alias such as ``challenger``.
        reason: why; kept with the version.

    Raises:
        HeadraceError: HR-RUN-005 when there is no such model; HR-LEARN-014 no such version, 011 when its file is
            missing or was altered; HR-SHADOW-001 for the champion, and for a version of several scores.
    """
    kept = registry(loaded)
    number = version_named(loaded, kept, model, version).number
    return ShadowSet(model, kept.set_shadow(model, number, reason, who()), True, _services(loaded, model))


def end_shadow(loaded: LoadedProject, model: str, reason: str | None = None) -> ShadowSet:
    """Score no version of a model beside its champion any more; a shadow that is declared is one again.

    Raises:
        HeadraceError: HR-RUN-005 when there is no such model.
    """
    kept = registry(loaded)
    require_model(loaded, kept, model)
    return ShadowSet(model, kept.end_shadow(model, reason, who()), False, _services(loaded, model))


def _services(loaded: LoadedProject, model: str) -> dict[str, str]:
    mine = (one for one in loaded.project.all_services.values() if one.model.name == model)
    return {one.name: "" if one.shadow is None else str(one.shadow.name) for one in mine}
