"""A world of card payments: customers with a home and habits, terminals in a plane, and three kinds of fraud."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from headrace.simulate.columns import DAY_US, Ints, identifiers, microseconds, moments, money
from headrace.simulate.fraud import CARD_FACTOR, chargebacks, kinds
from headrace.simulate.habits import Habits, habits, states


@dataclass(frozen=True)
class World:
    """Everything that happened, as Arrow tables; moments are microseconds in UTC.

    Args:
        payments: payment_id (string), at, customer_id and terminal_id (int64), amount (decimal(12, 2), above 0);
            sorted by time.
        chargebacks: chargeback_id (string), at, payment_id, terminal_id, customer_id, is_fraud (int64, always 1);
            one for each fraud, sorted by time.
        customers: customer_id, valid_from, segment, age_band; a row for each state of a customer, sorted by time.
        truth: payment_id and kind (int64): 0 for an honest payment, else the kind of fraud; in the order of payments.
    """

    payments: pa.Table
    chargebacks: pa.Table
    customers: pa.Table
    truth: pa.Table


def payments(
    days: int = 183,
    customers: int = 5_000,
    terminals: int = 10_000,
    seed: int = 7,
    start: str = "2026-01-01",
    drawn: int | None = None,
) -> World:
    """Return a world of card payments, about two for each customer and day, of which about 0.8 % are fraud.

    Args:
        days: how long to watch it.
        customers: how many there are; each has a home, usual amounts, hours, and payments a day.
        terminals: how many there are; customers use those near home.
        seed: of all randomness; the same seed gives the same bytes.
        start: first day, in UTC, ISO 8601.
        drawn: with what, besides the seed, all but the habits is drawn: the same customers live another time.

    Returns:
        World: payments, chargebacks, customers, and the truth about each payment.

    Raises:
        ValueError: where a count is below 1, or the start is not a day.

    Example:
        >>> world = payments(days=30, customers=200, terminals=400)
        >>> world.payments.column_names
        ['payment_id', 'at', 'customer_id', 'terminal_id', 'amount']
        >>> world.payments.equals(payments(days=30, customers=200, terminals=400).payments)
        True
    """
    if min(days, customers, terminals) < 1:
        raise ValueError(f"days, customers and terminals are {days}, {customers}, {terminals}; each is at least 1")
    random = np.random.default_rng(seed)
    begin = _midnight(start)
    usual = habits(customers, terminals, random)
    if drawn is not None:
        random = np.random.default_rng([seed, drawn])
    who, at = _visits(usual, days, random)
    where, cents = usual.terminals(who, random), usual.amounts(who, random)
    kind = kinds(who, where, at // DAY_US, cents, (customers, terminals, days), random)
    cents = np.where(kind == 3, CARD_FACTOR * cents, cents)
    table = pa.table(
        {
            "payment_id": identifiers("p", len(who)),
            "at": moments(begin + at),
            "customer_id": who,
            "terminal_id": where,
            "amount": money(cents),
        }
    )
    charged = chargebacks(table, microseconds(table["at"]), kind, random)
    truth = pa.table({"payment_id": table["payment_id"], "kind": kind})
    return World(table, charged, states(usual.amount, begin, days, random), truth)


def _midnight(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY_US


def _visits(usual: Habits, days: int, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Return who pays and when, in microseconds since the first midnight, sorted by time."""
    counts = random.poisson(np.repeat(usual.a_day, days))
    who, day = np.divmod(np.repeat(np.arange(len(counts)), counts), days)
    at = usual.moments(who, day, random)
    order = np.argsort(at, kind="stable")
    return who[order], at[order]
