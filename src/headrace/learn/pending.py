"""Versions on their way into the registry: written down before MLflow is told, so that nothing fitted is ever lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.learn.stored import write
from headrace.learn.version import Record


@dataclass(frozen=True)
class Waiting:
    """A version that MLflow has not been told of, or not to the end.

    Args:
        record: of it; its files are in the registry's folder.
        standing: what it is to become, see ``Version.standing``; empty where whoever trained it says so later.
    """

    record: Record
    standing: str


class Pending:
    """Versions that wait, each in a file of its own.

    Args:
        folder: of them; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, record: Record) -> Path:
        return self.folder / f"{record.identity}.json"

    def keep(self, record: Record, standing: str) -> None:
        """Write a version down.

        Raises:
            HeadraceError: HR-LEARN-020 when it cannot be written.
        """
        told = json.dumps({"record": record.to_json(), "standing": standing})
        try:
            write(self._path(record), told.encode())
        except OSError as error:
            found = f"a record that cannot be written ({error.strerror})"
            cure = "make room on the disk and run again: nothing was registered"
            raise HeadraceError(Fault("HR-LEARN-020", "", found, "a folder with room", cure)) from error

    def drop(self, record: Record) -> None:
        """Forget a version that is registered."""
        self._path(record).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Waiting]:
        """Yield what waits, the longest first.

        Raises:
            HeadraceError: HR-LEARN-019 for what was altered on disk.
        """
        for path in sorted(self.folder.glob("*.json"), key=lambda one: (one.stat().st_mtime_ns, one.name)):
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                waiting = Waiting(Record.from_json(told["record"]), told["standing"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                found = f"{path.name}, of a version that waits for being registered, which cannot be read"
                cure = f"remove {self.folder.name}/{path.name} from the folder of models; a training fits it again"
                raise HeadraceError(Fault("HR-LEARN-019", "", found, "its record", cure)) from error
            yield waiting
