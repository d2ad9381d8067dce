"""What the operating system knows of this process, as every exporter of Prometheus names it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


def process() -> dict[str, float]:
    """Return figures of this process by name; none where there is no ``/proc``.

    Example:
        >>> process().get("process_open_fds", 1) > 0
        True
    """
    try:
        stat = _stat(os.getpid())
        ticks = os.sysconf("SC_CLK_TCK")
        return {
            # fields of proc(5), counted behind the name of the program: utime, stime, starttime, rss
            "process_cpu_seconds_total": (int(stat[11]) + int(stat[12])) / ticks,
            "process_start_time_seconds": _booted() + int(stat[19]) / ticks,
            "process_resident_memory_bytes": int(stat[21]) * os.sysconf("SC_PAGE_SIZE"),
            "process_open_fds": sum(1 for _ in (_PROC / "self" / "fd").iterdir()),
            "process_max_fds": _most_files(),
        }
    except (OSError, ValueError, IndexError):
        return {}


def born(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did: a number may be given to another one later.

    Returns:
        None where there is no such process; 0 where that cannot be known.
    """
    if not _PROC.is_dir():
        return 0
    try:
        return int(_stat(pid)[19])
    except (OSError, ValueError, IndexError):
        return None


def _stat(pid: int) -> list[str]:
    """Fields behind the name, which itself may hold blanks and parentheses."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


@cache
def _booted() -> int:
    lines = (_PROC / "stat").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("btime")).split()[1])


@cache
def _most_files() -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
