"""last_n: the newest values that are not null, newest first."""

from typing import Any

from headrace.kernel.aggregate import ANY, FREE, Aggregate, Plain, list_result, prepare_position, size_of
from headrace.kernel.typing import Floats, Ints
from headrace.types import Domain

# words: how many, then positions of the events, newest first


def settle(setting: Ints, domain: Domain | None, params: Any) -> None:
    setting[FREE] = size_of("n", params)


def plain(events: Plain, moment: int, setting: Ints) -> list[Any] | None:
    return [value for _, value in reversed(events)][: int(setting[FREE])] or None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] = min(state[0] + 1, setting[2])
    for place in range(state[0], 1, -1):
        state[place] = state[place - 1]
    state[1] = value


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    both = min(state[0] + other[0], setting[2])
    for place in range(both, other[0], -1):
        state[place] = state[place - other[0]]
    for place in range(1, other[0] + 1):
        state[place] = other[place]
    state[0] = both


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    for place in range(state[0]):
        ints[place] = state[place + 1]
    return state[0]


AGGREGATE = Aggregate(
    name="last_n",
    takes=ANY,
    result=list_result,
    plain=plain,
    prepare=prepare_position,
    update=update,
    remove=None,
    merge=merge,
    finalize=finalize,
    width=lambda params: params["n"] + 1,
    out="position",
    items=lambda params: params["n"],
    needs=("n",),
    settle=settle,
)
