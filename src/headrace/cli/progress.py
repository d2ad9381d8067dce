"""Progress bars of a run, on stderr; where that is no terminal, one plain line for each step."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headrace.cli.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from headrace.run import StepReport


class Bars:
    """Shows the steps of a run as they go; a context manager that leaves the terminal as it was."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._step = ""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            step = TextColumn("{task.description:<44}", markup=False)
            columns = (step, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=console(sys.stderr), transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begins(self, step: str, why: tuple[str, ...]) -> None:
        """Show that a step begins."""
        self._step = step
        if self._bars is None:
            print(f"{step}: {', '.join(why)}" if why else step, file=sys.stderr)
            return
        self.settle("")
        self._task = self._bars.add_task(step, total=None)

    def moves(self, what: str, done: int, total: int) -> None:
        """Show how far the step is."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, description=f"{self._step}  {what}"[:44], completed=done, total=total or None)

    def ends(self, report: StepReport) -> None:
        """Leave one line of what became of the step."""
        told = f"{report.id:<44} {report.action} in {report.seconds:.1f} s"
        self.settle("" if report.action == "kept" else told)

    def settle(self, line: str) -> None:
        """Take the bar away and leave a line, where there is one."""
        if self._bars is None:
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        if line:
            self._bars.console.print(line)
