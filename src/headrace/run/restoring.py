"""``restore``: a stream or table as it was, by name, within a project: what follows from it is made again by a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.declare import Table, sources_of
from headrace.declare.kept import RUN_LOG
from headrace.errors import Fault, HeadraceError
from headrace.run.attaching import refreshed
from headrace.run.lock import one_at_a_time
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.connect import Restored


def restore(
    loaded: LoadedProject, table: str, *, version: int | None = None, at: int | None = None, reload: bool = False
) -> Restored:
    """Make the rows of an older version of a stream or table the newest ones, with its quarantine and its ledger.

    Args:
        loaded: the project.
        table: a stream or table of files or live events; also one that is no longer declared.
        version: to restore, or
        at: the moment (UTC microseconds) as of which.
        reload: whether the next run loads the files whose rows are taken out again.

    Raises:
        HeadraceError: HR-LAKE-001 unknown table, 007 no such version, 012 a version in the middle of a load, 014 a
            table that follows from others, or is a record; HR-RUN-001 when a run is going on.
    """
    from headrace.connect import restore as restore_table
    from headrace.serve.drain import drain

    lake = loaded.lake()
    with one_at_a_time(loaded.state_dir):
        lake.version(table)
        _refuse(loaded, table)
        if (loaded.state_dir / "spool").exists():
            drain(loaded)
        found = restore_table(lake, table, version=version, at=at, reload=reload)
        refreshed(loaded)
    return found


def _refuse(loaded: LoadedProject, name: str) -> None:
    """Refuse tables that would no longer be what they are said to be."""
    from headrace.plan.queries import reads_of

    declared = {one.name: one for one in sources_of(loaded.project)}
    one, (kind, _, of) = declared.get(name), name.partition("_")
    if isinstance(one, Table) and one.query is None and one.mode != "append":
        what, cure = "what its source says", "mend the source, then 'headrace run'; older versions can be read as of"
    elif isinstance(one, Table) and one.query is not None:
        what, cure = "made by a query", f"restore what it reads ({', '.join(reads_of(one))}), then 'headrace run'"
    elif one is None and kind in ("quarantine", "loads") and loaded.lake().exists(of):
        what, cure = f"kept beside {of}", f"restore {of}: it goes with it"
    elif name == RUN_LOG:
        what, cure = "the record of what ran", "leave it as it is; read older versions as of"
    elif one is None and kind == "decisions":
        what, cure = "the record of what was decided", "leave it as it is; read older versions as of"
    else:
        return
    expected = "a stream or table of files or live events"
    raise HeadraceError(Fault("HR-LAKE-014", "", f"{name}, which is {what}", expected, cure))
