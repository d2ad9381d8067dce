"""What serving needs of a loaded project, whoever loaded it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from headrace.declare import Project, Service
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.learn import Registry


class Loaded(Protocol):
    """A project and the folder of its state; ``headrace.run.LoadedProject`` is one."""

    @property
    def project(self) -> Project: ...

    @property
    def state_dir(self) -> Path: ...

    @property
    def key_file(self) -> Path | None: ...

    def lake(self) -> Lake: ...

    def registry(self) -> Registry: ...

    def command(self, *words: str) -> list[str]: ...


def services_of(loaded: Loaded) -> dict[str, Service]:
    """Return the services of a project by name, of which there is at least one.

    Raises:
        HeadraceError: HR-SERVE-001 for a project without services.
    """
    if services := loaded.project.all_services:
        return services
    raise HeadraceError(Fault("HR-SERVE-001", "", "a project without services", "an hr.Service", "declare one"))
