"""Row expressions, one row at a time: each function of the table in its plainest words.

Null is None. Numbers are exact but for floats, which are IEEE float64; a float that is not finite is null.
"""

from __future__ import annotations

import datetime
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from headrace.clock import from_us, to_us
from headrace.kernel import elementary
from headrace.plan.expression import Call, Literal, Node, Ref
from headrace.plan.reference.values import FIRST_DAY, as_float

Row = Mapping[str, Any]


def evaluate(node: Node, row: Row) -> Any:
    """Return the value of a typed tree for one row.

    Args:
        node: typed tree.
        row: name to value, as ``values.entering`` gives it.

    Example:
        >>> from headrace.plan.parse import parse
        >>> from headrace.types import INT, Domain
        >>> evaluate(parse("a * 2 + 1", {"a": Domain(INT, 0, 9)}, "", "example"), {"a": 4})
        9
    """
    match node:
        case Ref():
            return row[node.name]
        case Literal():
            return _constant(node)
    args = [evaluate(arg, row) for arg in node.args]
    if node.function in TOGETHER:
        return TOGETHER[node.function](*args)
    if any(arg is None for arg in args):
        return None
    if node.function == "to_float":
        return as_float(args[0], node.args[0].domain.type)
    if node.function in CALENDAR:
        return CALENDAR[node.function](_moment(args[0], node))
    return _held(EACH[node.function](*args))


def _held(result: Any) -> Any:
    """A float that is not finite, and the one whole number beyond 64 bits that a change of sign can give, are null."""
    if isinstance(result, float):
        return result if math.isfinite(result) else None
    return None if isinstance(result, int) and result == 2**63 else result


def _constant(node: Literal) -> Any:
    kind = node.domain.type
    if kind.name == "decimal" and node.value is not None:
        return Fraction(node.value, 10**kind.scale)
    return node.value


# -- functions that see nulls ----------------------------------------------------------------------------------------


def _and(*args: bool | None) -> bool | None:
    if False in args:
        return False
    return None if None in args else True


def _or(*args: bool | None) -> bool | None:
    if True in args:
        return True
    return None if None in args else False


def _case(*args: Any) -> Any:
    for position in range(0, len(args) - 1, 2):
        if args[position] is True:
            return args[position + 1]
    return args[-1]


def _there(args: tuple[Any, ...]) -> list[Any]:
    return [arg for arg in args if arg is not None]


TOGETHER: dict[str, Callable[..., Any]] = {
    "and": _and,
    "or": _or,
    "case": _case,
    "is_null": lambda arg: arg is None,
    "coalesce": lambda *args: next(iter(_there(args)), None),
    "greatest": lambda *args: max(_there(args), default=None),
    "least": lambda *args: min(_there(args), default=None),
}

# -- numbers ---------------------------------------------------------------------------------------------------------


def _quotient(a: int, b: int) -> int | None:
    return None if b == 0 else math.trunc(Fraction(a, b))


def _remainder(a: int, b: int) -> int | None:
    quotient = _quotient(a, b)
    return None if quotient is None else a - b * quotient


def _float(of: Callable[..., float]) -> Callable[..., float | None]:
    """What IEEE calls invalid or infinite is null."""

    def guarded(*args: float) -> float | None:
        try:
            return of(*args)
        except (ArithmeticError, ValueError):
            return None

    return guarded


def _round(x: float, places: int) -> float:
    """Half away from zero, on the product x * 10**places as float64 gives it; large numbers are whole already."""
    scaled = x * 10.0**places
    if not abs(scaled) < 2.0**52:
        return x
    return math.copysign(math.floor(abs(scaled) + 0.5), x) / 10.0**places


NUMBERS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "abs": abs,
    "rescale": lambda value, factor: Fraction(value),
    "div": _float(operator.truediv),
    "intdiv": _quotient,
    "mod": _remainder,
    "sqrt": _float(math.sqrt),
    "floor": lambda x: math.copysign(math.floor(x), x),
    "ceil": lambda x: math.copysign(math.ceil(x), x),
    "round": _round,
    "ln": lambda x: elementary.ln(x) if x > 0 else None,
    "exp": elementary.exp,
    "pow": elementary.power,
    "not": operator.not_,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

# -- times -----------------------------------------------------------------------------------------------------------


def _moment(value: int, node: Call) -> datetime.datetime:
    """A timestamp as a datetime; a date as its first moment."""
    if node.args[0].domain.type.name == "date":
        return datetime.datetime.combine(FIRST_DAY + datetime.timedelta(days=value), datetime.time(), datetime.UTC)
    return from_us(value)


CALENDAR: dict[str, Callable[[datetime.datetime], int]] = {
    "hour": lambda at: at.hour,
    "minute": lambda at: at.minute,
    "second": lambda at: at.second,
    "day": lambda at: at.day,
    "month": lambda at: at.month,
    "year": lambda at: at.year,
    "dayofweek": lambda at: at.isoweekday() % 7,
    "isodow": lambda at: at.isoweekday(),
    "to_date": lambda at: (at.date() - FIRST_DAY).days,
}

_BELOW: dict[str, dict[str, Any]] = {
    "microsecond": {},
    "second": {"microsecond": 0},
    "minute": {"microsecond": 0, "second": 0},
    "hour": {"microsecond": 0, "second": 0, "minute": 0},
    "day": {"microsecond": 0, "second": 0, "minute": 0, "hour": 0},
    "month": {"microsecond": 0, "second": 0, "minute": 0, "hour": 0, "day": 1},
    "year": {"microsecond": 0, "second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1},
}


def _truncate(unit: str, value: int) -> int:
    at = from_us(value)
    if unit == "millisecond":
        return to_us(at.replace(microsecond=at.microsecond // 1000 * 1000))
    if unit == "week":
        return to_us(at.replace(**_BELOW["day"])) - at.weekday() * 86_400_000_000
    return to_us(at.replace(**_BELOW[unit]))


TIMES: dict[str, Callable[..., Any]] = {
    "date_trunc": _truncate,
    "shift_time": operator.add,
    "epoch": lambda at: float(at) / 1e6,
    "seconds_between": lambda a, b: float(a - b) / 1e6,
}

# -- texts -----------------------------------------------------------------------------------------------------------


def _like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_like(text[begin:], pattern[1:]) for begin in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and _like(text[1:], pattern[1:])


def _substring(text: str, start: int, length: int | None = None) -> str:
    """Characters at positions start, start + 1, …, counted from 1; those before the first are not there."""
    return "".join(
        char
        for position, char in enumerate(text, 1)
        if position >= start and (length is None or position < start + length)
    )


def _number(text: str) -> float | None:
    written = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text.strip(" \t\n\r\f\v"))
    return float(written[0]) if written else None


TEXTS: dict[str, Callable[..., Any]] = {
    "lower": str.lower,
    "upper": str.upper,
    "trim": lambda text: text.strip(" "),
    "length": len,
    "like": _like,
    "starts_with": lambda text, part: text[: len(part)] == part,
    "contains": lambda text, part: part in text,
    "substring": _substring,
    "concat": operator.add,
    "to_number": _number,
}

EACH: dict[str, Callable[..., Any]] = {**NUMBERS, **TIMES, **TEXTS}
