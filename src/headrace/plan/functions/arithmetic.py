"""Arithmetic: whole numbers and decimals exact within 64 bits, floats as IEEE says; what is not finite is null."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headrace.kernel import elementary
from headrace.plan.expression import Call, Literal, Node, literal
from headrace.plan.functions.conversions import said
from headrace.plan.functions.function import Function, Refused, bounds, call, to_float, unified, wants
from headrace.types import FLOAT, INT, MOST_DIGITS, LogicalType

_DIVISOR = "divide by another number, or by nullif(…, 0): that is null where it would be zero"
NUMBERS = ("int", "float", "decimal")
LOWEST = -(2**63)


def _interval(args: Sequence[Node], of: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Bounds of a function that is monotone in each argument: its values at the corners."""
    (a, b), (c, d) = bounds(args[0]), bounds(args[1])
    if a is None or b is None or c is None or d is None:
        return None, None
    corners = [of(x, y) for x in (a, b) for y in (c, d)]
    if not all(math.isfinite(corner) for corner in corners):
        return None, None
    return min(corners), max(corners)


def _additive(name: str, of: Callable[[Any, Any], Any]) -> Callable[[Sequence[Node]], Call]:
    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, NUMBERS)
        both = unified(args, name)
        return call(name, both, both[0].domain.type.bare, *_interval(both, of))

    return typed


def _mul(args: Sequence[Node]) -> Call:
    wants(args, "mul", NUMBERS)
    kinds = [arg.domain.type for arg in args]
    if any(kind.name == "float" for kind in kinds):
        both = [to_float(arg) for arg in args]
        return call("mul", both, FLOAT, *_interval(both, lambda x, y: x * y))
    scale = sum(kind.scale for kind in kinds)
    result = LogicalType("decimal", MOST_DIGITS, scale) if scale else INT
    if scale > MOST_DIGITS:
        raise Refused(
            f"mul of decimals with more than {MOST_DIGITS} digits behind the point", "fewer", "write cast(… as double)"
        )
    return call("mul", args, result, *_interval(args, lambda x, y: x * y))


def _div(args: Sequence[Node]) -> Call:
    wants(args, "division", NUMBERS)
    if isinstance(args[1], Literal) and args[1].value == 0:
        raise Refused("a division by zero", "a divisor that is not zero", _DIVISOR)
    both = [to_float(arg) for arg in args]
    low, high = bounds(both[1])
    apart = low is not None and high is not None and (low > 0 or high < 0)
    return call("div", both, FLOAT, *(_interval(both, lambda x, y: x / y) if apart else (None, None)))


def _whole(name: str) -> Callable[[Sequence[Node]], Call]:
    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, NUMBERS)
        if any(arg.domain.type.name in ("float", "decimal") for arg in args):
            a, b = (said(arg) for arg in args)
            quotient = f"floor({a} / {b})"
            cure = quotient if name == "intdiv" else f"{a} - {quotient} * {b}"
            raise Refused(f"{name} of numbers that are not whole", "int", f"write {cure}, for {a} from 0 on")
        if isinstance(args[1], Literal) and args[1].value == 0:
            raise Refused("a division by zero", "a divisor that is not zero", _DIVISOR)
        low, high = bounds(args[0])
        if name == "mod":
            size = args[1].domain.magnitude
            low, high = (None, None) if size is None else (-size, size)
        elif low is not None and high is not None:
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        return call(name, args, INT, low, high)

    return typed


def _neg(args: Sequence[Node]) -> Call:
    wants(args, "minus", NUMBERS)
    low, high = bounds(args[0])
    return call("neg", args, args[0].domain.type.bare, None if high is None else -high, None if low is None else -low)


def _within(value: Any) -> Any:
    """Null for the one whole number beyond 64 bits that a change of sign can give: 2**63."""
    return None if value == 2**63 and isinstance(value, int) else value


def _within_columns(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def columnar(values: Any) -> Any:
        return of(values) if values.dtype == np.float64 else (of(values), values != LOWEST)

    return columnar


def _abs(args: Sequence[Node]) -> Call:
    wants(args, "abs", NUMBERS)
    size = args[0].domain.magnitude
    return call("abs", args, args[0].domain.type.bare, None if size is None else 0, size)


def _float_function(name: str, of: Callable[[float], float] | None = None) -> Callable[[Sequence[Node]], Call]:
    """Type a function of one float; ``of`` gives its bounds where it grows monotonically."""

    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, NUMBERS)
        arg = to_float(args[0])
        low, high = bounds(arg)
        if of is None or low is None or high is None:
            return call(name, [arg], FLOAT)
        return call(name, [arg], FLOAT, of(low), of(high))

    return typed


def _round(args: Sequence[Node]) -> Call:
    if len(args) == 1:
        args = [args[0], literal(0, INT)]
    wants(args, "round", NUMBERS)
    if not isinstance(args[1], Literal) or args[1].domain.type.name != "int" or not 0 <= args[1].value <= 15:
        power = 10 ** -args[1].value if isinstance(args[1], Literal) and args[1].value in range(-15, 0) else 0
        cure = f"write round({said(args[0])} / {power}) * {power}" if power else f"write round({said(args[0])}, 2)"
        raise Refused("round with other digits", "a whole number of digits from 0 to 15", cure)
    low, high = bounds(to_float(args[0]))
    arg = [to_float(args[0]), args[1]]
    return call("round", arg, FLOAT, None if low is None else low - 1, None if high is None else high + 1)


def _pow(args: Sequence[Node]) -> Call:
    wants(args, "pow", NUMBERS)
    return call("pow", [to_float(arg) for arg in args], FLOAT)


def _sqrt(args: Sequence[Node]) -> Call:
    wants(args, "sqrt", NUMBERS)
    arg = to_float(args[0])
    high = arg.domain.high
    return call("sqrt", [arg], FLOAT, None if high is None else 0.0, None if high is None else math.sqrt(max(high, 0)))


def finite(value: float) -> float | None:
    """Null for what is not finite."""
    return value if math.isfinite(value) else None


def _checked(of: Callable[..., float]) -> Callable[..., float | None]:
    def scalar(*values: float) -> float | None:
        try:
            result = of(*values)
        except (OverflowError, ZeroDivisionError, ValueError):
            return None
        return finite(result) if isinstance(result, float) else result

    return scalar


def round_plain(value: float, digits: int) -> float:
    """Round half away from zero at a digit of value * 10**digits, as float64 arithmetic gives it."""
    power = 10.0**digits
    scaled = value * power
    if not math.isfinite(scaled) or abs(scaled) >= 2.0**52:
        return value
    return math.copysign(math.floor(abs(scaled) + 0.5), scaled) / power


def _round_columns(values: Any, digits: Any) -> Any:
    power = 10.0 ** int(digits)
    scaled = values * power
    made = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) / power
    return np.where(np.isfinite(scaled) & (np.abs(scaled) < 2.0**52), made, values)


def _truncated(a: int, b: int) -> int | None:
    if b == 0:
        return None
    size = abs(a) // abs(b)
    quotient: int | None = _within(size if (a < 0) == (b < 0) else -size)
    return quotient


def _remainder(a: int, b: int) -> int | None:
    return None if b == 0 else (abs(a) % abs(b) if a >= 0 else -(abs(a) % abs(b)))


def _whole_columns(truncate: bool) -> Callable[[Any, Any], Any]:
    def columnar(a: Any, b: Any) -> Any:
        there = b != 0
        divisor = np.where(there, b, 1)
        remainder = np.fmod(a, divisor)
        if not truncate:
            return remainder, there
        return (a - remainder) // divisor, there & ~((a == LOWEST) & (divisor == -1))

    return columnar


def _same_length(of: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def columnar(a: Any, b: Any) -> Any:
        longest = max(np.size(a), np.size(b))
        return of(np.broadcast_to(a, longest).astype(float), np.broadcast_to(b, longest).astype(float))

    return columnar


FUNCTIONS = [
    Function(
        "to_float",
        lambda args: Call("to_float", tuple(args), args[0].domain),
        lambda v, s: float(v) / s,
        lambda v, s: v.astype(np.float64) / s,
    ),
    Function(
        "rescale", lambda args: Call("rescale", tuple(args), args[0].domain), lambda v, f: v * f, lambda v, f: v * f
    ),
    Function("add", _additive("add", lambda x, y: x + y), _checked(lambda a, b: a + b), lambda a, b: a + b),
    Function("sub", _additive("sub", lambda x, y: x - y), _checked(lambda a, b: a - b), lambda a, b: a - b),
    Function("mul", _mul, _checked(lambda a, b: a * b), lambda a, b: a * b),
    Function("div", _div, _checked(lambda a, b: a / b), lambda a, b: a / b),
    Function("intdiv", _whole("intdiv"), _truncated, _whole_columns(truncate=True)),
    Function("mod", _whole("mod"), _remainder, _whole_columns(truncate=False)),
    Function("neg", _neg, lambda a: _within(-a), _within_columns(np.negative)),
    Function("abs", _abs, lambda a: _within(abs(a)), _within_columns(np.abs)),
    Function("sqrt", _sqrt, _checked(math.sqrt), np.sqrt),
    Function("floor", _float_function("floor", lambda x: float(math.floor(x))), lambda a: float(np.floor(a)), np.floor),
    Function("ceil", _float_function("ceil", lambda x: float(math.ceil(x))), lambda a: float(np.ceil(a)), np.ceil),
    Function("round", _round, round_plain, _round_columns),
    Function(
        "ln", _float_function("ln"), _checked(lambda a: elementary.ln(a) if a > 0.0 else math.nan), elementary.ln_each
    ),
    Function("exp", _float_function("exp"), _checked(elementary.exp), elementary.exp_each),
    Function("pow", _pow, _checked(elementary.power), _same_length(elementary.power_each)),
]
