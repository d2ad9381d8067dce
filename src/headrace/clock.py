"""The only reader of time: UTC, whole microseconds since 1970."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import SystemRandom

Clock = Callable[[], int]
"""Anything that returns the present as int64 microseconds, UTC."""

DAY_US = 86_400_000_000
"""Microseconds of a day."""
_UNIFORM = SystemRandom().uniform
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


def backoff_s(
    attempt: int, first_s: float, longest_s: float, uniform: Callable[[float, float], float] = _UNIFORM
) -> float:
    """Return how long to wait before an attempt: twice as long each time, of which up to a half by chance.

    Chance keeps those who failed together from coming back together (M. Brooker, "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015: equal jitter).

    Args:
        attempt: 0 for the first wait.
        first_s: seconds of the first wait at most.
        longest_s: seconds of any wait at most.
        uniform: source of chance: returns a number between two.

    Example:
        >>> [backoff_s(attempt, 5.0, 30.0, lambda low, high: high) for attempt in range(4)]
        [5.0, 10.0, 20.0, 30.0]
    """
    longest = min(first_s * 2.0 ** min(attempt, 30), longest_s)
    return uniform(longest / 2, longest)


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
