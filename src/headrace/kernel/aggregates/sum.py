"""sum: exact total, rounded once."""

from headrace.kernel.aggregate import NUMBERS, Aggregate, Plain, prepare_number, rounded, whole
from headrace.kernel.exact import high_part, low_part, total_over
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    return rounded(sum(whole(value, setting) for _, value in events), setting) if events else None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] += 1
    state[1] += high_part(value)
    state[2] += low_part(value)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] -= 1
    state[1] -= high_part(value)
    state[2] -= low_part(value)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    for word in range(3):
        state[word] += other[word]


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if state[0] == 0:
        return 0
    floats[0] = total_over(state[1], state[2], 1, setting[0], setting[1])
    return 1


AGGREGATE = Aggregate(
    name="sum",
    takes=NUMBERS,
    result=lambda domain, params: FLOAT,
    plain=plain,
    prepare=prepare_number,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    width=3,
    bits=62,
    additive=3,
)
