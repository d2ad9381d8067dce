"""Whether the declarations are sound: all faults at once, before anything is done."""

from __future__ import annotations

from headrace.declare import Project, Stream, Table
from headrace.declare.contract import ContractType
from headrace.errors import Fault, HeadraceError


def check(project: Project) -> tuple[Fault, ...]:
    """Return every fault of a project's declarations, errors first."""
    from headrace import plan
    from headrace.contracts import check_rules

    faults = plan.check(project)
    sources: list[Stream | Table] = [*project.streams.values(), *project.tables.values()]
    contracts = [one.contract for one in sources if isinstance(one.contract, ContractType)]
    for contract in dict.fromkeys(contracts):
        faults += check_rules(contract) if not contract.faults else []
    return tuple(sorted(faults, key=lambda fault: fault.severity == "warning"))


def require_sound(project: Project) -> tuple[Fault, ...]:
    """Return the warnings.

    Raises:
        HeadraceError: with all faults, when there are errors.
    """
    faults = check(project)
    errors = [fault for fault in faults if fault.severity != "warning"]
    if errors:
        raise HeadraceError(errors)
    return faults
