"""Threads: compiled code gives the lock of Python up, so parts of the work run side by side, one for each core."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from headrace.kernel.typing import Ints

WORTH_IT = 50_000
"""Rows below which threads cost more than they save."""


@cache
def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Ints], Any], segments: Ints) -> None:
    """Call ``work`` on parts of the segments (see ``running.sweep``) of about equal size."""
    if len(segments) < 2:  # a request
        work(segments)
        return
    load = np.cumsum(segments[:, 1] - segments[:, 0] + segments[:, 3] - segments[:, 2])
    if cores() == 1 or load[-1] < WORTH_IT:
        work(segments)
        return
    cuts = np.searchsorted(load, np.linspace(0, load[-1], 4 * cores() + 1)[1:-1])
    list(_pool().map(work, [part for part in np.split(segments, cuts) if len(part)]))


def in_ranges(work: Callable[[int, int], Any], length: int) -> list[Any]:
    """Call ``work`` on the ranges [start, stop) that make up [0, length); return what the calls returned, in order."""
    if cores() == 1 or length < WORTH_IT:
        return [work(0, length)]
    edges = np.linspace(0, length, cores() + 1).astype(np.int64).tolist()
    return list(_pool().map(work, edges[:-1], edges[1:]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="headrace-kernel")
