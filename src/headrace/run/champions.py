"""Who serves: the registry of a project's models, and whether its champions are of what is declared now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.declare import Model
from headrace.errors import Fault, HeadraceError
from headrace.run.checks import check
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.learn import Registry

_OUT_OF_REACH = ("HR-LEARN-019", "HR-LEARN-030")


def registry(loaded: LoadedProject) -> Registry:
    """Return the registry of a project's models."""
    return loaded.registry()


def champion_warnings(loaded: LoadedProject, models: Iterable[Model]) -> tuple[Fault, ...]:
    """Return a warning for each model whose champion is of another declaration than today's, or is damaged.

    Declarations with faults mean nothing that a champion could be compared with: ``check`` tells of them. A registry
    that cannot be asked is a warning, too: nothing else of a plan or of a status hangs on it.
    """
    if not has_models(loaded) or any(fault.severity == "error" for fault in check(loaded.project)):
        return ()
    from headrace.learn.champion import champions_of_another_declaration, damaged_champions

    missed, asked = list[Fault](), list(models)
    with without_registry(missed):
        kept = registry(loaded)
        return (*champions_of_another_declaration(asked, kept), *damaged_champions(asked, kept))
    return tuple(replace(fault, severity="warning") for fault in missed)


@contextmanager
def without_registry(missed: list[Fault] | None = None) -> Iterator[None]:
    """Go on behind a ``with`` block that cannot reach the server of models, or their database.

    Args:
        missed: gets the faults that say so.
    """
    try:
        yield
    except HeadraceError as error:
        if any(fault.code not in _OUT_OF_REACH for fault in error.faults):
            raise
        if missed is not None:
            missed += error.faults


def has_models(loaded: LoadedProject) -> bool:
    """Return whether there may be versions of models: nobody has to look for them before the first training."""
    return bool(loaded.settings.tracking) or (loaded.state_dir / "models").exists()
