"""What a table by query was like each time that it was made: whether it keeps its contract's rules, and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.declare import Table
from headrace.declare.rules import WARN
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.contracts import Tally
    from headrace.contracts.quality import Figures, History
    from headrace.lake import Lake


class Judged:
    """The verdict on one answer of a query; what its rows are held against is in ``run.answers``.

    Args:
        table: that the query makes.
        lake: with its history.
    """

    def __init__(self, table: Table, lake: Lake) -> None:
        self._table, self._lake = table, lake
        self._figures: Figures | None = None
        self._warned: dict[str, int] = {}

    def history(self) -> History | None:
        """Return what the table was like the last times."""
        from headrace.connect.quality import history

        contract = self._table.contract
        return None if contract is None else history(self._lake, self._table.name, contract)

    def ends(self, counted: Tally) -> None:
        """Learn what all rows were like, before they are committed.

        Raises:
            HeadraceError: HR-QUALITY-020 when they break a rule that stops their load.
        """
        figures = counted.figures
        self._figures, self._warned = figures, dict(counted.warned.most_common())
        stopping = [f"{one.rule}: {one.text}" for one in figures.stopping() if not one.failed]
        if stopping:
            found = f"{counted.rows:,} rows for {self._table.name} that break what stops them: {'; '.join(stopping)}"
            cure = "look at what the query reads; nothing was written, the earlier version stays"
            self.refuses(counted)
            raise HeadraceError(Fault("HR-QUALITY-020", self._table.place, found, "rows that keep these rules", cure))

    def refuses(self, counted: Tally) -> None:
        """Keep the figures of rows that are not committed, under the version that they would have become."""
        from headrace.connect.quality import REFUSED, keep_figures

        name = self._table.name
        after = self._lake.version(name) + 1 if self._lake.exists(name) else 0
        keep_figures(self._lake, name, f"{REFUSED}:version {after}", counted.figures)

    def told(self, version: int) -> list[Fault]:
        """Keep the figures of what was committed as a version, and return what is to be told of it."""
        from headrace.connect.loading.outcome import stale
        from headrace.connect.quality import freshness, keep_figures, keep_verdicts

        table, contract = self._table, self._table.contract
        if contract is None:
            return []
        faults = []
        if self._figures is not None:
            keep_figures(self._lake, table.name, f"version {version}", self._figures)
            faults = [
                self._warning(f"{rows:,} rows of {table.name} break {rule}") for rule, rows in self._warned.items()
            ]
            unlike = [one for one in self._figures.verdicts() if not one.ok and one.severity == WARN and not one.failed]
            faults += [self._warning(f"{table.name} breaks {one.rule}: {one.text}", "HR-QUALITY-022") for one in unlike]
        verdicts = freshness(table, self._lake)
        keep_verdicts(self._lake, table.name, verdicts)
        return faults + [stale(table, contract, one) for one in verdicts if not one.ok]

    def _warning(self, found: str, code: str = "HR-QUALITY-021") -> Fault:
        cure = "look at what the query reads; where it is right, widen the rule"
        return Fault(code, self._table.place, found, "what the contract promises", cure, "warning")
