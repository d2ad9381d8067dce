"""How often single clients may ask: a bucket of tokens for each."""

from __future__ import annotations

from headrace import clock


class Rates:
    """Buckets that fill at a rate and hold a second's worth, at least one.

    Args:
        per_s: requests a second of one client.

    Example:
        >>> rates = Rates(2)
        >>> [rates.spend("a"), rates.spend("a"), rates.spend("a"), rates.spend("b")]
        [True, True, False, True]
    """

    def __init__(self, per_s: float) -> None:
        self._per_s, self._most = per_s, max(per_s, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, client: str) -> bool:
        """Take a token from the bucket of a client, if there is one."""
        now = clock.monotonic_s()
        left, since = self._buckets.get(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_s)
        spent = left >= 1
        self._buckets[client] = (left - spent, now)
        return spent

    def forget(self) -> None:
        """Let go of buckets that are full again."""
        now = clock.monotonic_s()
        full = [
            name for name, (left, since) in self._buckets.items() if left + (now - since) * self._per_s >= self._most
        ]
        for name in full:
            del self._buckets[name]
