"""Heads: up to which sequence a stream had come when the events of another were taken into the log."""

from __future__ import annotations

import numpy as np

from headrace.kernel.typing import Ints
from headrace.stream.embedded import EmbeddedLog

_AT_ONCE = 4096


class Heads:
    """Looks along topics of a log, in step with what is asked.

    Args:
        log: with the topics; the times that are asked about never go back.
    """

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self._read: dict[str, int] = {}
        self._spans: dict[str, list[tuple[int, int, int]]] = {}

    def last(self, topic: str, known: int) -> int:
        """Return the last sequence that a topic got by a time, microseconds UTC; 0 where the log has none of it."""
        return max((last for _, last, at in self._until(topic, known) if at <= known), default=0)

    def before(self, topic: str, known: Ints, otherwise: int) -> Ints:
        """Return the sequence in front of the first that a topic got after each time.

        Args:
            topic: name.
            known: microseconds UTC, ascending.
            otherwise: where it got none after it.
        """
        spans = self._until(topic, int(known[-1]))
        times = np.array([at for _, _, at in spans], dtype=np.int64)
        firsts = np.array([*(first - 1 for first, _, _ in spans), otherwise], dtype=np.int64)
        found: Ints = np.minimum(firsts[np.searchsorted(times, known, side="right")], otherwise)
        return found

    def _until(self, topic: str, known: int) -> list[tuple[int, int, int]]:
        """The groups of a topic up to the first after a time, and what is left of those before: first, last, known."""
        spans = self._spans.setdefault(topic, [])
        while not spans or spans[-1][2] <= known:
            groups = self._log.read(topic, self._read.get(topic, 0), _AT_ONCE)
            if not groups:
                break
            spans += [(one.first, one.last, one.known) for one in groups]
            self._read[topic] = groups[-1].last
        past = sum(at <= known for _, _, at in spans) - 1
        if past > _AT_ONCE:
            del spans[: past - 1]
        return spans
