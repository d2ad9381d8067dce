"""max: the largest value."""

from typing import Any

from headrace.kernel.aggregate import ORDERED, Aggregate, Plain, prepare_value, same_type, unchanged
from headrace.kernel.typing import Floats, Ints


def plain(events: Plain, moment: int, setting: Ints) -> Any:
    return max((unchanged(value) for _, value in events), default=None)


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[1] = value if (state[0] == 0) | (value > state[1]) else state[1]
    state[0] = 1


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    state[1] = other[1] if (other[0] != 0) & ((state[0] == 0) | (other[1] > state[1])) else state[1]
    state[0] |= other[0]


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    ints[0] = state[1]
    return state[0]


AGGREGATE = Aggregate(
    name="max",
    takes=ORDERED,
    result=same_type,
    plain=plain,
    prepare=prepare_value,
    update=update,
    remove=None,
    merge=merge,
    finalize=finalize,
    width=2,
    out="value",
)
