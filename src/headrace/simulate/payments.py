"""A world of card payments: customers with a home and habits, terminals in a plane, and three kinds of fraud.

Kind 1: unusually large amounts. Kind 2: terminals compromised for four weeks, at which every payment is fraud.
Kind 3: cards compromised for two weeks, a third of whose payments are fraud at five times the usual amount.
Each fraud comes back as a chargeback one to six days later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_US = 86_400_000_000
SIDE = 100.0
"""Length of a side of the plane in which everyone lives."""
REACH = 5.0
"""How far from home a customer shops."""
LARGE = 220.0
"""Amounts above this are fraud of kind 1."""
TERMINALS_A_DAY, TERMINAL_DAYS = 2, 28
CARDS_A_DAY, CARD_DAYS, CARD_FACTOR = 3, 14, 5.0
SEGMENTS = ("student", "standard", "premium")
AGE_BANDS = ("18-25", "26-40", "41-60", "61+")


@dataclass(frozen=True)
class World:
    """Everything that happened, as Arrow tables.

    Args:
        payments: payment_id, at (UTC), customer_id, terminal_id, amount; sorted by time.
        chargebacks: chargeback_id, at, payment_id, terminal_id, customer_id, is_fraud; sorted by time.
        customers: customer_id, valid_from, segment, age_band; a row for each state of a customer.
        truth: payment_id and kind: 0 for an honest payment, else the kind of fraud.
    """

    payments: pa.Table
    chargebacks: pa.Table
    customers: pa.Table
    truth: pa.Table


@dataclass(frozen=True)
class _Habits:
    amount: Floats
    a_day: Floats
    hour: Floats
    starts: Ints
    near: Ints


def payments(
    days: int = 183, customers: int = 5_000, terminals: int = 10_000, seed: int = 7, start: str = "2026-01-01"
) -> World:
    """Return a world of payments.

    Args:
        days: how long to watch it.
        customers, terminals: how many there are.
        seed: of all randomness; the same seed gives the same bytes.
        start: first day, UTC, ISO 8601.

    Returns:
        World: about two payments a customer and day.

    Example:
        >>> world = payments(days=10, customers=50, terminals=100)
        >>> world.payments.column_names
        ['payment_id', 'at', 'customer_id', 'terminal_id', 'amount']
    """
    random = np.random.default_rng(seed)
    habits = _habits(customers, terminals, random)
    begin = int(np.datetime64(start, "us").astype(np.int64))
    counts = random.poisson(np.broadcast_to(habits.a_day[:, None], (customers, days)))
    who, day = np.divmod(np.repeat(np.arange(customers * days), counts.ravel()), days)
    at = _moments(begin, day, habits.hour[who], random)
    order = np.argsort(at, kind="stable")
    who, at = who[order], at[order]
    day = (at - begin) // DAY_US
    amount = _amounts(habits.amount[who], random)
    pick = (random.random(len(who)) * (habits.starts[who + 1] - habits.starts[who])).astype(np.int64)
    where = habits.near[habits.starts[who] + pick]
    kind = np.where(amount > LARGE, 1, 0)
    kind[_compromised(terminals, days, TERMINALS_A_DAY, TERMINAL_DAYS, random)[where, day]] = 2
    hit = _compromised(customers, days, CARDS_A_DAY, CARD_DAYS, random)[who, day] & (random.random(len(who)) < 1 / 3)
    amount = np.where(hit, np.round(amount * CARD_FACTOR, 2), amount)
    kind[hit] = 3
    names = _names("p", len(who))
    table = pa.table(
        {
            "payment_id": names,
            "at": _utc(at),
            "customer_id": who,
            "terminal_id": where,
            "amount": _money(amount),
        }
    )
    truth = pa.table({"payment_id": names, "kind": kind.astype(np.int64)})
    return World(table, _chargebacks(table, at, kind, random), _people(customers, begin, days, random), truth)


def _habits(customers: int, terminals: int, random: np.random.Generator) -> _Habits:
    amount = random.uniform(5.0, 100.0, customers)
    a_day = random.uniform(0.0, 4.0, customers)
    hour = random.normal(13.0, 2.0, customers)
    starts, near = _neighbours(random.uniform(0, SIDE, (customers, 2)), random.uniform(0, SIDE, (terminals, 2)))
    return _Habits(amount, a_day, hour, starts, near)


def _neighbours(homes: Floats, places: Floats) -> tuple[Ints, Ints]:
    """Return for each home where its terminals begin in the list of all, and that list; the nearest if none is near."""
    found: list[Ints] = []
    counts: list[Ints] = []
    for begin in range(0, len(homes), 256):
        block = homes[begin : begin + 256]
        away = ((block[:, None, :] - places[None, :, :]) ** 2).sum(axis=2)
        near = away <= REACH**2
        near[np.arange(len(block)), away.argmin(axis=1)] = True
        found.append(np.nonzero(near)[1])
        counts.append(near.sum(axis=1))
    return np.concatenate([[0], np.cumsum(np.concatenate(counts))]), np.concatenate(found)


def _moments(begin: int, day: Ints, hour: Floats, random: np.random.Generator) -> Ints:
    """Times to the second around a customer's usual hour; what would fall outside its day is wrapped into it."""
    seconds = (random.normal(0.0, 4.5, len(day)) + hour) * 3600.0
    return begin + day * DAY_US + (seconds.astype(np.int64) % 86_400) * 1_000_000


def _amounts(usual: Floats, random: np.random.Generator) -> Floats:
    amount = random.normal(usual, usual / 2)
    again = random.uniform(0.0, 2 * usual)
    return np.maximum(np.round(np.where(amount > 0, amount, again), 2), 0.01)


def _compromised(count: int, days: int, a_day: int, length: int, random: np.random.Generator) -> Bools:
    """Return which of ``count`` things are compromised on which day: ``a_day`` new ones each day, for a while."""
    hit = np.zeros((count, days), dtype=np.bool_)
    for first in range(days):
        hit[random.integers(0, count, a_day), first : first + length] = True
    return hit


def _chargebacks(table: pa.Table, at: Ints, kind: Ints, random: np.random.Generator) -> pa.Table:
    frauds = np.nonzero(kind)[0]
    arrived = at[frauds] + random.integers(DAY_US, 6 * DAY_US, len(frauds)) // 1_000_000 * 1_000_000
    order = np.argsort(arrived, kind="stable")
    of = table.take(pa.array(frauds[order]))
    return pa.table(
        {
            "chargeback_id": _names("c", len(frauds)),
            "at": _utc(arrived[order]),
            "payment_id": of.column("payment_id"),
            "terminal_id": of.column("terminal_id"),
            "customer_id": of.column("customer_id"),
            "is_fraud": np.ones(len(frauds), dtype=np.int64),
        }
    )


def _people(customers: int, begin: int, days: int, random: np.random.Generator) -> pa.Table:
    """States of customers: all from the start, and a tenth of them another segment from some day on."""
    segment = random.integers(0, len(SEGMENTS), customers)
    age = random.integers(0, len(AGE_BANDS), customers)
    moved = np.nonzero(random.random(customers) < 0.1)[0]
    when = begin + random.integers(1, max(days, 2), len(moved)) * DAY_US
    who = np.concatenate([np.arange(customers), moved])
    since = np.concatenate([np.full(customers, begin), when])
    segments = np.concatenate([segment, (segment[moved] + 1) % len(SEGMENTS)])
    return pa.table(
        {
            "customer_id": who,
            "valid_from": _utc(since),
            "segment": pa.array(np.array(SEGMENTS)[segments]),
            "age_band": pa.array(np.array(AGE_BANDS)[age[who]]),
        }
    )


def _names(letter: str, count: int) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(np.arange(1, count + 1)).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(pa.scalar(letter), digits, pa.scalar(""))


def _utc(us: Ints) -> pa.Array:
    return pa.array(us, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _money(amount: Floats) -> pa.Array:
    return pa.array(amount).cast(pa.decimal128(12, 2))
