"""count: how many rows, or how many values that are not null."""

from headrace.kernel.aggregate import ANY, Aggregate, Plain, prepare_nothing
from headrace.kernel.typing import Floats, Ints
from headrace.types import INT


def plain(events: Plain, moment: int, setting: Ints) -> int:
    return len(events)


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] += 1


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] -= 1


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    state[0] += other[0]


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    ints[0] = state[0]
    return 1


AGGREGATE = Aggregate(
    name="count",
    takes=ANY,
    value_optional=True,
    result=lambda domain, params: INT,
    plain=plain,
    prepare=prepare_nothing,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    out="int",
    additive=1,
)
