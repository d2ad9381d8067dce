"""What serving needs of a loaded project, whoever loaded it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from headrace.declare import Project
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
