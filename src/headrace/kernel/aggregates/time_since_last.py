"""time_since_last: seconds from the newest event to the row."""

from headrace.kernel.aggregate import ANY, Aggregate, Plain, prepare_nothing
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    return float(moment - events[-1][0]) / 1_000_000 if events else None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    if state[0] == 0 or time > state[1]:
        state[1] = time
    state[0] = 1


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    if other[0] != 0 and (state[0] == 0 or other[1] > state[1]):
        state[0] = 1
        state[1] = other[1]


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    floats[0] = (moment - state[1]) / 1_000_000
    return state[0]


AGGREGATE = Aggregate(
    name="time_since_last",
    takes=ANY,
    value_optional=True,
    result=lambda domain, params: FLOAT,
    plain=plain,
    prepare=prepare_nothing,
    update=update,
    remove=None,
    merge=merge,
    finalize=finalize,
    width=2,
)
