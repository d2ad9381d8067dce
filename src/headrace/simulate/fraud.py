"""Three kinds of fraud, whose rates do not depend on the size of the world, and their chargebacks.

Kind 1: of the unusually large amounts, most. Kind 2: terminals compromised for four weeks, at which nearly every
payment is fraud. Kind 3: cards compromised for two weeks, a third of whose payments are fraud at five times the amount.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.simulate.columns import DAY_US, SECOND_US, Bools, Ints, identifiers, moments

LARGE_CENTS, LARGE_SHARE = 220_00, 0.75
"""Kind 1: amounts above this, and the share of them that is fraud."""
TERMINALS_A_DAY, TERMINAL_DAYS, TERMINAL_SHARE = 2 / 10_000, 28, 0.9
"""Kind 2: share of the terminals newly compromised each day, for how many days, and the share of fraud there."""
CARDS_A_DAY, CARD_DAYS, CARD_SHARE, CARD_FACTOR = 3 / 5_000, 14, 1 / 3, 5
"""Kind 3: share of the cards newly compromised each day, for how many days, the share of fraud, times the amount."""
FIRST_DAY, LAST_DAY = 1, 6
"""A chargeback arrives at least and at most so many days after its payment."""


def compromised(count: int, days: int, a_day: float, lasting: int, random: np.random.Generator) -> Bools:
    """Return which of ``count`` things are compromised on which of ``days`` days.

    Each comes before any comes again; the share ``a_day`` accumulates, so that in a small world one is compromised
    each few days, and its rate of fraud is that of a large one.
    """
    starts = np.floor(np.arange(days + 1) * count * a_day + 0.5).astype(np.int64)
    first_day = np.repeat(np.arange(days), np.diff(starts))
    hit = np.zeros((count, days), dtype=np.bool_)
    for thing, day in zip(np.resize(random.permutation(count), len(first_day)), first_day, strict=True):
        hit[thing, day : day + lasting] = True
    return hit


def kinds(
    who: Ints, where: Ints, day: Ints, cents: Ints, size: tuple[int, int, int], random: np.random.Generator
) -> Ints:
    """Return 0 for an honest payment, else its kind of fraud; ``size`` is customers, terminals, days."""
    customers, terminals, days = size
    kind = np.zeros(len(who), dtype=np.int64)
    kind[(cents > LARGE_CENTS) & (random.random(len(who)) < LARGE_SHARE)] = 1
    bad_terminal = compromised(terminals, days, TERMINALS_A_DAY, TERMINAL_DAYS, random)[where, day]
    kind[bad_terminal & (random.random(len(who)) < TERMINAL_SHARE)] = 2
    bad_card = compromised(customers, days, CARDS_A_DAY, CARD_DAYS, random)[who, day]
    kind[bad_card & (random.random(len(who)) < CARD_SHARE)] = 3
    return kind


def chargebacks(payments: pa.Table, at: Ints, kind: Ints, random: np.random.Generator) -> pa.Table:
    """Return an event for each fraud, one to six days after its payment, sorted by time."""
    frauds = np.flatnonzero(kind)
    later = random.integers(FIRST_DAY * DAY_US // SECOND_US, LAST_DAY * DAY_US // SECOND_US, len(frauds)) * SECOND_US
    arrived = at[frauds] + later
    order = np.argsort(arrived, kind="stable")
    charged = payments.select(["payment_id", "terminal_id", "customer_id"]).take(pa.array(frauds[order]))
    return pa.table(
        {
            "chargeback_id": identifiers("c", len(frauds)),
            "at": moments(arrived[order]),
            **dict(zip(charged.column_names, charged.columns, strict=True)),
            "is_fraud": np.ones(len(frauds), dtype=np.int64),
        }
    )
