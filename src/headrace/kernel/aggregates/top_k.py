"""top_k: the most frequent values, ties in ascending order."""

from collections import Counter
from typing import Any

from headrace.kernel.aggregate import FREE, ORDERED, Aggregate, Plain, list_result, prepare_value, size_of, unchanged
from headrace.kernel.counter import bump, merge_tables
from headrace.kernel.typing import Floats, Ints
from headrace.types import Domain


def settle(setting: Ints, domain: Domain | None, params: Any) -> None:
    setting[FREE] = size_of("k", params)


def plain(events: Plain, moment: int, setting: Ints) -> list[Any] | None:
    counted = Counter(unchanged(value) for _, value in events)
    best = sorted(counted, key=lambda value: (-counted[value], value))
    return best[: int(setting[FREE])] or None


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    bump(table, value, 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    bump(table, value, -1)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    merge_tables(table, other_table)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    k, found = setting[2], 0
    for slot in range(table.shape[0]):
        count, value = table[slot, 2], table[slot, 0]
        if count <= 0:
            continue
        place = found
        while place > 0 and (state[place - 1] < count or (state[place - 1] == count and ints[place - 1] > value)):
            place -= 1
        if place == k:
            continue
        found = min(found + 1, k)
        for move in range(found - 1, place, -1):
            state[move] = state[move - 1]
            ints[move] = ints[move - 1]
        state[place] = count
        ints[place] = value
    return found


AGGREGATE = Aggregate(
    name="top_k",
    takes=(*ORDERED, "bool"),
    result=list_result,
    plain=plain,
    prepare=prepare_value,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    width=lambda params: params["k"],
    out="value",
    table_keys=1,
    items=lambda params: params["k"],
    needs=("k",),
    settle=settle,
)
