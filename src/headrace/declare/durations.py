"""Durations in declarations."""

from __future__ import annotations

from headrace.errors import Fault
from headrace.types import duration_us


def duration_faults(text: str, place: str, what: str) -> list[Fault]:
    """Return a fault unless ``text`` is a positive duration."""
    try:
        duration_us(text)
    except ValueError as error:
        expected = "a positive whole number and a unit, such as '7d'"
        return [
            Fault("HR-TIME-001", place, f"{what}: {error}", expected, "write a duration such as '7d', '24h', '30m'")
        ]
    return []
