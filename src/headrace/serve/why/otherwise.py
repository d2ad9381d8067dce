"""What would have changed a decision: the nearest changes of what can change, each of them proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Otherwise:
    """Counterfactuals.

    Args:
        changes: the nearest first.
        varied: what was varied, and between which bounds.
        without: why there are none; empty where there are.
    """

    changes: tuple[Any, ...] = ()
    varied: tuple[Mapping[str, Any], ...] = ()
    without: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"changes": list(self.changes), "varied": list(self.varied), "without": self.without}
