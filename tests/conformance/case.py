"""What a conformance case is: events, rows, declarations, and the values that every path must give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import headrace as hr
from headrace.declare import Window
from headrace.plan import compile_features
from headrace.plan.meaning import Plan

Row = dict[str, Any]
MONDAY = 1_767_571_200_000_000
"""2026-01-05T00:00:00Z, in microseconds."""


class Sale(hr.Contract):
    """What a case may be about."""

    at: hr.Timestamp = hr.event_time()
    customer: int | None
    shop: str | None
    amount: hr.Decimal(10, 2) | None
    n: int | None = hr.field(ge=-1_000_000, le=1_000_000)
    big: int | None
    x: float | None = hr.field(ge=-1e9, le=1e9)
    free: float | None
    ok: bool | None
    note: str | None
    day: hr.Date | None
    seen: hr.Timestamp | None


class Price(hr.Contract):
    """State of a shop."""

    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()
    shop: str | None
    price: hr.Decimal(8, 2) | None
    label: str | None


sales = hr.Stream("sales", Sale)
visits = hr.Stream("visits", Sale)
prices = hr.Table("prices", Price, source="prices.csv")
STREAMS = {"sales": sales, "visits": visits}


def clock(text: str) -> int:
    """Return "12:00", or "tue 12:00:00.000001" of the first week of 2026, in microseconds."""
    day, _, time = text.rpartition(" ")
    hours, minutes, *seconds = time.split(":")
    whole, _, fraction = (seconds[0] if seconds else "0").partition(".")
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].index(day or "mon")
    us = int(whole) * 10**6 + int((fraction or "0").ljust(6, "0"))
    return MONDAY + days * 86_400 * 10**6 + int(hours) * 3600 * 10**6 + int(minutes) * 60 * 10**6 + us


def sale(at: str, known: str = "", **fields: Any) -> Row:
    """Return an event of customer 1 at a time; ``known`` is when it was learned, at once by default."""
    row = dict.fromkeys(Sale.fields()) | {"customer": 1} | fields
    return row | {"at": clock(at), "_known_at": clock(known or at)}


def ask(at: str, **fields: Any) -> Row:
    """Return a row of customer 1 that knows what was known at its moment."""
    return dict.fromkeys(Sale.fields()) | {"customer": 1} | fields | {"at": clock(at)}


def price(since: str, until: str = "", known: str = "", **fields: Any) -> Row:
    row = dict.fromkeys(Price.fields()) | {"shop": "north"} | fields
    return row | {"since": clock(since), "until": clock(until) if until else None, "_known_at": clock(known or since)}


def log(rows: Sequence[Row]) -> list[Row]:
    """Number events in the order in which they were learned; what was learned at once keeps its order."""
    return [{**row, "_seq": seq} for seq, row in enumerate(sorted(rows, key=lambda row: row["_known_at"]), 1)]


@dataclass(frozen=True)
class Case:
    """One case.

    Args:
        name: what it shows.
        windows: name to aggregate over the events of ``by`` in ``of``.
        events: rows of the stream, in any order.
        rows: what is asked about; an index is an event itself, with its place in the log.
        expected: feature to the value for each row.
        by: key columns.
        of: stream of the events; the rows are sales.
        states: name to expression over the price of the row's shop.
        prices: rows of the state table.
        row: name to expression over the row and the other features, as ``w.name`` and ``s.name``.
    """

    name: str
    windows: Mapping[str, Window] = field(default_factory=dict)
    events: Sequence[Row] = ()
    rows: Sequence[Row | int] = ()
    expected: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    by: tuple[str, ...] = ("customer",)
    of: str = "sales"
    states: Mapping[str, str] = field(default_factory=dict)
    prices: Sequence[Row] = ()
    row: Mapping[str, str] = field(default_factory=dict)

    def plan(self) -> Plan:
        """Return the compiled declaration."""
        groups = []
        if self.windows:
            groups.append(hr.Features("w", STREAMS[self.of], by=hr.Entity(*self.by), features=self.windows))
        if self.states:
            groups.append(hr.Features("s", prices, by=hr.Entity("shop"), features=self.states))
        if self.row:
            groups.append(hr.Features("r", sales, features=self.row))
        return compile_features(groups, sales)

    def spine(self) -> list[Row]:
        """Return the rows that are asked about; an event with its place in the log."""
        learned = sorted(range(len(self.events)), key=lambda at: self.events[at]["_known_at"])
        own = {at: {**self.events[at], "_seq": seq} for seq, at in enumerate(learned, 1)}
        return [own[row] if isinstance(row, int) else row for row in self.rows]

    def sources(self) -> dict[str, list[Row]]:
        """Return the rows of each source, with their log."""
        found: dict[str, list[Row]] = {"sales": [], "visits": [], "prices": log(self.prices)}
        return found | {self.of: log(self.events)}
