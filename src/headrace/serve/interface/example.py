"""Examples: a made-up row that keeps its contract, so that who looks at a service can ask it at once.

No row of the lake is shown: it would tell of a person to whoever reads the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from headrace.clock import DAY_US, from_us, to_us
from headrace.declare import Contract, Field
from headrace.plan.domains import closed_bounds
from headrace.types import value_as

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_TIMES = ("ge", "gt", "le", "lt")


def example(contract: type[Contract], now_us: int, seed: int) -> dict[str, Any]:
    """Return a row of a contract as the JSON of a request.

    Args:
        contract: whose bounds, sets, patterns and lengths it keeps, as far as values that do can be made up; rules
            across fields it may break.
        now_us: the present; the event is of this moment.
        seed: of chance: the same one gives the same row.

    Example:
        >>> from headrace.declare import Contract, field, key
        >>> class Payment(Contract):
        ...     payment_id: str = key(pattern="P-[0-9]{4}")
        ...     currency: str = field(isin=["EUR", "CHF"])
        >>> example(Payment, 0, seed=1)
        {'payment_id': 'P-4773', 'currency': 'EUR'}
    """
    chance = Random(seed)  # noqa: S311 - nothing secret is made of it
    return {name: _value(one, now_us, chance) for name, one in contract.fields().items()}


def _value(one: Field, now_us: int, chance: Random) -> Any:
    if one.isin:
        return _said(chance.choice(one.isin[:8]), one)
    return _MADE[one.type.name](one, now_us, chance)


def _said(member: Any, one: Field) -> Any:
    held = value_as(member, one.type)
    return str(held) if isinstance(held, Decimal) else held.isoformat() if hasattr(held, "isoformat") else held


def _int(one: Field, _now_us: int, chance: Random) -> int:
    low, high = _ends(closed_bounds(one) or {}, 1, 500)
    return chance.randint(int(low), int(high))


def _decimal(one: Field, _now_us: int, chance: Random) -> str:
    bounds, unit = closed_bounds(one) or {}, Decimal(1).scaleb(-one.type.scale)
    most = Decimal(10) ** (one.type.precision - one.type.scale) - unit
    low, high = _ends({"ge": -most, "le": most, **bounds}, Decimal(1), Decimal(250))
    return str(unit * chance.randint(int(low / unit), int(high / unit)))


def _float(one: Field, _now_us: int, chance: Random) -> float:
    bounds = {
        "ge" if name[0] == "g" else "le": float(bound) for name in _TIMES if (bound := getattr(one, name)) is not None
    }
    low, high = _ends(bounds, 0.0, 1.0)
    return float(round(low + (high - low) * chance.uniform(0.1, 0.9), 3))


def _ends(bounds: Mapping[str, Any], usual: Any, wide: Any) -> tuple[Any, Any]:
    """A stretch within bounds that people would take for usual values."""
    low, high = bounds.get("ge"), bounds.get("le")
    if high is not None and high < usual:
        return (high - wide if low is None else max(low, high - wide)), high
    low = usual if low is None else max(low, usual)
    return low, low + wide if high is None else min(high, low + wide)


def _str(one: Field, _now_us: int, chance: Random) -> str:
    if one.pattern is not None:
        return _like(one.pattern, chance)
    low, high = one.min_length or 0, one.max_length if one.max_length is not None else 64
    stem = f"example-{chance.randrange(16**8):08x}" if one.role == "key" else "example"
    return (stem + _LETTERS * (low // len(_LETTERS) + 1))[: max(low, min(len(stem), high))]


def _moment(one: Field, now_us: int, _chance: Random) -> str:
    moment = now_us - now_us % 1_000_000
    if one.role in ("", "valid_from"):
        moment -= DAY_US
    return from_us(_within(one, moment, 1_000_000)).isoformat().replace("+00:00", "Z")


def _within(one: Field, moment: int, step: int) -> int:
    for name in _TIMES:
        bound = getattr(one, name)
        if bound is None:
            continue
        end = to_us(value_as(bound, one.type))
        moment = (
            max(moment, end + step * (name == "gt")) if name[0] == "g" else min(moment, end - step * (name == "lt"))
        )
    return moment


def _date(one: Field, now_us: int, _chance: Random) -> str:
    day = from_us(now_us).date().toordinal()
    for name in _TIMES:
        bound = getattr(one, name)
        if bound is None:
            continue
        end = value_as(bound, one.type).toordinal()
        day = max(day, end + (name == "gt")) if name[0] == "g" else min(day, end - (name == "lt"))
    return from_us(now_us).date().fromordinal(day).isoformat()


def _list(one: Field, now_us: int, chance: Random) -> list[Any]:
    count = max(one.min_length or 0, min(2, one.max_length if one.max_length is not None else 2))
    return [_value(one.item, now_us, chance) for _ in range(count)]


def _struct(one: Field, now_us: int, chance: Random) -> dict[str, Any]:
    return {inner.name: _value(inner, now_us, chance) for inner in one.inner}


_MADE = {
    "int": _int,
    "float": _float,
    "decimal": _decimal,
    "bool": lambda _one, _now_us, chance: chance.random() < 0.5,
    "str": _str,
    "timestamp": _moment,
    "date": _date,
    "list": _list,
    "struct": _struct,
}


def _like(pattern: str, chance: Random) -> str:
    """Text that a pattern matches; empty where it says what we cannot make up."""
    try:
        text = "".join(_parts(_parser.parse(pattern), chance))
        return text if re.fullmatch(pattern, text) else ""
    except (re.error, KeyError, NotImplementedError, RecursionError):
        return ""


def _parts(parsed: Any, chance: Random) -> list[str]:
    return [_part(str(what), said, chance) for what, said in parsed]


def _part(what: str, said: Any, chance: Random) -> str:
    match what:
        case "LITERAL":
            return chr(said)
        case "ANY":
            return chance.choice(_LETTERS)
        case "AT":
            return ""
        case "IN":
            return _one_of(said, chance)
        case "NOT_LITERAL":
            return next(one for one in _LETTERS if ord(one) != said)
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, inner = said
            most = low + 3 if high is _constants.MAXREPEAT else high
            return "".join("".join(_parts(inner, chance)) for _ in range(chance.randint(low, min(most, max(low, 12)))))
        case "SUBPATTERN":
            return "".join(_parts(said[3], chance))
        case "BRANCH":
            return "".join(_parts(chance.choice(said[1]), chance))
    raise NotImplementedError(what)


def _one_of(said: Any, chance: Random) -> str:
    if str(said[0][0]) == "NEGATE":
        taken = {one for what, chosen in said[1:] for one in _letters(str(what), chosen)}
        return next(one for one in _LETTERS + _DIGITS + "-_ " if one not in taken)
    what, chosen = chance.choice(said)
    return chance.choice(_letters(str(what), chosen))


def _letters(what: str, chosen: Any) -> str:
    if what == "LITERAL":
        return chr(chosen)
    if what == "RANGE":
        return "".join(map(chr, range(chosen[0], min(chosen[1], chosen[0] + 64) + 1)))
    return {"CATEGORY_DIGIT": _DIGITS, "CATEGORY_WORD": _LETTERS + _DIGITS, "CATEGORY_SPACE": " "}[str(chosen)]
