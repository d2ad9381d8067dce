"""Who the customers are: where they live, what they spend and when, and which terminals they use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from headrace.simulate.columns import DAY_US, SECOND_US, Floats, Ints, moments

SIDE = 100.0
"""Length of a side of the plane in which everyone lives."""
REACH = 5.0
"""How far from home a customer shops."""
SEGMENTS = ("student", "standard", "premium")
AGE_BANDS = ("18-25", "26-40", "41-60", "61+")
MOVERS = 0.1
"""Share of the customers who change their segment once."""
_LONELY_BLOCK = 512


@dataclass(frozen=True)
class Habits:
    """What customers do, one value for each customer.

    Args:
        amount: usual amount of a payment; the spread is half of it.
        a_day: payments a day.
        hour: usual hour of the day.
        first: where in ``near`` the terminals of a customer begin; one longer than there are customers.
        near: terminals within reach, customer after customer.
    """

    amount: Floats
    a_day: Floats
    hour: Floats
    first: Ints
    near: Ints

    def amounts(self, who: Ints, random: np.random.Generator) -> Ints:
        """Return an amount in cents, at least 1, for each payment of the customers ``who``."""
        usual = self.amount[who]
        drawn = usual * (1 + 0.5 * random.standard_normal(len(who)))
        again = usual * random.uniform(0.0, 2.0, len(who))
        cents: Ints = np.rint(100 * np.where(drawn > 0, drawn, again)).astype(np.int64)
        return np.maximum(cents, 1)

    def moments(self, who: Ints, day: Ints, random: np.random.Generator) -> Ints:
        """Return microseconds since the first midnight, whole seconds; what leaves its day is wrapped into it."""
        second = 3_600 * (self.hour[who] + 4.5 * random.standard_normal(len(who)))
        return day * DAY_US + second.astype(np.int64) % 86_400 * SECOND_US

    def terminals(self, who: Ints, random: np.random.Generator) -> Ints:
        """Return a terminal near home for each payment of the customers ``who``."""
        choices = np.diff(self.first)[who]
        return self.near[self.first[who] + (random.random(len(who)) * choices).astype(np.int64)]


def habits(customers: int, terminals: int, random: np.random.Generator) -> Habits:
    """Return seeded habits of so many customers among so many terminals."""
    amount = random.uniform(5.0, 100.0, customers)
    a_day = random.uniform(0.0, 3.85, customers)
    hour = random.normal(13.0, 2.0, customers)
    first, near = _near(random.uniform(0, SIDE, (customers, 2)), random.uniform(0, SIDE, (terminals, 2)))
    return Habits(amount, a_day, hour, first, near)


def states(usual: Floats, begin: int, days: int, random: np.random.Generator) -> pa.Table:
    """Return what customers are from a moment on: all from the start, some of them another segment from some day on."""
    customers = len(usual)
    segment = np.digitize(usual + random.normal(0.0, 20.0, customers), (35.0, 75.0))
    age = random.integers(0, np.where(segment == 0, 2, len(AGE_BANDS)))
    movers = np.flatnonzero(random.random(customers) < MOVERS) if days > 1 else np.empty(0, np.int64)
    days_in = np.sort(random.integers(1, max(days, 2), len(movers)))
    movers = random.permutation(movers)
    who = np.concatenate([np.arange(customers), movers])
    now = np.concatenate([segment, (segment[movers] + random.integers(1, 3, len(movers))) % len(SEGMENTS)])
    since = begin + DAY_US * np.concatenate([np.zeros(customers, np.int64), days_in])
    return pa.table(
        {
            "customer_id": who,
            "valid_from": moments(since),
            "segment": pa.array(SEGMENTS).take(pa.array(now)),
            "age_band": pa.array(AGE_BANDS).take(pa.array(age[who])),
        }
    )


def _near(homes: Floats, places: Floats) -> tuple[Ints, Ints]:
    """Return where the terminals of each home begin in the list of all, and that list; one at least for each home."""
    home, place = _neighbours(homes, places)
    lonely = np.setdiff1d(np.arange(len(homes)), home)
    home = np.concatenate([home, lonely])
    order = np.argsort(home, kind="stable")
    near = np.concatenate([place, _nearest(homes[lonely], places)])[order]
    return np.searchsorted(home[order], np.arange(len(homes) + 1)), near


def _neighbours(homes: Floats, places: Floats) -> tuple[Ints, Ints]:
    """Return the pairs of a home and a place within reach.

    Places are sorted by the cell of a grid as wide as the reach; so the candidates of a home, in the nine cells
    around it, are three runs of places, and no pair further apart is ever looked at.
    """
    across = int(SIDE // REACH)
    row, column = _cell(homes, across)
    of_place = np.ravel_multi_index(_cell(places, across), (across, across))
    order = np.argsort(of_place, kind="stable")
    sorted_cells = of_place[order]
    homes_found, places_found = [], []
    for step in (-1, 0, 1):
        inside = np.flatnonzero((row + step >= 0) & (row + step < across))
        cells = (row[inside] + step) * across
        begin = np.searchsorted(sorted_cells, cells + np.maximum(column[inside] - 1, 0), side="left")
        end = np.searchsorted(sorted_cells, cells + np.minimum(column[inside] + 1, across - 1), side="right")
        homes_found.append(np.repeat(inside, end - begin))
        places_found.append(order[_runs(begin, end)])
    home, place = np.concatenate(homes_found), np.concatenate(places_found)
    close = ((homes[home] - places[place]) ** 2).sum(axis=1) <= REACH**2
    return home[close], place[close]


def _cell(points: Floats, across: int) -> tuple[Ints, Ints]:
    cells = np.minimum((points / REACH).astype(np.int64), across - 1)
    return cells[:, 0], cells[:, 1]


def _runs(begin: Ints, end: Ints) -> Ints:
    """Return ``begin[0], …, end[0] - 1, begin[1], …``: all runs, one after the other."""
    lengths = end - begin
    before = np.cumsum(lengths) - lengths
    places: Ints = np.arange(lengths.sum()) + np.repeat(begin - before, lengths)
    return places


def _nearest(homes: Floats, places: Floats) -> Ints:
    """Return the nearest place of each home; in blocks, as a sparse plane has many homes without a neighbour."""
    blocks = [homes[at : at + _LONELY_BLOCK] for at in range(0, len(homes), _LONELY_BLOCK)]
    found = [((block[:, None] - places[None]) ** 2).sum(axis=2).argmin(axis=1) for block in blocks]
    return np.concatenate([np.empty(0, np.int64), *found])
