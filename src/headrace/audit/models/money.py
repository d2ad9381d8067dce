"""What mistakes cost, where that is declared: by the threshold, or by a metric of expected cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.audit.models.blocks import Floats
from headrace.audit.models.tested import Tested
from headrace.declare import LowestCost
from headrace.errors import HeadraceError
from headrace.learn.metrics import costs


@dataclass(frozen=True)
class Costs:
    """What it costs to act on each test row if it is none, and to miss it if it is one.

    Args:
        wrong: of acting on a case that is none, shape (n,).
        missed: of missing one, shape (n,).
        unit: of both, such as EUR; empty where neither a column nor the charter says it.
        said: both as declared.
    """

    wrong: Floats
    missed: Floats
    unit: str
    said: tuple[float | str, float | str]

    def of(self, y: npt.NDArray[np.int64], taken: npt.NDArray[np.bool_]) -> float:
        """Return what it costs in all to act on some of the rows."""
        return float(np.sum(np.where(taken, (y == 0) * self.wrong, (y == 1) * self.missed)))


def costs_of(tested: Tested, unit: Callable[[str], str], currency: str = "") -> Costs | None:
    """Return what mistakes cost, or None where nothing says so.

    Args:
        tested: of a model that answers yes or no.
        unit: of a column of the set, empty where it has none.
        currency: of the charter, where no column has a unit.
    """
    policy = tested.model.threshold
    said: tuple[float | str, float | str] | None = None
    if isinstance(policy, LowestCost):
        said = policy.false_positive, policy.false_negative
    for metric in tested.model.metrics:
        if said is None and metric.name == "expected_cost":
            known = dict(metric.params)
            wrong, missed = known["false_positive"], known["false_negative"]
            assert isinstance(wrong, float | int | str)
            assert isinstance(missed, float | int | str)
            said = wrong, missed
    if said is None:
        return None
    try:
        each = [costs(one, tested.context, tested.rows, tested.model.place) for one in said]
    except HeadraceError:
        return None
    units = [found for one in said if isinstance(one, str) and (found := unit(one))]
    return Costs(each[0], each[1], units[0] if units else currency, said)
