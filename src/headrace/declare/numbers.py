"""Numbers in declarations: of a kind, finite, within bounds."""

from __future__ import annotations

import math
from typing import Any

from headrace.declare.base import type_fault
from headrace.errors import Fault


def number_faults(
    place: str, what: str, value: Any, kind: Any, *, low: float = -math.inf, high: float = math.inf
) -> list[Fault]:
    """Return a fault unless a value is a finite number of a kind, within bounds."""
    noun = "a whole number" if kind is int else "a number"
    if not isinstance(value, kind) or isinstance(value, bool):
        return [type_fault(place, what, value, noun)]
    if math.isfinite(value) and low <= value <= high:
        return []
    bounds = [f"from {low:.0f}"] * math.isfinite(low) + [f"to {high:.0f}"] * math.isfinite(high)
    expected = " ".join([noun, *bounds]) if bounds else "a finite number"
    return [Fault("HR-MODEL-004", place, f"{what} = {value}", expected, f"pass {expected}")]
