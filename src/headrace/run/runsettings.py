"""What ``[run]`` of ``headrace.toml`` says: when it runs by itself, how often it tries again, what it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.declare.times import schedule_faults
from headrace.errors import Fault
from headrace.limits import parse_size
from headrace.types import duration_us


@dataclass(frozen=True)
class RunSettings:
    """Settings of runs, each of which an option of ``headrace run`` overrides; None where nothing is said.

    Args:
        schedule: when ``headrace run --scheduled`` runs, as in ``hr.Project``.
        zone: time zone of a cron expression.
        retries: further attempts after a fault that may pass.
        retry_wait: before the first of them, such as ``"5s"``.
        memory: that a run may use, about, such as ``"2GB"``.
        threads: that it may use.
    """

    schedule: str | None = None
    zone: str | None = None
    retries: int | None = None
    retry_wait: str | None = None
    memory: str | None = None
    threads: int | None = None


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_text(value: object, read: Callable[[str], object]) -> bool:
    try:
        return isinstance(value, str) and bool(read(value))
    except ValueError:
        return False


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "schedule": (lambda one: not schedule_faults(one, "UTC", ""), "a time such as '15m', or five fields of cron"),
    "zone": (lambda one: not schedule_faults("1h", one, ""), "a time zone such as 'Europe/Berlin'"),
    "retries": (lambda one: _is_count(one, 0), "a whole number, such as 3"),
    "retry_wait": (lambda one: _is_text(one, duration_us), "a time such as '5s'"),
    "memory": (lambda one: _is_text(one, parse_size), "a size such as '2GB', 800MB or more"),
    "threads": (lambda one: _is_count(one, 1), "a whole number from 1"),
}
KEYS = tuple(_KINDS)


def value_faults(values: Mapping[str, Any], place: Callable[[str], str]) -> Iterator[Fault]:
    """Yield a fault (HR-PROJECT-004) for each value of the section that is of a wrong kind.

    Args:
        values: of the section.
        place: of a key, as ``file:line``.
    """
    for key, (fits, expected) in _KINDS.items():
        if key in values and not fits(values[key]):
            yield Fault("HR-PROJECT-004", place(key), f"{key} = {values[key]!r}", expected, f"write {expected}")
