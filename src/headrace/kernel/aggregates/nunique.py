"""nunique: number of distinct values, exact."""

from headrace.kernel.aggregate import ANY, Aggregate, Plain, prepare_value, unchanged
from headrace.kernel.counter import bump
from headrace.kernel.typing import Floats, Ints
from headrace.types import INT


def plain(events: Plain, moment: int, setting: Ints) -> int | None:
    return len({unchanged(value) for _, value in events}) if events else None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    if bump(table, value, 1) == 1:
        state[0] += 1


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    if bump(table, value, -1) == 0:
        state[0] -= 1


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    for slot in range(other_table.shape[0]):
        more = other_table[slot, 2]
        if more > 0 and bump(table, other_table[slot, 0], more) == more:
            state[0] += 1


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    ints[0] = state[0]
    return 1 if state[0] > 0 else 0


AGGREGATE = Aggregate(
    name="nunique",
    takes=ANY,
    result=lambda domain, params: INT,
    plain=plain,
    prepare=prepare_value,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    out="int",
    table_keys=1,
)
