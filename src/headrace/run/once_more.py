"""A version that was written to a folder, trained once more: the same code, cases and packages give the same file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import Fault, HeadraceError
from headrace.run.project import load_project
from headrace.run.restored import CODE, RECORD, SET

if TYPE_CHECKING:
    from headrace.learn import TrainReport


@dataclass(frozen=True)
class OnceMore:
    """What came out of training a version once more.

    Args:
        report: of the training.
        digest: of the version's model file.
    """

    report: TrainReport
    digest: str

    @property
    def same(self) -> bool:
        """Whether the same file came out."""
        return self.report.version.digest == self.digest

    def __repr__(self) -> str:
        told = "The same file came out" if self.same else "Another file came out"
        return f"{self.report!r}\n\n{told}: {self.report.version.digest}"


def train_once_more(folder: Path) -> OnceMore:
    """Train the version in a folder again.

    Args:
        folder: that ``headrace models restore NAME N --to FOLDER`` wrote.

    Raises:
        HeadraceError: HR-LEARN-034 when something is missing there; what goes wrong in training.
    """
    from headrace.learn import Record, Registry, train
    from headrace.learn.thresholds import thresholds
    from headrace.learn.trainingset import open_set

    record = Record.from_json((folder / RECORD).read_text(encoding="utf-8")) if (folder / RECORD).exists() else None
    needed = (RECORD, "" if record is None else record.file, f"{CODE}/headrace.toml", f"{SET}/manifest.json")
    missing = [name for name in needed if not (folder / name).exists()]
    if missing or record is None:
        found = f"{folder.name} without {', '.join(missing)}"
        cure = "without it the version cannot be trained again; 'headrace models restore' said what could not be had"
        raise HeadraceError(Fault("HR-LEARN-034", "", found, "all of a version", cure))
    loaded, registry = load_project(folder / CODE), Registry(folder / "again")
    model = loaded.project.all_models[record.model]
    # as champion, so that what a search found for it is where this training begins
    registry.register(record, (folder / record.file).read_bytes(), standing="champion")
    decided = thresholds(loaded.project, model)
    with loaded.importing():
        return OnceMore(train(model, open_set(folder / SET), registry, service_thresholds=decided), record.digest)
