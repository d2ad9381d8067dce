"""Cases about values: exact totals, magnitudes, zeros, nulls, types."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import headrace as hr
from tests.conformance.case import Case, ask, clock, sale

NOON = [ask("12:00")]
BIG = 2**62
TENTHS = [sale("11:00", x=0.1) for _ in range(10)]

CASES = [
    Case(
        "ten tenths: each within 2**-32 of 0.1, added without an error and rounded once",
        {"s": hr.sum("x", "1h"), "m": hr.mean("x", "1h")},
        TENTHS,
        NOON,
        {"w.s": [10 * round(0.1 * 2**32) / 2**32], "w.m": [round(0.1 * 2**32) / 2**32]},
    ),
    Case(
        "what cancels leaves nothing behind, in whatever order",
        {"s": hr.sum("x", "1h"), "v": hr.var("x", "1h")},
        [sale("11:00", x=x) for x in (1e9, 0.5, -1e9)],
        NOON,
        {"w.s": [0.5], "w.v": [float((2 * 10**18 + 0.25 - 0.25 / 3) / 2)]},
    ),
    Case(
        "decimals are added as decimals",
        {"s": hr.sum("amount", "1h"), "m": hr.mean("amount", "1h")},
        [sale("11:00", amount="0.10"), sale("11:00", amount="0.20")],
        NOON,
        {"w.s": [0.3], "w.m": [0.15]},
    ),
    Case(
        "the largest decimals",
        {"s": hr.sum("amount", "1h"), "v": hr.var("amount", "1h")},
        [sale("11:00", amount="99999999.99"), sale("11:00", amount="-99999999.99")],
        NOON,
        {"w.s": [0.0], "w.v": [float(2 * Decimal("99999999.99") ** 2)]},
    ),
    Case(
        "whole numbers that no float holds: rounded to the nearest, ties to even",
        {"s": hr.sum("big", "1h"), "m": hr.mean("big", "1h")},
        [sale("11:00", big=2**53), sale("11:00", big=1)],
        NOON,
        {"w.s": [float(2**53)], "w.m": [float(2**52)]},
    ),
    Case(
        "a tie is broken by one more",
        {"s": hr.sum("big", "1h")},
        [sale("11:00", big=2**54), sale("11:00", big=2), sale("11:00", big=1)],
        NOON,
        {"w.s": [float(2**54 + 4)]},
    ),
    Case(
        "totals beyond 64 bits",
        {"s": hr.sum("big", "1h"), "m": hr.mean("big", "1h")},
        [sale("11:00", big=2**63 - 1), sale("11:10", big=2**63 - 1), sale("11:20", big=2**63 - 1)],
        NOON,
        {"w.s": [float(3 * 2**63)], "w.m": [float(2**63)]},
    ),
    Case(
        "totals beyond 64 bits that come back",
        {"s": hr.sum("big", "1h")},
        [sale("11:00", big=-(2**63)), sale("11:10", big=-(2**63)), sale("11:20", big=2**63 - 1), sale("11:20", big=7)],
        NOON,
        {"w.s": [float(-(2**63) + 6)]},
    ),
    Case(
        "a mean just below 2**62",
        {"m": hr.mean("big", "1h")},
        [sale("11:00", big=BIG - 1), sale("11:10", big=BIG - 2)],
        NOON,
        {"w.m": [float(BIG)]},
    ),
    Case(
        "a variance of equal values is zero",
        {"v": hr.var("x", "1h"), "s": hr.std("x", "1h")},
        TENTHS,
        NOON,
        {"w.v": [0.0], "w.s": [0.0]},
    ),
    Case(
        "extremes have one zero, first and last have both",
        {"m": hr.min("x", "1h"), "x": hr.max("x", "1h"), "f": hr.first("x", "1h"), "l": hr.last("x", "1h")},
        [sale("11:00", x=-0.0), sale("11:10", x=-0.0)],
        NOON,
        {"w.m": [0.0], "w.x": [0.0], "w.f": [-0.0], "w.l": [-0.0]},
    ),
    Case(
        "minus zero and zero are one distinct value",
        {"n": hr.nunique("x", "1h"), "t": hr.top_k("x", "1h", k=3)},
        [sale("11:00", x=-0.0), sale("11:10", x=0.0), sale("11:20", x=1.0)],
        NOON,
        {"w.n": [2], "w.t": [[0.0, 1.0]]},
    ),
    Case(
        "extremes of the widest floats and the narrowest",
        {"m": hr.min("free", "1h"), "x": hr.max("free", "1h")},
        [sale("11:00", free=5e-324), sale("11:10", free=-5e-324), sale("11:20", free=0.0)],
        [*NOON, ask("12:25")],
        {"w.m": [-5e-324, None], "w.x": [5e-324, None]},
    ),
    Case(
        "extremes of text are by code point",
        {"m": hr.min("note", "1h"), "x": hr.max("note", "1h")},
        [sale("11:00", note=note) for note in ("b", "Z", "", "é", "z")],
        NOON,
        {"w.m": [""], "w.x": ["é"]},
    ),
    Case(
        "extremes of times and days",
        {"m": hr.min("seen", "1h"), "x": hr.max("day", "1h"), "l": hr.last_n("day", "1h", n=2)},
        [sale("11:00", seen=clock("10:00"), day=0), sale("11:10", seen=clock("09:00"), day=-1)],
        NOON,
        {
            "w.m": [datetime(2026, 1, 5, 9, tzinfo=UTC)],
            "w.x": [date(1970, 1, 1)],
            "w.l": [[date(1969, 12, 31), date(1970, 1, 1)]],
        },
    ),
    Case(
        "nulls are skipped, but rows are counted",
        {
            "rows": hr.count("1h"),
            "values": hr.count("x", "1h"),
            "mean": hr.mean("x", "1h"),
            "nunique": hr.nunique("x", "1h"),
            "last_n": hr.last_n("x", "1h", n=3),
        },
        [sale("11:00", x=1.0), sale("11:10"), sale("11:20", x=3.0), sale("11:30")],
        NOON,
        {"w.rows": [4], "w.values": [2], "w.mean": [2.0], "w.nunique": [2], "w.last_n": [[3.0, 1.0]]},
    ),
    Case(
        "the newest may be null, the newest known is not",
        {"l": hr.last("note", "1h"), "k": hr.last_known("note", "1h"), "f": hr.first("note", "1h")},
        [sale("11:00"), sale("11:10", note="a"), sale("11:20")],
        NOON,
        {"w.l": [None], "w.k": ["a"], "w.f": [None]},
    ),
    Case(
        "a share of a condition skips what is unknown",
        {"share": hr.mean("x > 1", "1h"), "sum": hr.sum("ok", "1h")},
        [sale("11:00", x=2.0, ok=True), sale("11:10", x=1.0, ok=True), sale("11:20"), sale("11:30", x=3.0, ok=False)],
        NOON,
        {"w.share": [2 / 3], "w.sum": [2.0]},
    ),
    Case(
        "a condition that is unknown is not true",
        {
            "c": hr.count("1h", where="x > 1"),
            "n": hr.count("1h", where="not x > 1"),
            "u": hr.count("1h", where="x is null"),
        },
        [sale("11:00", x=2.0), sale("11:10", x=0.0), sale("11:20")],
        NOON,
        {"w.c": [1], "w.n": [1], "w.u": [1]},
    ),
    Case(
        "an expression is aggregated as a column is",
        {"s": hr.sum("n * n - 1", "1h"), "t": hr.top_k("upper(note)", "1h", k=2), "h": hr.mean("hour(at)", "1d")},
        [sale("11:00", n=2, note="a"), sale("11:10", n=3, note="b"), sale("11:20", n=4, note="A")],
        NOON,
        {"w.s": [26.0], "w.t": [["A", "B"]], "w.h": [11.0]},
    ),
    Case(
        "top_k counts, and breaks ties in ascending order",
        {"t": hr.top_k("n", "1h", k=3), "one": hr.top_k("n", "1h", k=1), "all": hr.top_k("n", "1h", k=9)},
        [sale("11:00", n=n) for n in (5, 3, 3, -1, 5, 7)],
        NOON,
        {"w.t": [[3, 5, -1]], "w.one": [[3]], "w.all": [[3, 5, -1, 7]]},
    ),
    Case(
        "quantiles from the smallest to the largest",
        {f"q{int(q * 100)}": hr.quantile("n", "1h", q=q) for q in (0, 0.25, 0.5, 0.75, 1)},
        [sale("11:00", n=n) for n in (40, 10, 30, 20, -50)],
        NOON,
        {"w.q0": [-50.0], "w.q25": [10.0], "w.q50": [20.0], "w.q75": [30.0], "w.q100": [40.0]},
    ),
    Case(
        "a quantile keeps nine binary digits of the value",
        {"q": hr.quantile("n", "1h", q=0.5), "x": hr.quantile("x", "1h", q=0.5)},
        [sale("11:00", n=1001, x=-0.1)],
        NOON,
        {"w.q": [1000.0], "w.x": [-math.floor(0.1 * 2**12) / 2**12]},
    ),
    Case(
        "a decayed sum halves with each half-life and forgets after 64",
        {"s": hr.decayed_sum("n", half_life="1m"), "m": hr.decayed_mean("n", half_life="1m")},
        [sale("11:00", n=8), sale("11:02", n=8)],
        [ask("11:02"), ask("11:03"), ask("12:04"), ask("12:05"), ask("12:07")],
        {"w.s": [2.0, 5.0, 8 * 2**-64 + 8 * 2**-62, 8 * 2**-63, None], "w.m": [8.0, 8.0, 8.0, 8.0, None]},
    ),
    Case(
        "decayed aggregates forget what has left their window, in each window of a series",
        {
            "s": hr.decayed_sum("n", ["2m", "1h"], half_life="1m"),
            "m": hr.decayed_mean("n", ["2m", "1h", "lifetime"], half_life="1m"),
        },
        [sale("11:00", n=8), sale("11:02", n=4)],
        [ask("11:02"), ask("11:03"), ask("12:02")],
        {
            "w.s_2m": [2.0, 2.0, None],
            "w.s_1h": [2.0, 3.0, 4 * 2**-60],
            "w.m_2m": [8.0, 4.0, None],
            "w.m_1h": [8.0, 4.8, 4.0],
            "w.m_lifetime": [8.0, 4.8, 4.8],
        },
    ),
    Case(
        "a decayed sum of opposite signs",
        {"s": hr.decayed_sum("x", half_life="1h")},
        [sale("10:00", x=1.0), sale("11:00", x=-0.5)],
        NOON,
        {"w.s": [0.0]},
    ),
    Case(
        "an estimate of many distinct values is within four standard errors, and of few exact",
        {"few": hr.approx_nunique("n", "10m"), "none": hr.approx_nunique("note", "1h")},
        [sale("11:55", n=n % 7) for n in range(50)],
        NOON,
        {"w.few": [7], "w.none": [None]},
    ),
]
