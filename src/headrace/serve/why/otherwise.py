"""What would have changed a decision: the nearest changes of what can change, each of them proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HOW = (
    "the smallest changes that end in another decision (Wachter and others, Counterfactual explanations without "
    "opening the black box, Harvard Journal of Law and Technology 31, 2018); each step in median absolute deviations "
    "of the data that the model learned from"
)


@dataclass(frozen=True)
class Changed:
    """One thing that would have been otherwise: a field of the request, or a windowed feature.

    Args:
        name: of it.
        of: ``request`` or ``history``.
        before, after: its values, as people read them; masked where they tell of a person.
        distance: how far it moved, in median absolute deviations; 1 for what has no order.
    """

    name: str
    of: str
    before: Any
    after: Any
    distance: float


@dataclass(frozen=True)
class Counterfactual:
    """A row that could be and would have been decided otherwise, which was proven: computed, scored and decided alone.

    Args:
        changes: what is otherwise.
        decision, score: of it.
        distance: of all changes together.
        exact: whether it is known that no smaller change of the same things would do; else none was found.
        moved: features that follow from the changes: before and after.
    """

    changes: tuple[Changed, ...]
    decision: str
    score: float
    distance: float
    exact: bool
    moved: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Varied:
    """What was varied to find them.

    Args:
        name: of a field or feature.
        of: ``request`` or ``history``.
        low, high: between which it was varied: nearly all that the model learned from; None for what has no order.
        values: how many values of what has no order.
        deviation: what one step of distance is.
        exact: whether all places where the decision could change were looked at.
    """

    name: str
    of: str
    low: Any = None
    high: Any = None
    values: int = 0
    deviation: Any = None
    exact: bool = False


@dataclass(frozen=True)
class Otherwise:
    """Counterfactuals of a decision.

    Args:
        changes: the nearest first; none where nothing that was looked at would have changed it.
        varied: what was varied, and between which bounds.
        tried: how many rows were computed for it.
        without: why nothing was looked for; empty where it was.
    """

    changes: tuple[Counterfactual, ...] = ()
    varied: tuple[Varied, ...] = ()
    tried: int = 0
    without: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"how": HOW}
