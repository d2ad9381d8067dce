"""quantile: the value at a rank among the values cut to nine significant binary digits, hence exact to 1/256.

Source: Masson, Rim, Lee, DDSketch (VLDB 2019), with buckets that are read off the binary form of the number.
"""

import math

import numpy as np

from headrace.kernel.aggregate import DIGITS, FREE, Aggregate, Params, Plain
from headrace.kernel.column import Column
from headrace.kernel.counter import amount, bump, merge_tables
from headrace.kernel.placing import ordered_bits
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT, Domain

CUT = np.int64(44)
"""Binary digits of the 52 that are dropped."""
EXACT = 2**53
"""Whole numbers up to this are float64 without rounding."""


def settle(setting: Ints, domain: Domain | None, params: Params) -> None:
    q = params["q"]
    if not isinstance(q, int | float) or isinstance(q, bool) or not 0 <= q <= 1:
        raise ValueError(f"q is {q!r}, not a number from 0 to 1")
    setting.view(np.float64)[FREE] = float(q)
    if domain is not None and domain.type.name == "decimal":
        setting[DIGITS] = domain.type.scale


def prepare(column: Column | None, length: int, setting: Ints) -> Ints:
    assert column is not None
    power = 10 ** int(setting[DIGITS])
    values = column.values.astype(np.float64) / power
    for wide in np.flatnonzero(np.abs(column.values) > EXACT) if power > 1 else ():
        values[wide] = int(column.values[wide]) / power  # float64 would round twice
    cut = ((values + 0.0).view(np.int64) & ~((np.int64(1) << CUT) - 1)).view(np.float64)
    tiny = (np.abs(values) < np.finfo(np.float64).tiny) & (values != 0)
    if tiny.any():  # below the smallest normal number the leading digits stand elsewhere
        mantissa, exponent = np.frexp(values)
        cut = np.where(tiny, np.ldexp(np.trunc(mantissa * 512), exponent - 9), cut)
    return ordered_bits(cut)


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    cut = sorted(cut_plain(float(value)) for _, value in events)
    q = float(setting.view(np.float64)[FREE])
    return cut[math.floor(q * (len(cut) - 1))] if cut else None


def cut_plain(value: float) -> float:
    """Return a number with its nine leading binary digits only."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.trunc(mantissa * 512), exponent - 9) + 0.0


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] += 1
    bump(table, value, 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] -= 1
    bump(table, value, -1)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    state[0] += other[0]
    merge_tables(table, other_table)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if state[0] == 0:
        return 0
    used = 0
    keys = np.empty(min(table.shape[0], state[0]), dtype=np.int64)
    for slot in range(table.shape[0]):
        if table[slot, 2] > 0:
            keys[used] = table[slot, 0]
            used += 1
    keys = np.sort(keys[:used])
    left = math.floor(reals[2] * (state[0] - 1))
    for key in keys:
        left -= amount(table, key)
        if left < 0:
            ints[0] = key ^ ((key >> 63) & 0x7FFFFFFFFFFFFFFF)
            break
    return 1


AGGREGATE = Aggregate(
    name="quantile",
    takes=("int", "float", "decimal"),
    result=lambda domain, params: FLOAT,
    plain=plain,
    prepare=prepare,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    table_keys=1,
    needs=("q",),
    settle=settle,
)
