"""Latency: how long live events are on their way from the log to their decisions, told to whoever looks."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path

import numpy as np

from headrace import clock
from headrace.kernel.typing import Ints

_FILE = "latency.json"
_LAST_S, _EVERY_S = 10.0, 1.0
_MOST = 1_000
"""Times of a micro-batch that are kept."""
QUANTILES = ("0.5", "0.9", "0.99", "0.999")


class Latency:
    """Keeps the times of the last seconds, and writes their quantiles beside the log.

    Args:
        folder: of the log.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._kept: dict[str, deque[tuple[float, Ints]]] = {}
        self._written = 0.0

    def took(self, stream: str, waited_us: Ints) -> None:
        """Note how long some events were on their way, microseconds."""
        now = clock.monotonic_s()
        kept = self._kept.setdefault(stream, deque())
        kept.append((now, waited_us if len(waited_us) <= _MOST else waited_us[:: len(waited_us) // _MOST]))
        while kept and now - kept[0][0] > _LAST_S:
            kept.popleft()
        if now - self._written >= _EVERY_S:
            self._write(now)

    def quantiles(self) -> dict[str, dict[str, float]]:
        """Return the quantiles of each stream, seconds."""
        found = {}
        for stream, kept in self._kept.items():
            every = np.concatenate([one for _, one in kept]) if kept else np.zeros(0)
            if len(every):
                at = np.quantile(every, [float(one) for one in QUANTILES], method="higher") / 1e6
                found[stream] = dict(zip(QUANTILES, np.maximum(at, 0).tolist(), strict=True))
        return found

    def close(self) -> None:
        """Tell nothing any more."""
        self._path.unlink(missing_ok=True)

    def _write(self, now: float) -> None:
        self._written = now
        fresh = self._path.with_suffix(".new")
        try:
            fresh.touch(0o600)
            fresh.write_text(json.dumps({"pid": os.getpid(), "streams": self.quantiles()}))
            fresh.replace(self._path)
        except OSError:  # a full disk keeps no event waiting for this
            fresh.unlink(missing_ok=True)


def latencies(folder: Path) -> dict[tuple[str, ...], float]:
    """Return the quantiles that a worker has written, by stream and quantile; none where none runs."""
    try:
        path = folder / _FILE
        if clock.now_us() / 1e6 - path.stat().st_mtime > _LAST_S:
            return {}
        streams = json.loads(path.read_text())["streams"]
    except (OSError, ValueError, KeyError):
        return {}
    return {(stream, name): seconds for stream, one in streams.items() for name, seconds in one.items()}
