"""The only reader of time: UTC, whole microseconds since 1970."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]
"""Anything that returns the present as int64 microseconds, UTC."""

DAY_US = 86_400_000_000
"""Microseconds of a day."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Return the present in microseconds since 1970-01-01T00:00:00Z.

    Example:
        >>> now_us() > 1_700_000_000_000_000
        True
    """
    return time.time_ns() // 1000


def monotonic_s() -> float:
    """Return seconds on a clock that never goes back, for measuring how long something took."""
    return time.perf_counter()


def to_us(moment: datetime) -> int:
    """Return an aware datetime as UTC microseconds.

    Raises:
        ValueError: when the datetime has no zone.

    Example:
        >>> to_us(datetime(1970, 1, 2, tzinfo=UTC))
        86400000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    """Return UTC microseconds as an aware datetime.

    Example:
        >>> from_us(86_400_000_000).isoformat()
        '1970-01-02T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=us)
