"""Cases about keys: text, several columns, nulls, other types, and keys that nobody has seen."""

from __future__ import annotations

import headrace as hr
from tests.conformance.case import Case, ask, clock, sale

SUM = {"s": hr.sum("n", "1d"), "c": hr.count("1d")}

CASES = [
    Case(
        "each key has its own events",
        SUM,
        [sale("10:00", customer=1, n=1), sale("10:00", customer=2, n=2), sale("11:00", customer=1, n=4)],
        [ask("12:00", customer=1), ask("12:00", customer=2), ask("12:00", customer=3)],
        {"w.s": [5.0, 2.0, None], "w.c": [2, 1, 0]},
    ),
    Case(
        "a null key has no events and belongs to nobody",
        SUM,
        [sale("10:00", customer=None, n=1), sale("10:00", customer=0, n=2)],
        [ask("12:00", customer=None), ask("12:00", customer=0)],
        {"w.s": [None, 2.0], "w.c": [0, 1]},
    ),
    Case(
        "keys of text, the empty one among them",
        SUM,
        [sale("10:00", shop="", n=1), sale("10:00", shop="é", n=2), sale("10:00", shop="é", n=4)],
        [ask("12:00", shop="é"), ask("12:00", shop=""), ask("12:00", shop="e"), ask("12:00", shop=None)],
        {"w.s": [6.0, 1.0, None, None], "w.c": [2, 1, 0, 0]},
        by=("shop",),
    ),
    Case(
        "two columns name one entity",
        SUM,
        [
            sale("10:00", customer=1, shop="a", n=1),
            sale("10:00", customer=1, shop="b", n=2),
            sale("10:00", customer=2, shop="a", n=4),
            sale("11:00", customer=1, shop="a", n=8),
            sale("11:00", customer=1, shop=None, n=16),
            sale("11:00", customer=None, shop="a", n=32),
        ],
        [
            ask("12:00", customer=1, shop="a"),
            ask("12:00", customer=2, shop="a"),
            ask("12:00", customer=2, shop="b"),
            ask("12:00", customer=1, shop=None),
            ask("12:00", customer=None, shop="a"),
        ],
        {"w.s": [9.0, 4.0, None, None, None], "w.c": [2, 1, 0, 0, 0]},
        by=("customer", "shop"),
    ),
    Case(
        "keys at the ends of int64",
        SUM,
        [sale("10:00", big=-(2**63), n=1), sale("10:00", big=2**63 - 1, n=2), sale("10:00", big=0, n=4)],
        [ask("12:00", big=2**63 - 1), ask("12:00", big=-(2**63)), ask("12:00", big=0), ask("12:00", big=1)],
        {"w.s": [2.0, 1.0, 4.0, None], "w.c": [1, 1, 1, 0]},
        by=("big",),
    ),
    Case(
        "a condition as key",
        SUM,
        [sale("10:00", ok=True, n=1), sale("10:00", ok=False, n=2), sale("10:00", ok=None, n=4)],
        [ask("12:00", ok=True), ask("12:00", ok=False), ask("12:00", ok=None)],
        {"w.s": [1.0, 2.0, None], "w.c": [1, 1, 0]},
        by=("ok",),
    ),
    Case(
        "a decimal, a day and a moment as key",
        SUM,
        [
            sale("10:00", amount="1.50", day=20_000, seen=clock("09:00"), n=1),
            sale("10:00", amount="1.51", day=20_000, seen=clock("09:00"), n=2),
            sale("10:00", amount="1.50", day=20_000, seen=clock("09:00"), n=4),
        ],
        [
            ask("12:00", amount="1.50", day=20_000, seen=clock("09:00")),
            ask("12:00", amount="1.51", day=20_000, seen=clock("09:00")),
            ask("12:00", amount="1.50", day=20_001, seen=clock("09:00")),
        ],
        {"w.s": [5.0, 2.0, None], "w.c": [2, 1, 0]},
        by=("amount", "day", "seen"),
    ),
]
