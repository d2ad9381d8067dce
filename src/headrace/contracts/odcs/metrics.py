"""Rules of quality as the standard writes them: what they count, how many may be counted, and how much it matters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from headrace.declare.rules import REJECT, STOP, WARN

Quality = Mapping[str, Any]

SEVERITY_WORDS = {WARN: "warning", REJECT: "error", STOP: "stop"}
"""Severities as they are written; the standard leaves the word open, and gives these two as examples."""
_MILD = ("info", "low", "minor", "warn", "warning")
_OLD = {"nullcheck": "nullValues", "duplicatecount": "duplicateValues", "rowcount": "rowCount"}
"""Metrics as v3.0 named them, in ``rule``."""
_OPERATORS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)


def metric_of(rule: Quality) -> str:
    """Return what a rule of the standard's library counts, empty for a rule of another type.

    Example:
        >>> metric_of({"metric": "rowCount"}), metric_of({"type": "library", "rule": "duplicateCount"})
        ('rowCount', 'duplicateValues')
    """
    if rule.get("type", "library") != "library":
        return ""
    metric = rule.get("metric", _OLD.get(str(rule.get("rule", "")).lower(), ""))
    return metric if isinstance(metric, str) else ""


def severity_of(rule: Quality, otherwise: str = REJECT) -> str:
    """Return the severity that a rule says, or another where it says none.

    Example:
        >>> severity_of({"severity": "Warning"}), severity_of({"severity": "error"}), severity_of({}, "warn")
        ('warn', 'reject', 'warn')
    """
    told = rule.get("severity")
    if not isinstance(told, str) or not told:
        return otherwise
    return WARN if told.lower() in _MILD else STOP if told.lower() == STOP else REJECT


def counted(rule: Quality) -> tuple[int | None, int | None] | None:
    """Return the least and the most that may be counted, None where that is no such range, or not in rows.

    ``mustBeBetween`` holds its ends, as engines read it.

    Example:
        >>> counted({"mustBeGreaterThan": 9}), counted({"mustBe": 0, "unit": "percent"}), counted({"mustNotBe": 3})
        ((10, None), (0, 0), None)
    """
    said = [key for key in _OPERATORS if key in rule]
    if len(said) != 1:
        return None
    value, share = rule[said[0]], rule.get("unit", "rows") != "rows"
    ends = value if said[0].endswith("Between") and isinstance(value, list) else [value]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in ends):
        return None
    return _range(said[0], ends, share)


def _range(operator: str, ends: list[float], share: bool) -> tuple[int | None, int | None] | None:
    """Whole numbers within the ends; of a share only 0 is one, as there is always another next to it."""
    least, most = ends[0], ends[-1]
    if share:
        return (0, 0) if operator in ("mustBe", "mustBeLessOrEqualTo") and ends == [0] else None
    ranges: dict[str, tuple[int | None, int | None]] = {
        "mustBe": (math.ceil(least), math.floor(most)),
        "mustBeGreaterThan": (math.floor(least) + 1, None),
        "mustBeGreaterOrEqualTo": (math.ceil(least), None),
        "mustBeLessThan": (0, math.ceil(most) - 1),
        "mustBeLessOrEqualTo": (0, math.floor(most)),
        "mustBeBetween": (math.ceil(least), math.floor(most)),
    }
    found = ranges.get(operator)
    if found is None or len(ends) != 1 + operator.endswith("Between"):
        return None
    low, high = found
    return None if high is not None and high < (low or 0) else (low, high)


def none_allowed(rule: Quality) -> bool:
    """Return whether a rule allows nothing that it counts.

    Example:
        >>> none_allowed({"mustBe": 0}), none_allowed({"mustBeLessThan": 1}), none_allowed({"mustBeLessThan": 5})
        (True, True, False)
    """
    return counted(rule) == (0, 0)
