"""The day of sales on which every aggregate answers the same questions.

Customer 1; the row that is scored is g, and f is its tie. Sale d was learned at 13:10; n has no amount and no shop.

    a 04:30 8.00 north · b 06:00 12.50 south · c 08:20 20.00 north · d 09:40 (13:10) 5.00 south · n 10:30 null
    e 11:10 30.25 north · f 12:00 7.00 east · g 12:00 9.99 south
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from headrace.declare import aggregate
from headrace.kernel.aggregates import catalogue
from tests.conformance.case import Case, ask, sale

EVENTS = (
    sale("04:30", amount="8.00", shop="north"),
    sale("06:00", amount="12.50", shop="south"),
    sale("08:20", amount="20.00", shop="north"),
    sale("09:40", known="13:10", amount="5.00", shop="south"),
    sale("10:30"),
    sale("11:10", amount="30.25", shop="north"),
    sale("12:00", amount="7.00", shop="east"),
    sale("12:00", amount="9.99", shop="south"),
)
G = 7
QUESTIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "window": ({"window": "6h"}, G),  # b c n e
    "hour": ({"window": ["1h"]}, G),  # e
    "delay": ({"window": "6h", "delay": "3h"}, G),  # a b c
    "hop": ({"window": "6h", "hop": "4h"}, G),  # a b c n e
    "current": ({"window": "6h", "include_current": True}, G),  # b c n e g
    "where": ({"window": "6h", "where": "shop = 'north'"}, G),  # c e
    "lifetime": ({"window": "lifetime"}, G),  # a b c n e
    "late": ({"window": "6h"}, ask("13:30")),  # c d n e f g
    "nulls": ({"window": "40m"}, ask("11:00")),  # n
    "empty": ({"window": "10m"}, G),  # nothing
}


@dataclass(frozen=True)
class Answers:
    """The values of one aggregate.

    Args:
        value: expression that is aggregated, None where the aggregate takes none.
        params: what else it takes.
        window: over 6h: b c n e.
        hour: over ["1h"]: e.
        delay: over 6h, delayed by 3h: a b c.
        hop: over 6h, with a hop of 4h: a b c n e.
        current: over 6h and the row: b c n e g.
        where: over 6h where shop = 'north': c e.
        lifetime: a b c n e.
        late: over 6h as of 13:30: c d n e f g.
        nulls: over 40m as of 11:00: n alone.
        empty: over 10m: nothing.
    """

    value: str | None
    window: Any
    hour: Any
    delay: Any
    hop: Any
    current: Any
    where: Any
    lifetime: Any
    late: Any
    nulls: Any = None
    empty: Any = None
    params: dict[str, Any] = field(default_factory=dict)


def found(name: str) -> Answers | None:
    """Return the answers of an aggregate, None where it has no file."""
    try:
        answers: Answers = import_module(f"tests.conformance.aggregates.{name}").ANSWERS
    except ModuleNotFoundError:
        return None
    return answers


def cases() -> Iterator[Case]:
    """Yield a case for each aggregate and question."""
    for name in catalogue():
        answers = found(name)
        for one in fields(Answers) if answers is not None else ():
            if one.name not in QUESTIONS:
                continue
            how, row = QUESTIONS[one.name]
            feature = aggregate(name, answers.value, **how, **answers.params)
            called = f"w.f_{feature.labels[0]}" if feature.series else "w.f"
            expected = {called: [getattr(answers, one.name)]}
            yield Case(f"{name}: {one.name}", {"f": feature}, EVENTS, [row], expected)
