"""``promote``: makes a version of a model the champion because somebody says so, who is on record with the reason."""

from __future__ import annotations

import contextlib
import getpass
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError
from headrace.run.champions import champion_warnings, registry
from headrace.run.project import LoadedProject
from headrace.run.sheets import html_of
from headrace.run.versions import require_model

if TYPE_CHECKING:
    from headrace.learn import Version
    from headrace.serve.shadow import Saw


@dataclass(frozen=True)
class Promoted:
    """A version that is the champion now.

    Args:
        version: it, with who promoted it, when and why.
        replaced: number of the champion before it; None where there was none, or it was the champion already.
        changed: whether it was not the champion before.
        warnings: what is to be known, such as a declaration that is another one now.
        saw: what it would have decided while it was a shadow, by service.
    """

    version: Version
    replaced: int | None
    changed: bool
    warnings: tuple[Fault, ...] = ()
    saw: tuple[Saw, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the promotion as plain values for ``--json``."""
        last = self.version.promotions[-1] if self.changed else None
        return {
            "ok": True,
            "model": self.version.name,
            "version": self.version.number,
            "changed": self.changed,
            "replaced": self.replaced,
            "promotion": None if last is None else dict(last),
            "shadow": [asdict(one) for one in self.saw],
            "faults": [fault.as_dict() for fault in self.warnings],
        }

    def __repr__(self) -> str:
        if not self.changed:
            return f"{self.version.name}: version {self.version.number} is the champion already"
        instead = "" if self.replaced is None else f", instead of version {self.replaced}"
        return f"{self.version.name}: version {self.version.number} is the champion now{instead}"

    def _repr_html_(self) -> str:
        model, _, told = repr(self).partition(": ")
        return html_of(Sheet(model, told, (), ()), faults=self.warnings)


def promote(loaded: LoadedProject, model: str, version: int, reason: str | None = None) -> Promoted:
    """Make a version of a model its champion; running services take it up.

    Args:
        loaded: the project.
        model: its name; also of one that is no longer declared.
        version: number of the version.
        reason: why; must be given for a version that failed a gate, and is kept with the version.

    Raises:
        HeadraceError: HR-RUN-005 when there is no such model, neither declared nor trained; HR-LEARN-014 when there is
            no such version, 011 when its file is missing or was altered.
        CheckFailed: HR-LEARN-015 when it failed a gate and no reason is given.
    """
    kept, declared = registry(loaded), loaded.project.all_models
    require_model(loaded, kept, model)
    before = kept.champion(model)
    promoted = kept.promote(model, version, reason, who())
    changed = before is None or before.number != version
    replaced = before.number if changed and before is not None else None
    named = [declared[model]] if model in declared else []
    return Promoted(promoted, replaced, changed, champion_warnings(loaded, named), _saw(loaded, promoted))


def _saw(loaded: LoadedProject, version: Version) -> tuple[Saw, ...]:
    """What it would have decided as a shadow; a lake that cannot be read keeps nobody from promoting."""
    from headrace.serve.shadow import saw

    with contextlib.suppress(HeadraceError):
        return saw(loaded, version)
    return ()


def who() -> str:
    """Return the name of the user who runs this process, or the number where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
