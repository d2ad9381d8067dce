"""Past runs, as the journal has them."""

from __future__ import annotations

from headrace.errors import Fault, HeadraceError
from headrace.run.journal import Journal, PastRun
from headrace.run.project import LoadedProject

_AT_ONCE = 1_000_000


def past_runs(loaded: LoadedProject, last: int = 20, *, failed: bool = False) -> list[PastRun]:
    """Return the last runs, newest first; none before the first.

    Args:
        loaded: the project.
        last: how many at most.
        failed: whether only those that did not end well: that failed, or were cut off or interrupted.
    """
    path = loaded.state_dir / "run.db"
    if not path.exists():
        return []
    with Journal(path) as journal:
        found = journal.runs(_AT_ONCE if failed else last)
    return [one for one in found if not failed or one.outcome not in ("done", "running")][:last]


def past_run(loaded: LoadedProject, number: int) -> PastRun:
    """Return one run.

    Raises:
        HeadraceError: HR-SCHEDULE-008 when there is no run of that number.
    """
    path = loaded.state_dir / "run.db"
    if path.exists():
        with Journal(path) as journal:
            if found := journal.runs(1, number=number):
                return found[0]
            newest = journal.runs(1)
        if newest:
            expected = f"a number from 1 to {newest[0].number}"
            raise HeadraceError(Fault("HR-SCHEDULE-008", "", f"no run {number}", expected, "see 'headrace runs'"))
    raise HeadraceError(Fault("HR-SCHEDULE-008", "", f"no run {number}", "a run", "make the first: 'headrace run'"))
