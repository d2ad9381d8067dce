"""What this process may use: memory and threads, as everything that computes in it asks for them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.errors import Fault

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)", re.IGNORECASE)
_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
LEAST = 800 * 10**6
"""Bytes: less than that is gone before any work, with the libraries and the compiled kernel in memory."""
_BASE = 500 * 10**6
"""Bytes that a process has before its work: libraries, compiled code, the interpreter (measured)."""

_BYTES_OF_VALUE = 160
"""Bytes that a value takes while it is loaded, in all its forms: text, typed, sorted, written (measured)."""
_FEWEST_ROWS = 10_000


@dataclass(frozen=True)
class Limits:
    """What may be used.

    Args:
        memory: bytes of the whole process, about; None for no limit but the machine's.
        threads: that compute at once; None for one on each core.
    """

    memory: int | None = None
    threads: int | None = None

    @property
    def working(self) -> int | None:
        """Bytes for the work itself: what the limit leaves beside libraries and code."""
        return None if self.memory is None else self.memory - _BASE

    @property
    def query(self) -> int | None:
        """Bytes for one connection of DuckDB: a query that is held against a contract has two at a time."""
        return None if self.working is None else self.working * 2 // 5

    def rows(self, columns: int, most: int) -> int:
        """Return how many rows of so many columns a load may hold and commit together, ``most`` without a limit."""
        if self.working is None:
            return most
        return max(_FEWEST_ROWS, min(most, self.working // (_BYTES_OF_VALUE * max(columns, 1))))


_current = Limits()


def current() -> Limits:
    """Return the limits of this process."""
    return _current


def exceeded(what: str) -> Fault:
    """Return the fault of work that needs more memory than there is for it, also with what it can put on disk."""
    found, cure = f"{what} that needs more memory than it may use", "allow more: memory = in [run], or --memory"
    return Fault("HR-SCHEDULE-007", "", found, "work that fits, or more memory", cure)


@contextlib.contextmanager
def bounded(limits: Limits) -> Iterator[None]:
    """Keep the work within a ``with`` block to limits; they hold for all threads of the process.

    Threads are kept by the cores that the process may run on, where the system has such a thing: so also libraries
    that make threads of their own, and ask nobody, compute on no more of them.

    Args:
        limits: of memory and threads.

    Example:
        >>> with bounded(Limits(memory=parse_size("2GB"))):
        ...     current().memory
        2000000000
    """
    global _current
    before, _current = _current, limits
    try:
        with _cores(limits.threads), _arrow(limits.threads):
            yield
    finally:
        _current = before


def parse_size(text: str) -> int:
    """Return a size such as ``"2GB"`` (10⁹) or ``"2GiB"`` (2³⁰) in bytes.

    Raises:
        ValueError: for what is none, or less than 800MB.

    Example:
        >>> parse_size("1.5 GB")
        1500000000
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size such as 2GB or 800MB")
    size = int(float(match[1]) * _UNITS[match[2].lower()])
    if size < LEAST:
        raise ValueError(f"{text} is less than 800MB, which nothing can be done with")
    return size


@contextlib.contextmanager
def _cores(threads: int | None) -> Iterator[None]:
    if threads is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    ordered = sorted(before)
    first = os.getpid() % len(ordered)  # two processes with one thread each need not meet on one core
    os.sched_setaffinity(0, (ordered[first:] + ordered[:first])[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _arrow(threads: int | None) -> Iterator[None]:
    if threads is None:
        yield
        return
    import pyarrow as pa

    before = pa.cpu_count(), pa.io_thread_count()
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    try:
        yield
    finally:
        pa.set_cpu_count(before[0])
        pa.set_io_thread_count(before[1])
