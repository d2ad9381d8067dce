"""Cases about expressions over the row, over other features, and over the state of a shop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import headrace as hr
from tests.conformance.case import Case, Row, ask, clock, price, sale

MIDDAY = datetime(2026, 1, 5, 12, 34, 56, 789012, tzinfo=UTC)


def of(expression: str, rows: Sequence[dict[str, Any]], *expected: Any) -> Case:
    """One expression over rows that are told by the fields that matter."""
    asked: list[Row] = [ask("12:34:56.789012", **row) for row in rows]
    return Case(expression, rows=asked, row={"f": expression}, expected={"r.f": list(expected)})


X = [{"x": 2.5}, {"x": -2.5}, {"x": 0.0}, {}]
N = [{"n": 7}, {"n": -7}, {"n": 0}, {}]
OK = [{"ok": True}, {"ok": False}, {}]
NOTES = [{"note": "Straße 1"}, {"note": ""}, {}]
AMOUNTS = [{"amount": "2.50"}, {"amount": "-0.01"}, {}]
AT = [{}]

EXPRESSIONS = [
    of("n + 1", N, 8, -6, 1, None),
    of("n - 0.5", N, 6.5, -7.5, -0.5, None),
    of("n * amount", [{"n": 3, "amount": "0.10"}, {"n": 3}], 0.3, None),
    of("amount + 0.001", AMOUNTS, 2.501, -0.009, None),
    of("x / n", [{"x": 1.0, "n": 8}, {"x": 1.0, "n": 0}, {"x": 0.0, "n": 0}], 0.125, None, None),
    of("n // 2", N, 3, -3, 0, None),
    of("n % 2", N, 1, -1, 0, None),
    of("5 % n", N, 5, 5, None, None),
    of("-x", X, -2.5, 2.5, -0.0, None),
    of("abs(n)", N, 7, 7, 0, None),
    of("sqrt(x)", X, math.sqrt(2.5), None, 0.0, None),
    of("floor(x)", X, 2.0, -3.0, 0.0, None),
    of("ceil(x)", X, 3.0, -2.0, 0.0, None),
    of("round(x)", X, 3.0, -3.0, 0.0, None),
    of("round(x, 1)", [{"x": 0.25}, {"x": -0.25}, {"x": 1e8}], 0.3, -0.3, 1e8),
    of("ln(x)", [{"x": 1.0}, {"x": 0.0}, {"x": -1.0}, {}], 0.0, None, None, None),
    of("exp(x)", [{"x": 0.0}, {"x": 1000.0}, {"x": -1000.0}, {}], 1.0, None, 0.0, None),
    of("pow(x, 2)", X, 6.25, 6.25, 0.0, None),
    of("pow(x, 0.5)", [{"x": 0.0}, {"x": -1.0}, {"x": 1.0}], 0.0, None, 1.0),
    of("pow(x, -1)", X, 0.4, -0.4, None, None),
    of("cast(amount as double)", AMOUNTS, 2.5, -0.01, None),
    of("cast(ok as int)", OK, 1, 0, None),
    of("n = 7", N, True, False, False, None),
    of("n <> 7", N, False, True, True, None),
    of("amount < 2.499", AMOUNTS, False, True, None),
    of("x <= 0", X, False, True, True, None),
    of("note > 'A'", NOTES, True, False, None),
    of("day >= date '1970-01-02'", [{"day": 1}, {"day": 0}, {}], True, False, None),
    of("ok and n > 0", [{"ok": True, "n": 1}, {"ok": True}, {"ok": False}, {"n": 0}], True, None, False, False),
    of("ok or n > 0", [{"ok": False, "n": 0}, {"ok": False}, {"ok": True}, {"n": 1}], False, None, True, True),
    of("not ok", OK, False, True, None),
    of("n is null", N, False, False, False, True),
    of("ok is not true", OK, False, True, True),
    of("n in (7, 0, null)", N, True, None, True, None),
    of("n not in (7, 1)", N, False, True, True, None),
    of("n between -7 and 0", N, False, True, True, None),
    of("case when n > 0 then 'plus' when n < 0 then 'minus' end", N, "plus", "minus", None, None),
    of("case n when 7 then 1 else x end", [{"n": 7}, {"n": 1, "x": 0.5}, {"n": 1}], 1.0, 0.5, None),
    of("if(ok, 1, 2)", OK, 1, 2, 2),
    of("nullif(n, 0)", N, 7, -7, None, None),
    of("coalesce(n, amount, 9)", [{"n": 1}, {"amount": "0.50"}, {}], 1.0, 0.5, 9.0),
    of("greatest(n, 1, null)", N, 7, 1, 1, 1),
    of("least(x, n)", [{"x": 1.5, "n": 2}, {"n": 2}, {}], 1.5, 2.0, None),
    of("hour(at)", AT, 12),
    of("minute(at)", AT, 34),
    of("second(at)", AT, 56),
    of("dayofweek(at)", AT, 1),
    of("isodow(at)", AT, 1),
    of("day(at)", AT, 5),
    of("month(at)", AT, 1),
    of("year(at)", AT, 2026),
    of("year(day)", [{"day": -1}, {"day": 0}, {"day": 20_000}, {}], 1969, 1970, 2024, None),
    of("dayofweek(day)", [{"day": 3}, {"day": 4}, {"day": -4}], 0, 1, 0),
    of("extract(hour from at)", AT, 12),
    of("epoch(at)", AT, 1767616496.789012),
    of("cast(at as date)", AT, date(2026, 1, 5)),
    of("cast(day as date)", [{"day": 20_000}, {}], date(2024, 10, 4), None),
    of("date_trunc('week', at)", AT, datetime(2026, 1, 5, tzinfo=UTC)),
    of("date_trunc('month', at)", AT, datetime(2026, 1, 1, tzinfo=UTC)),
    of("date_trunc('year', seen)", [{"seen": -1}, {}], datetime(1969, 1, 1, tzinfo=UTC), None),
    of("date_trunc('minute', at)", AT, MIDDAY.replace(second=0, microsecond=0)),
    of("at - interval '1 day'", AT, MIDDAY.replace(day=4)),
    of("at + interval 2 weeks > timestamp '2026-01-19 12:34:56'", AT, True),
    of("epoch(at) - epoch(seen)", [{"seen": clock("12:34:56")}, {}], 0.7890119552612305, None),
    of("lower(note)", NOTES, "straße 1", "", None),
    of("upper(note)", NOTES, "STRASSE 1", "", None),
    of("trim(note)", [{"note": "  a b "}, {"note": "\ta "}], "a b", "\ta"),
    of("length(note)", NOTES, 8, 0, None),
    of("note like 'Str_%e 1'", [*NOTES, {"note": "Stre 1"}, {"note": "Str.\ne 1"}], True, False, None, False, True),
    of("starts_with(note, 'Str')", NOTES, True, False, None),
    of("contains(note, 'ß')", NOTES, True, False, None),
    of("substring(note, 2, 3)", NOTES, "tra", "", None),
    of("substring(note, 7)", NOTES, " 1", "", None),
    of("note || '!'", NOTES, "Straße 1!", "!", None),
    of(
        "cast(note as double)",
        [{"note": " -1.5e3 "}, {"note": "1,5"}, {"note": "1e999"}, {"note": "nan"}],
        -1500.0,
        *3 * [None],
    ),
    of("free * free", [{"free": 1e200}, {"free": 1e-200}, {"free": -3.0}], None, 0.0, 9.0),
]

DERIVED = [
    Case(
        "features of the row use features of its entity, and one another in any order",
        {"mean": hr.mean("amount", "1d"), "c": hr.count("1d")},
        [sale("10:00", amount="2.00"), sale("11:00", amount="4.00")],
        [ask("12:00", amount="6.00"), ask("09:00", amount="6.00")],
        {"r.ratio": [2.0, None], "r.twice": [4.0, None], "r.none": [False, True], "r.spread": [3, 1]},
        row={"twice": "r.ratio * 2", "ratio": "amount / w.mean", "none": "w.mean is null", "spread": "w.c + 1"},
    ),
    Case(
        "a decimal feature is exact until it leaves",
        {"last": hr.last("amount", "1d")},
        [sale("10:00", amount="0.10")],
        [ask("12:00", amount="0.20")],
        {"r.same": [True], "w.last": [0.1], "r.sum": [0.3]},
        row={"same": "w.last + amount = 0.30", "sum": "w.last + amount"},
    ),
]

PRICES = [
    price("10:00", "11:00", price="1.00", label="a"),
    price("11:00", "13:00", price="2.00", label="b"),
    price("14:00", price="3.00"),
    price("10:00", shop="south", price="9.00"),
]
STATES = {"price": "price", "label": "coalesce(label, 'none')", "twice": "price * 2"}


def state(name: str, prices: Sequence[Row], rows: Sequence[Row], **expected: Sequence[Any]) -> Case:
    called = {f"s.{feature}": values for feature, values in expected.items()}
    return Case(name, rows=rows, states=STATES, prices=prices, expected=called)


def at(*times: str) -> list[Row]:
    return [ask(time, shop="north") for time in times]


STATED = [
    state(
        "a state holds from its first moment on, and no longer at its last",
        PRICES,
        at("09:59:59.999999", "10:00", "10:59:59.999999", "11:00", "13:00", "14:00", "fri 12:00"),
        price=[None, 1.0, 1.0, 2.0, None, 3.0, 3.0],
        label=[None, "a", "a", "b", None, "none", "none"],
        twice=[None, 2.0, 2.0, 4.0, None, 6.0, 6.0],
    ),
    state(
        "each key has its own state, a null key none",
        PRICES,
        [ask("12:00", shop="south"), ask("12:00", shop="west"), ask("12:00", shop=None)],
        price=[9.0, None, None],
    ),
    state(
        "a state that was learned late was not there before",
        [price("10:00", price="1.00"), price("11:00", known="12:30", price="2.00")],
        at("12:00", "12:29:59.999999", "12:30"),
        price=[1.0, 1.0, 2.0],
    ),
    state(
        "of states that begin at the same moment the one that was learned last holds",
        [price("10:00", price="1.00"), price("10:00", price="2.00"), price("10:00", known="12:00", price="3.00")],
        at("11:00", "12:00"),
        price=[2.0, 3.0],
    ),
    state(
        "a promotion within the regular price ends, and the regular price still holds",
        [price("10:00", price="5.00"), price("11:00", "12:00", price="4.00"), price("11:30", "11:40", price="3.00")],
        at("10:30", "11:15", "11:35", "11:45", "12:00"),
        price=[5.0, 4.0, 3.0, 4.0, 5.0],
    ),
    state(
        "a state of the row's own moment holds, whatever else was learned late and whatever the sequences say",
        [price("12:00", price="1.00"), price("09:00", known="13:00", shop="south", price="2.00")],
        [{**row, "_known_at": row["at"], "_seq": 1} for row in at("12:00", "11:59:59.999999")],
        price=[1.0, None],
    ),
    state(
        "an expression over an absent state is null, whatever it says of nulls",
        [price("10:00")],
        at("09:00", "11:00"),
        price=[None, None],
        label=[None, "none"],
    ),
]

CASES = [*EXPRESSIONS, *DERIVED, *STATED]
