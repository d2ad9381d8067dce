"""Before a service starts, tables are what its contracts say: live events go into them, and state comes from them."""

from __future__ import annotations

from headrace.connect.evolve import Reads, evolution, settle
from headrace.declare import Project, Table, sources_of
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan import snapshot
from headrace.plan.consumers import consumers


def settle_sources(project: Project, lake: Lake) -> None:
    """Bring the tables of all sources to what their contracts say; live events of before must have been drained.

    Args:
        project: whose services are to start.
        lake: of it.

    Raises:
        HeadraceError: HR-EVOLVE-001 for contracts that changed in a way that tables cannot follow, HR-DATA-108 where
            rows break one; all of them at once.
    """
    faults = list[Fault]()
    for source in sources_of(project):
        by_query = isinstance(source, Table) and source.query is not None
        if by_query or source.contract is None or not lake.exists(source.name) or evolution(source, lake).settled:
            continue
        try:
            with lake.lock(source.name):
                settle(source, lake, reads=_reads(project, source.name))
        except HeadraceError as error:
            faults += error.faults
    if faults:
        raise HeadraceError(faults)


def _reads(project: Project, source: str) -> Reads:
    return lambda column: consumers(snapshot(project), source, column)
