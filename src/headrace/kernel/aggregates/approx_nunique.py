"""approx_nunique: number of distinct values by HyperLogLog, with ranks counted so that values can be given up again.

Source: Flajolet, Fusy, Gandouet, Meunier, HyperLogLog (AofA 2007), 1,024 registers, 64-bit hashes, linear counting
below 2.5 values a register. Standard error 1.04 / sqrt(1024) = 3.25 %.
"""

import hashlib
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit

from headrace.kernel.aggregate import ANY, DIGITS, Aggregate, Params, Plain
from headrace.kernel.column import Column
from headrace.kernel.counter import bump, merge_tables, mix
from headrace.kernel.elementary import ln
from headrace.kernel.placing import ordered_bits
from headrace.kernel.typing import Floats, Ints
from headrace.types import INT, Domain

REGISTERS = 1024
TOP = 54
ALPHA = 0.7213 / (1.0 + 1.079 / REGISTERS)


def settle(setting: Ints, domain: Domain | None, params: Params) -> None:
    if domain is not None and domain.type.name == "decimal":
        setting[DIGITS] = domain.type.scale


@njit
def keys_of(values: Ints) -> Ints:
    """Return register * 64 + rank of the hash of each value."""
    keys = np.empty(len(values), dtype=np.int64)
    for i in range(len(values)):
        keys[i] = key_of(values[i])
    return keys


@njit
def key_of(value: int) -> np.int64:
    bits = np.uint64(mix(value))
    register = np.int64(bits >> np.uint64(54))
    rest = bits << np.uint64(10)
    rank = 1
    while rank < TOP and rest >> np.uint64(63) == np.uint64(0):
        rest <<= np.uint64(1)
        rank += 1
    return register * 64 + rank


def text_code(text: str) -> int:
    """Return eight bytes that stand for a text in every path."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def prepare(column: Column | None, length: int, setting: Ints) -> Ints:
    assert column is not None
    if column.dictionary is not None:
        codes = np.array([text_code(text) for text in column.dictionary.to_pylist()] or [0], dtype=np.int64)
        return keys_of(codes[np.where(column.mask, column.values, 0)])
    if column.type.name == "float":
        return keys_of(ordered_bits(column.values))
    return keys_of(column.values.astype(np.int64))


def plain(events: Plain, moment: int, setting: Ints) -> int | None:
    ranks: dict[int, int] = {}
    for _, value in events:
        register, rank = divmod(key_of(plain_code(value, setting)), 64)
        ranks[register] = max(ranks.get(register, 0), rank)
    if not events:
        return None
    harmonic = sum(2.0**-rank for rank in ranks.values()) + (REGISTERS - len(ranks))
    raw = ALPHA * REGISTERS * REGISTERS / harmonic
    empty = REGISTERS - len(ranks)
    return round(REGISTERS * ln(REGISTERS / empty)) if raw <= 2.5 * REGISTERS and empty else round(raw)


def plain_code(value: Any, setting: Ints) -> int:
    if isinstance(value, str):
        return text_code(value)
    if isinstance(value, float):
        return int(ordered_bits(np.array([value]))[0])
    return int(value * 10 ** int(setting[DIGITS])) if isinstance(value, Fraction) else int(value)


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    bump(table, value, 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    bump(table, value, -1)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    merge_tables(table, other_table)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    state[:] = 0
    for slot in range(table.shape[0]):
        if table[slot, 2] > 0:
            register, rank = table[slot, 0] >> 6, table[slot, 0] & 63
            if rank > state[register]:
                state[register] = rank
    harmonic, empty = 0.0, 0
    for register in range(REGISTERS):
        if state[register] == 0:
            empty += 1
        else:
            harmonic += 1.0 / float(np.int64(1) << state[register])
    if empty == REGISTERS:
        return 0
    raw = ALPHA * REGISTERS * REGISTERS / (harmonic + empty)
    if raw <= 2.5 * REGISTERS and empty > 0:
        ints[0] = round(REGISTERS * ln(REGISTERS / empty))
    else:
        ints[0] = round(raw)
    return 1


AGGREGATE = Aggregate(
    name="approx_nunique",
    takes=ANY,
    result=lambda domain, params: INT,
    plain=plain,
    prepare=prepare,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    width=REGISTERS,
    out="int",
    table_keys=1,
    settle=settle,
)
