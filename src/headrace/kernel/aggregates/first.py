"""first: value of the oldest event, also if it is null."""

from typing import Any

from headrace.kernel.aggregate import ANY, Aggregate, Plain, prepare_position, same_type
from headrace.kernel.typing import Floats, Ints


def plain(events: Plain, moment: int, setting: Ints) -> Any:
    return events[0][1] if events else None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    if state[0] == 0:
        state[0] = 1
        state[1] = value


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    if state[0] == 0:
        state[0] = other[0]
        state[1] = other[1]


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    ints[0] = state[1]
    return state[0]


AGGREGATE = Aggregate(
    name="first",
    takes=ANY,
    result=same_type,
    plain=plain,
    prepare=prepare_position,
    update=update,
    remove=None,
    merge=merge,
    finalize=finalize,
    width=2,
    out="position",
    sees_null=True,
)
