"""How fine exact totals of floats are: it follows from the bounds of the contract, and is stated."""

from __future__ import annotations

from headrace.declare import Features, Project, Stream
from headrace.kernel.aggregate import EXPONENT
from headrace.kernel.aggregates import catalogue
from headrace.plan.compile import compile_features
from headrace.plan.meaning import Aggregation


def resolutions(project: Project) -> dict[str, int]:
    """Return for each feature that totals floats the exponent k: each value is rounded once, to a multiple of 2**k.

    Ints and decimals are totalled as they are, and are not listed.

    Args:
        project: without faults.

    Example:
        >>> from headrace.declare import Contract, Entity, event_time, field, sum
        >>> from headrace.types import Timestamp
        >>> class Reading(Contract):
        ...     at: Timestamp = event_time()
        ...     sensor: int
        ...     value: float = field(ge=0, le=1000)
        >>> readings = Stream("readings", Reading)
        >>> heat = Features("heat", readings, by=Entity("sensor"), features={"day": sum("value", "1d")})
        >>> resolutions(Project("plant", features=[heat]))
        {'heat.day': -52}
    """
    groups = [one for one in project.nodes().values() if isinstance(one, Features) and one.by is not None]
    plans = [compile_features([one], one.source) for one in groups if isinstance(one.source, Stream)]
    found = [one for plan in plans for window in plan.windows for one in window.aggregations if _totals_floats(one)]
    return {name: int(one.work.setting[EXPONENT]) for one in found for name in one.outputs}


def _totals_floats(one: Aggregation) -> bool:
    return (
        one.value is not None and one.value.domain.type.name == "float" and catalogue()[one.aggregate].bits is not None
    )
