"""What is told to be written instead of other SQL: it is read, and gives what DuckDB gives for what was refused."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

import headrace as hr
from headrace.engines.frame import frame
from headrace.errors import HeadraceError
from headrace.kernel.column import held
from headrace.plan import lower
from headrace.plan.domains import domains
from headrace.plan.parse import condition, parse
from headrace.sql import readable
from tests.plan.worlds import table


class Paid(hr.Contract):
    """A payment, as people declare it."""

    at: hr.Timestamp = hr.event_time()
    known: hr.Timestamp | None
    day: hr.Date | None
    n: int = hr.field(ge=-1000, le=1000)
    amount: hr.Decimal(12, 2) = hr.field(ge=0)
    fee: hr.Decimal(12, 2) | None
    ratio: float | None
    country: str | None
    email: str
    code: str
    flag: bool


def _us(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp()) * 10**6


SCOPE = domains(Paid)
ROWS: list[dict[str, Any]] = [
    {"at": _us("2026-01-05T12:34:56"), "known": _us("2025-12-31T23:59:59"), "day": 20_000, "n": 17, "country": "DE"},
    {"at": _us("2024-02-29T00:00:00"), "known": None, "day": None, "n": -17, "country": None},
    {"at": _us("2025-08-03T23:59:59"), "known": _us("2026-08-03T01:00:00"), "day": -3, "n": 0, "country": "de"},
]
for _row, _ratio, _fee, _flag in zip(
    ROWS, (-2.5, 1.75, None), ("0.50", None, "7.00"), (True, False, True), strict=True
):
    _row |= {"ratio": _ratio, "fee": _fee and Decimal(_fee), "flag": _flag}
    _row |= {"amount": Decimal("149.50"), "email": "someone@gmail.com", "code": "12"}

SAME = [
    ("concat(email, code)", "email || code"),
    ("concat(email, '-', code)", "email || '-' || code"),
    ("concat_ws('-', email, code)", "email || '-' || code"),
    ("left(email, 3)", "substring(email, 1, 3)"),
    ("email[1]", "substring(email, 1, 1)"),
    ("ltrim(email)", "trim(email)"),
    ("prefix(email, 'some')", "starts_with(email, 'some')"),
    ("strpos(email, '@') > 0", "contains(email, '@')"),
    ("position('@' in email) > 0", "contains(email, '@')"),
    ("country ilike 'D%'", "lower(country) like 'd%'"),
    ("weekday(at)", "dayofweek(at)"),
    ("quarter(at)", "(month(at) + 2) // 3"),
    (
        "dayofyear(at)",
        "1 + floor((epoch(date_trunc('day', at)) - epoch(date_trunc('year', at))) / 86400)",
    ),
    ("date_part('hour', at)", "extract(hour from at)"),
    ("date_part('epoch', at)", "epoch(at)"),
    ("epoch_ms(at)", "epoch(at) * 1000"),
    ("date_diff('day', known, at)", "(epoch(date_trunc('day', at)) - epoch(date_trunc('day', known))) / 86400"),
    ("datediff('hour', known, at)", "(epoch(date_trunc('hour', at)) - epoch(date_trunc('hour', known))) / 3600"),
    ("date_diff('month', known, at)", "year(at) * 12 + month(at) - year(known) * 12 - month(known)"),
    ("date_diff('year', known, at)", "year(at) - year(known)"),
    ("time_bucket(interval '1 hour', at)", "date_trunc('hour', at)"),
    ("iif(flag, 1, 0)", "if(flag, 1, 0)"),
    ("nvl(fee, 0)", "ifnull(fee, 0)"),
    ("sign(ratio)", "case when ratio > 0 then 1 when ratio < 0 then -1 when ratio = 0 then 0 end"),
    ("trunc(ratio)", "case when ratio < 0 then ceil(ratio) else floor(ratio) end"),
    ("log10(amount)", "ln(amount) / ln(10)"),
    ("log2(amount)", "ln(amount) / ln(2)"),
    ("radians(ratio)", "(ratio) * 0.017453292519943295"),
    ("pi()", "3.141592653589793"),
    ("greatest(email, code)", "case when email > code then email else code end"),
    ("n is not distinct from fee", "coalesce(n = fee, n is null and fee is null)"),
    ("fee is distinct from ratio", "not coalesce(fee = ratio, fee is null and ratio is null)"),
    ("amount % 10", "amount - floor(amount / 10) * 10"),
    ("amount // 10", "floor(amount / 10)"),
    ("round(amount, -2)", "round(amount / 100) * 100"),
    ("cast(amount as decimal(18, 1))", "cast(amount as double)"),
    ("cast(n as boolean)", "n <> 0"),
    ("try_cast(code as double)", "cast(code as double)"),
    ("cast(code as int)", "cast(code as double)"),
    ("cast(n as float)", "cast(n as double)"),
    ("hour(cast(at as time)) * 0", "hour(at) * 3600 + minute(at) * 60 + second(at)"),
    ("max(n, 3)", "greatest(n, 3)"),
    ("at > '2025-01-01'", "timestamp '2025-01-01'"),
    ("day > '2025-01-01'", "date '2025-01-01'"),
    ("code = 12", "'12'"),
    ("n = '17'", "17"),
    ("flag + 1", "cast(flag as int)"),
    ("code + 1", "cast(code as double)"),
    ("n and flag", "n <> 0"),
    ("at - known", "epoch(at) - epoch(known)"),
]
ELSEWHERE = {"max(n, 3)": "greatest(n, 3)", "nvl(fee, 0)": "ifnull(fee, 0)", "iif(flag, 1, 0)": "if(flag, 1, 0)"}
"""What DuckDB does not have either, and what it has for it."""
ROUNDED = ("log10", "log2")
PARTS = ("at >", "day >", "code =", "n =", "flag +", "code +", "n and", "at -", "hour(", "amount //")
"""Cures of a part of the expression, or in another unit: what they give is not what the whole gave."""


def _faults(text: str) -> list[hr.Fault]:
    with pytest.raises(HeadraceError) as refused:
        parse(text, SCOPE, "project.py:7", "now.it")
    return list(refused.value.faults)


@pytest.mark.parametrize(("text", "instead"), SAME)
def test_the_cure_is_read_and_gives_what_was_meant(text: str, instead: str) -> None:
    (fault,) = _faults(text)
    assert fault.place == "project.py:7"
    assert f"write {instead}" in fault.cure
    node = parse(instead, SCOPE, "", "it")
    if text.startswith(PARTS):
        return
    given = frame(table(ROWS, Paid), list(SCOPE), Paid, "rows")
    made = lower.columns(node, given.columns, len(ROWS))
    values = [_plain(held(made, at), node.domain.type) for at in range(len(ROWS))]
    meant = _duckdb(ELSEWHERE.get(text, text))
    assert values == [pytest.approx(one, rel=1e-12) if text.startswith(ROUNDED) else one for one in meant]


def _plain(value: Any, kind: Any) -> Any:
    if value is not None and kind.name == "timestamp":
        return datetime.datetime.fromtimestamp(value / 1e6, datetime.UTC).replace(tzinfo=None)
    return lower.plain_value(value, kind)


def _duckdb(text: str) -> list[Any]:
    connection = duckdb.connect()
    lake = table(ROWS, Paid)
    connection.execute("set TimeZone = 'UTC'")
    connection.register("aware", lake)
    plain = "cast(at as timestamp) as at, cast(known as timestamp) as known"
    connection.execute(readable(f"create view lake as select * replace ({plain}) from aware"))
    found = connection.execute(readable(f"select {text} from lake")).fetchall()
    return [float(value) if isinstance(value, Decimal) else value for (value,) in found]


LEADS = [
    ("sum(amount)", "hr.sum('amount', '7d')"),
    ("avg(amount)", "hr.mean('amount', '7d')"),
    ("count(*)", "hr.count('7d')"),
    ("max(amount)", "hr.max('amount', '7d')"),
    ("row_number() over (order by at)", "hr.count('7d')"),
    ("(select 1)", "group.feature"),
    ("amount > (select avg(amount) from t)", "group.feature"),
    ("now()", "reads no clock"),
    ("current_date", "reads no clock"),
    ("at < current_timestamp", "reads no clock"),
    ("regexp_matches(email, 'gmail')", "write email like '%a_b%', contains(email, 'a') or starts_with(email, 'a')"),
    ("email ~ 'gmail'", "write email like"),
    ("email similar to 'a'", "write email like"),
    ("at at time zone 'Europe/Berlin'", "write at + interval 1 hour"),
    ("interval '1 day'", "86400 for a day"),
    ("at - interval '1 month'", "interval '30 days'"),
    ("at - interval '1.5 hours'", "interval '5400 seconds'"),
    ("at + interval '²' day", "at + interval '1 day'"),
    ("at + interval '99999999999999999 days'", "interval '36500 days'"),
    ("at - interval '106751991 days'", "interval '36500 days'"),
    ("at + interval (n) day", "(n) * 86400"),
    ("at - interval '2 days 3 hours'", "at + interval '1 day' + interval '2 hours'"),
    ("n || 'a'", "declare a field of type str that holds the same as n"),
    ("cast(n as varchar)", "declare a field that holds the same as n"),
    ("cast(email as timestamp)", "declare email as hr.Timestamp"),
    ("hour(day)", "declare day as hr.Timestamp"),
    ("day + 1", "declare day as hr.Timestamp"),
    ("day + interval 1 day", "declare day as hr.Timestamp"),
    ("coalesce(fee, 'x')", "write a number instead of 'x'"),
    ("case when flag then 'a' else 0 end", "write '0'"),
    ("case when flag then email else n end", "write cast(email as double)"),
    ("case when flag then null end", "give one of them a value"),
    ("amount / 0", "nullif(…, 0)"),
    ("n % 0", "nullif(…, 0)"),
    ("amount * amount", "write cast(amount as double)"),
    ("email like code", "write the constant itself"),
    ("substring(email, -2)", "write substring(email, 1, 2)"),
    ("date_trunc('wek', at)", "did you mean 'week'?"),
    ("extract(quarter from at)", "hour, minute"),
    ("amount as paid", "write amount;"),
    ("amount >", "both of its sides"),
    ("a.b.amount", "write b.amount"),
    ("n in (select 1)", "write the values, n in (1, 2)"),
    ("n is 5", "write n = 5"),
    ("floor(amount, 1)", "write floor(amount)"),
    ("trim(email, 'x')", "write trim(email)"),
    ("timestamp '2026-01-31 25:00'", "write timestamp '2026-01-31 12:00:00'"),
    ("1e999", "write 1.7e308"),
    ("*", "name one column"),
    ("abs(distinct n)", "leave the distinct or order by out"),
    ("n & 1", "write arithmetic"),
    ("md5(email)", "declare a field"),
    ("split_part(email, '@', 2)", "declare a field"),
    ("roun(ratio)", "did you mean 'round'?"),
    (" ", "name a column"),
    ("$1 + n", "write the value itself"),
]


@pytest.mark.parametrize(("text", "cure"), LEADS)
def test_what_has_no_equal_is_refused_with_a_way_on(text: str, cure: str) -> None:
    faults = _faults(text)
    assert any(cure in fault.cure for fault in faults), [str(fault) for fault in faults]
    assert all(fault.cure and fault.place for fault in faults)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("n", "write n <> 0"),
        ("at", "write at is not null"),
        ("email", "write email = 'yes'"),
        ("n + 1", "write (n + 1) <> 0"),
    ],
)
def test_what_is_no_condition_is_told_how_to_become_one(text: str, cure: str) -> None:
    with pytest.raises(HeadraceError, match="HR-EXPRESSION-003") as refused:
        condition(text, SCOPE, "project.py:7", "where")
    assert refused.value.faults[0].cure.startswith(cure)
