"""Rows on their way into a table that a load can be brought into again from its beginning, with the same result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from headrace.connect.loading.withdraw import forget
from headrace.connect.loading.work import Job, Work
from headrace.connect.loads import Load, Past


class Repeatable(Work, ABC):
    """A load that was cut off is gone through anew; that it is finished is told once all of it stands.

    Args:
        job: what loading is about.
        superseded: loads of which nothing counts any more once this is done.
    """

    def __init__(self, job: Job, superseded: Sequence[Past]) -> None:
        super().__init__(job)
        self._superseded = superseded

    def flush(self) -> None:
        """Commit what is validated."""
        self._flush()

    def end(self) -> None:
        """Commit what is left, make the table what it becomes, and tell the ledger."""
        self._flush()
        self._become()
        forget(self.lake, f"quarantine_{self.name}", self._superseded)
        self.job.ledger.withdraw(self._superseded)
        self._settle()

    @abstractmethod
    def _become(self) -> None:
        """Do what can only be done once all rows were taken."""

    def _reach(self, load: Load) -> int:
        return 0

    def _verify(self, ended: list[tuple[Load, int, int, int]]) -> None:
        """All rows were counted on their way, and rows whose place others took are not in the lake any more."""
