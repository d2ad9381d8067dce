"""Sources and tables with ``refresh``: how long what a run took in stays fresh, and is left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace import clock
from headrace.declare import Stream, Table
from headrace.run.reasons import BY_HAND
from headrace.types import duration_us

_CHECKED = ("declaration ", *BY_HAND)


def resting(
    source: Stream | Table, own: Callable[[], Mapping[str, str]], now_us: clock.Clock = clock.now_us
) -> Callable[[Mapping[str, str], int], tuple[str, ...]]:
    """Return what says why a source is not read now, from its inputs and the moment (UTC us) of the last time.

    Args:
        source: with ``refresh``, or without: then it is read by each run.
        own: inputs that cost nothing to look at: a source that is declared anew, restored or replayed is read at once.
        now_us: clock, UTC microseconds.

    Example:
        >>> table = Table("prices", query="select 1 as price", refresh="1h")
        >>> rests = resting(table, dict, lambda: 20 * 60_000_000)
        >>> rests({}, 0)
        ('read 20m ago, and again after 1h',)
    """
    if source.refresh is None:
        return lambda _, __: ()
    refresh, length = source.refresh, duration_us(source.refresh)

    def rests(before: Mapping[str, str], at: int) -> tuple[str, ...]:
        age = now_us() - at
        same = {key: value for key, value in before.items() if key.startswith(_CHECKED)} == dict(own())
        # A clock that was put back must not keep a source from being read until it has caught up.
        return (f"read {age // 60_000_000}m ago, and again after {refresh}",) if same and 0 <= age < length else ()

    return rests
