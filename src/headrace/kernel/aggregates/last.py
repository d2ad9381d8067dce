"""last: value of the newest event, also if it is null."""

from dataclasses import replace
from typing import Any

from headrace.kernel.aggregate import Plain
from headrace.kernel.aggregates import first
from headrace.kernel.typing import Floats, Ints


def plain(events: Plain, moment: int, setting: Ints) -> Any:
    return events[-1][1] if events else None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] = 1
    state[1] = value


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    if other[0] != 0:
        state[0] = 1
        state[1] = other[1]


AGGREGATE = replace(first.AGGREGATE, name="last", plain=plain, update=update, merge=merge)
