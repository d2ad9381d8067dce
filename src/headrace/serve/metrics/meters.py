"""Counting: what a worker adds to for each request, and nothing else; everything dear waits until somebody reads."""

from __future__ import annotations

import logging
import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headrace import clock
from headrace.serve.metrics.families import BOUNDS, FAMILIES, Figures, Labels, Spread, lasting, merged
from headrace.serve.metrics.process import process
from headrace.serve.metrics.workers import Board

Read = Callable[[], float | Mapping[Any, float]]
"""Gives a figure when somebody reads: a number, or numbers by the value of the label (a tuple of values of several)."""
STAGES = ("parse", "state", "features", "score", "record")
_CODE = re.compile(r"HR-[A-Z]+(-\d+)?")
_log = logging.getLogger("headrace.serve")


class Meters:
    """The figures of one worker.

    Numbers are plain: a list of counts for each histogram, a dictionary for counters. A shared memory map would be read
    by others at once, and would stall a request whenever the kernel writes its page back to a busy disk; so figures are
    posted on a board now and then instead, where there are several workers.

    Counting is not locked: ``answered``, ``refused`` and ``took`` are called in the thread of the loop, ``stage`` in
    one thread for each stage.

    Args:
        services: the names of the services, each with the decisions that it can give.
        board: on which workers post their figures for each other; None where there is one worker.

    Example:
        >>> meters = Meters({"desk": ["block", "allow"]})
        >>> meters.answered("desk", "block", 0.00006, "3f0c-17")
        >>> meters.figures().numbers["headrace_requests_total"]["desk", "block", "200"]
        1
    """

    def __init__(self, services: Mapping[str, Iterable[str]], board: Board | None = None) -> None:
        self._services = frozenset(services)
        self._answers: dict[tuple[str, str], int] = defaultdict(int)
        self._answers.update({(name, one): 0 for name, decisions in services.items() for one in decisions})
        self._refused: dict[tuple[str, str, int], int] = defaultdict(int)
        self._events: dict[str, int] = defaultdict(int)
        self._requests = {name: Spread() for name in services}
        self._stages = {name: Spread() for name in STAGES}
        self._read: dict[str, Read] = {}
        self._failing: set[str] = set()
        self._board = board
        self._before = Figures() if board is None else lasting(board.predecessor())

    def answered(self, service: str, decision: str, seconds: float, record_id: str) -> None:
        """Count a decision: seconds from the whole request to its answer, and the record as an example of as many."""
        self._answers[service, decision] += 1
        spread, at = self._requests[service], bisect_left(BOUNDS, seconds)
        spread.counts[at] += 1
        spread.sum += seconds
        spread.exemplars[at] = (record_id, seconds, clock.now_us())

    def refused(self, service: str, code: str, status: int) -> None:
        """Count a refusal: of a service, or of none where it names no declared one; its code and status of HTTP."""
        named = service if service in self._services else ""
        self._refused[named, code if _CODE.fullmatch(code) else "", status] += 1

    def took(self, stream: str, events: int) -> None:
        """Count live events of a declared stream that were taken."""
        self._events[stream] += events

    def stage(self, name: str, seconds: float, count: int = 1) -> None:
        """Count a part of decisions: seconds that it took for ``count`` of them together."""
        spread = self._stages[name]
        spread.counts[bisect_left(BOUNDS, seconds / count)] += count
        spread.sum += seconds

    def gauge(self, name: str, function: Read) -> None:
        """Say how a figure is read, when somebody asks for it.

        Args:
            name: of a family in ``FAMILIES`` that is no histogram.
            function: returns it; a mapping by label where the family has labels. Where it fails the figure is left out.

        Raises:
            KeyError: for a name that is none.
        """
        _ = FAMILIES[name]
        self._read[name] = function

    def mine(self) -> Figures:
        """Return what this worker has measured, together with one of the same number before it."""
        answered: dict[Labels, float] = {(*key, "200"): count for key, count in list(self._answers.items())}
        refused: dict[Labels, float] = defaultdict(int)
        codes: dict[Labels, float] = defaultdict(int)
        for (service, code, status), count in list(self._refused.items()):
            refused[service, "refused", str(status)] += count
            codes[service, code] += count
        numbers: dict[str, dict[Labels, float]] = {
            "headrace_requests_total": {**answered, **refused},
            "headrace_refused_total": dict(codes),
            "headrace_events_total": {(name,): count for name, count in list(self._events.items())},
            "headrace_workers": {(): 1},
            **{name: {(): value} for name, value in process().items()},
        }
        numbers |= {name: told for name, function in self._read.items() if (told := self._told(name, function))}
        spreads: dict[str, dict[Labels, Spread]] = {
            "headrace_request_seconds": {(name,): _copy(one) for name, one in self._requests.items()},
            "headrace_stage_seconds": {(name,): _copy(one) for name, one in self._stages.items()},
        }
        return merged([self._before, Figures(numbers, spreads)])

    def figures(self) -> Figures:
        """Return what all workers have measured: this one by now, the others when they posted last."""
        mine = self.mine()
        if self._board is None:
            return mine
        # posted first: nobody may read a smaller count from another worker later on
        self._board.post(mine)
        return merged([mine, *self._board.others()])

    def post(self) -> None:
        """Post the figures for the other workers; called about every second, beside the loop: it writes a file."""
        if self._board is not None:
            self._board.post(self.mine())

    def _told(self, name: str, function: Read) -> dict[Labels, float]:
        try:
            told = function()
            by_label = told if isinstance(told, Mapping) else {(): told}
            labelled = {key if isinstance(key, tuple) else (key,): value for key, value in by_label.items()}
            return {tuple(map(str, key)): value for key, value in labelled.items() if math.isfinite(value)}
        except Exception as error:  # noqa: BLE001 - one figure that cannot be had must not cost all the others
            if name not in self._failing:
                self._failing.add(name)
                _log.warning("%s cannot be read (%s)", name, type(error).__name__)
            return {}


def _copy(spread: Spread) -> Spread:
    return Spread(spread.counts[:], spread.sum, spread.exemplars[:])
