"""Trying again: which faults may pass by themselves, and how long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from headrace.clock import backoff_s
from headrace.errors import Fault, HeadraceError
from headrace.run.stopping import Stop

T = TypeVar("T")

MAY_PASS = frozenset(
    {
        "HR-LAKE-002",  # a full disk
        "HR-LAKE-003",  # other writers came first
        "HR-LAKE-009",  # another process is at work on the table
        "HR-LAKE-010",  # a folder of the lake that cannot be written: a disk or a mount that went away
        "HR-RUN-008",  # a journal or state folder that cannot be written
        "HR-SET-002",  # a full disk under a training set
        "HR-SOURCE-015",  # a bucket that does not answer, or says that it is asked too often
        "HR-SOURCE-018",  # a file that is being written
        "HR-SOURCE-020",  # a database, an API or another origin that is away
        "HR-SOURCE-027",  # a full disk under what an origin delivers
        "HR-LAKE-022",  # a lease of a lake in a bucket that passed to another
        "HR-LAKE-023",  # a bucket that does not answer
        "HR-SOURCE-028",  # a restore while the source was read
    }
)
"""Codes of faults that another attempt may not meet. Of every other one a person has to mend something first."""
LONGEST_S = 600.0
"""Seconds between two attempts at most."""


@dataclass(frozen=True)
class Retry:
    """How often a step that failed is tried again.

    Args:
        times: attempts after the first; 0 tries once.
        wait_s: seconds before the second attempt; each further wait is twice as long.
    """

    times: int = 0
    wait_s: float = 5.0


def may_pass(faults: Sequence[Fault]) -> bool:
    """Return whether all that went wrong may pass by itself; warnings do not count.

    Example:
        >>> may_pass([Fault("HR-LAKE-002", "", "no space left", "space")])
        True
        >>> may_pass([Fault("HR-DATA-101", "", "no column amount", "every column")])
        False
    """
    errors = [fault for fault in faults if fault.severity == "error"]
    return bool(errors) and all(fault.code in MAY_PASS for fault in errors)


def waits(retry: Retry) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: twice as long each time, part of it by chance."""
    return (backoff_s(number, retry.wait_s, LONGEST_S) for number in range(retry.times))


def codes_of(faults: Sequence[Fault]) -> str:
    """Return the codes of what went wrong, each once."""
    return ", ".join(sorted({fault.code for fault in faults if fault.severity == "error"}))


def again(
    work: Callable[[], T],
    retry: Retry,
    stop: Stop,
    failing: Callable[[str, int, float], None],
    settled: type[HeadraceError],
) -> T:
    """Do work, again and again as long as it is asked for and what it raises may pass.

    Args:
        work: that can be done again.
        retry: how often.
        stop: ends a wait, and the work with it.
        failing: told, before each wait, of the codes, the number of the next attempt and the seconds until then.
        settled: an error that is not tried again, whatever its faults.
    """
    for attempt, pause in enumerate(waits(retry), 2):
        try:
            return work()
        except settled:
            raise
        except HeadraceError as error:
            if not may_pass(error.faults):
                raise
            failing(codes_of(error.faults), attempt, pause)
        stop.wait(pause)
        stop.heed()
    return work()
