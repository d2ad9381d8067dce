"""Constants of row expressions: numbers, texts, moments and lengths of time, as they are written."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

from sqlglot import expressions as sql

from headrace.clock import to_us
from headrace.plan.expression import Literal, Node, literal
from headrace.plan.functions import Refused
from headrace.plan.instead import of_interval, written
from headrace.types import FLOAT, INT, LONGEST_US, MOST_DIGITS, STR, Date, Decimal, Domain, Timestamp


def number(tree: sql.Literal) -> Node:
    """Return text, a whole number or a decimal; a float where it has an exponent or is too long for these."""
    if tree.is_string:
        return Literal(tree.this, Domain(STR))
    text = tree.this.lower()
    if "e" in text:
        return literal(_finite(text), FLOAT)
    whole, _, digits = text.partition(".")
    value = int((whole or "0") + digits)
    if abs(value) >= 10**MOST_DIGITS or len(digits) > MOST_DIGITS:
        return literal(_finite(text), FLOAT)
    return literal(value, Decimal(MOST_DIGITS, len(digits)) if digits else INT)


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise Refused(f"the number {text[:40]}", "a number that float64 can hold, below 1.8e308", "write 1.7e308")


def interval_us(tree: sql.Interval) -> int:
    """Return the length of an interval of fixed length, in microseconds."""
    units = {"microsecond": 1, "millisecond": 1_000, "second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6}
    units |= {"day": 86_400 * 10**6, "week": 604_800 * 10**6}
    unit = (tree.unit.name if tree.unit is not None else "").lower().rstrip("s")
    if unit not in units or tree.this is None or not tree.this.name.lstrip("-").isdecimal():
        expected = "a whole number of weeks, days, hours, minutes or seconds"
        raise Refused(f"an interval ({written(tree)})", expected, of_interval(tree, unit))
    length = int(tree.this.name) * units[unit]
    if abs(length) > LONGEST_US:  # beyond, a time could leave 64 bits
        raise Refused(f"an interval ({written(tree)})", "at most a century", "write interval '36500 days'")
    return length


def moment(text: str, target: str) -> Node:
    """Return a text as a timestamp, in UTC unless it says otherwise, or as a date."""
    try:
        if target == "date":
            return literal((date.fromisoformat(text) - date(1970, 1, 1)).days, Date)
        at = datetime.fromisoformat(text)
        return literal(to_us(at if at.tzinfo else at.replace(tzinfo=UTC)), Timestamp)
    except ValueError:
        name, cure = ("date", "2026-01-31") if target == "date" else ("timestamp", "2026-01-31 12:00:00")
        raise Refused(f"{text!r} as a {name}", "ISO 8601", f"write {name} '{cure}'") from None
