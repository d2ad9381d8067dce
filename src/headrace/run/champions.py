"""Who serves: the registry of a project's models, and whether its champions are of what is declared now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headrace.declare import Model
from headrace.errors import Fault
from headrace.run.checks import check
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.learn import Registry


def registry(loaded: LoadedProject) -> Registry:
    """Return the registry of a project's models."""
    from headrace.learn import Registry

    return Registry(loaded.state_dir / "models")


def champion_warnings(loaded: LoadedProject, models: Iterable[Model]) -> tuple[Fault, ...]:
    """Return a warning for each model whose champion was trained from another declaration than today's.

    Declarations with faults mean nothing that a champion could be compared with: ``check`` tells of them.
    """
    if not (loaded.state_dir / "models").exists() or any(fault.severity == "error" for fault in check(loaded.project)):
        return ()
    from headrace.learn.champion import champions_of_another_declaration

    return champions_of_another_declaration(models, registry(loaded))
