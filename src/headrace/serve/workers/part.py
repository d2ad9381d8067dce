"""Parts: what one process does of a service; alone it does everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.lake.lock import exclusive
from headrace.plan.meaning import Plan
from headrace.serve.drain import spool_of
from headrace.serve.metrics import Board
from headrace.serve.rebuilding import Rebuilding
from headrace.serve.workers.given import Given

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Part:
    """The part of one process.

    Args:
        shared: whether there are others.
        keeps: whether it is the one that writes events and state, moves records and compares them with history.
        seat: number of its journal and of its figures; no two processes have the same at a time.
        beside: name of the state that others serve from; empty where none do.
        doubt: whether that is read as a whole before it is used.
    """

    shared: bool = False
    keeps: bool = True
    seat: int = 0
    beside: str = ""
    doubt: bool = False

    @property
    def journal(self) -> str:
        """Name of the folder of its records, below that of the spool."""
        return f"records-{self.seat}"

    def board(self, state_dir: Path) -> Board | None:
        """Return where its figures are posted."""
        return Board(workers_of(state_dir) / "figures", self.seat) if self.shared else None

    @contextlib.contextmanager
    def alone(self, state_dir: Path) -> Iterator[None]:
        """Hold what no other process may hold at the same time: the service, or a seat of it.

        Raises:
            HeadraceError: HR-SERVE-011 where another one holds it.
        """
        path = seated(spool_of(state_dir) / self.journal) if self.shared else state_dir / "serving.lock"
        held = exclusive(path, wait_s=_PATIENCE_S if self.shared else 0)
        try:
            held.__enter__()
        except HeadraceError as error:
            raise (in_use() if error.faults[0].code == "HR-LAKE-009" else error) from None
        try:
            yield
        finally:
            held.__exit__(None, None, None)

    def rebuilding(self, plans: Sequence[Plan], lake: Lake, folder: Path) -> Rebuilding:
        """Return what gives a process the state of the keys that some plans need."""
        if not self.shared:
            return Rebuilding(plans, lake, folder)
        return Given(plans, lake, folder, self.keeps, self.beside, self.doubt)


def workers_of(state_dir: Path) -> Path:
    """Return the folder of what several processes share besides state and records; it lasts as long as they do."""
    return state_dir / "workers"


def seated(journal: Path) -> Path:
    """Return the file that a process locks as long as it writes a journal."""
    return journal / "in-use.lock"


def in_use() -> HeadraceError:
    """Return the error of a service that runs already."""
    found = "a service of this project that runs already"
    return HeadraceError(Fault("HR-SERVE-011", "", found, "one at a time", "stop it first"))
