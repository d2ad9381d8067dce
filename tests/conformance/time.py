"""Cases about time: edges, ties, delays, hops, late events, series, lifetimes."""

from __future__ import annotations

import headrace as hr
from tests.conformance.case import Case, ask, clock, sale

COUNT = {"f": hr.count("1h")}
HOURS = [sale("10:00", n=1), sale("11:00", n=2), sale("12:00", n=4)]

CASES = [
    Case("the old edge belongs to the window", COUNT, [sale("11:00")], [ask("12:00")], {"w.f": [1]}),
    Case("a microsecond before the old edge", COUNT, [sale("10:59:59.999999")], [ask("12:00")], {"w.f": [0]}),
    Case("the new edge does not", COUNT, [sale("12:00")], [ask("12:00")], {"w.f": [0]}),
    Case("a microsecond before the new edge", COUNT, [sale("11:59:59.999999")], [ask("12:00")], {"w.f": [1]}),
    Case("an event does not see itself", COUNT, [sale("11:30"), sale("12:00")], [0, 1], {"w.f": [0, 1]}),
    Case("ties do not see one another", COUNT, [sale("12:00"), sale("12:00")], [0, 1], {"w.f": [0, 0]}),
    Case("no events at all", COUNT | {"s": hr.sum("n", "1h")}, [], [ask("12:00")], {"w.f": [0], "w.s": [None]}),
    Case(
        "ties are ordered by the order in which they were learned",
        {"l": hr.last("n", "1h"), "f": hr.first("n", "1h"), "n": hr.last_n("n", "1h", n=3)},
        [sale("11:00", known="11:02", n=1), sale("11:00", known="11:01", n=2), sale("11:00", known="11:03", n=3)],
        [ask("11:30")],
        {"w.l": [3], "w.f": [2], "w.n": [[3, 1, 2]]},
    ),
    Case(
        "rows may be asked in any order and more than once",
        {"f": hr.sum("n", "1h")},
        HOURS,
        [ask("13:00"), ask("10:30"), ask("12:30"), ask("10:30"), ask("09:00")],
        {"w.f": [4.0, 1.0, 4.0, 1.0, None]},
    ),
    Case(
        "a delay moves both edges",
        {"f": hr.sum("n", "1h", delay="1h"), "g": hr.sum("n", "2h", delay="30m")},
        HOURS,
        [ask("12:00"), ask("12:30"), ask("13:00:00.000001")],
        {"w.f": [1.0, 2.0, 4.0], "w.g": [3.0, 3.0, 6.0]},
    ),
    Case(
        "a delay of the lifetime",
        {"f": hr.sum("n", "lifetime", delay="1h")},
        HOURS,
        [ask("10:30"), ask("12:00"), ask("13:00"), ask("14:00")],
        {"w.f": [None, 1.0, 3.0, 7.0]},
    ),
    Case(
        "a hop aligns the old edge down to its multiple since 1970",
        {"f": hr.count("1h", hop="30m"), "exact": hr.count("1h")},
        [sale("10:59"), sale("11:00"), sale("11:29"), sale("11:31")],
        [ask("12:00"), ask("12:29:59"), ask("12:30"), ask("12:31")],
        {"w.f": [3, 3, 1, 1], "w.exact": [3, 1, 1, 1]},
    ),
    Case(
        "a hop with a delay aligns what the delay has moved",
        {"f": hr.count("1h", hop="30m", delay="10m")},
        [sale("10:29"), sale("10:30"), sale("11:49"), sale("11:50")],
        [ask("12:00"), ask("12:09"), ask("12:10")],
        {"w.f": [2, 3, 2]},
    ),
    Case(
        "before 1970 a hop still aligns down",
        {"f": hr.count("1h", hop="30m")},
        [sale("12:00") | {"at": at, "_known_at": at} for at in (-7_200_000_000, -5_400_000_000, -5_400_000_001)],
        [ask("12:00") | {"at": -1_000_000}],
        {"w.f": [1]},
    ),
    Case(
        "an event that was learned late is seen from then on, at its true place",
        {"c": hr.count("1d"), "l": hr.last("n", "1d"), "s": hr.sum("n", "1d")},
        [sale("09:00", known="12:30", n=8), sale("10:00", n=1), sale("11:00", n=2)],
        [ask("12:00"), ask("12:29:59.999999"), ask("12:30"), ask("13:00")],
        {"w.c": [2, 2, 3, 3], "w.l": [2, 2, 2, 2], "w.s": [3.0, 3.0, 11.0, 11.0]},
    ),
    Case(
        "of two events learned at the same moment a row sees only the one before itself",
        {"c": hr.count("1d"), "l": hr.last("n", "1d")},
        [
            sale("09:00", known="12:00", n=1),
            sale("12:00", known="12:00", n=2),
            sale("10:00", known="12:00", n=3),
        ],
        [0, 1, 2],
        {"w.c": [0, 1, 1], "w.l": [None, 1, 1]},
    ),
    Case(
        "a row that was itself learned late knows what was learned before it",
        {"c": hr.count("1d"), "s": hr.sum("n", "1d")},
        [sale("09:00", known="12:30", n=1), sale("10:00", known="12:40", n=2), sale("11:00", known="12:35", n=4)],
        [0, 1, 2],
        {"w.c": [0, 1, 1], "w.s": [None, 1.0, 1.0]},
    ),
    Case(
        "late events leave extremes and order as they are",
        {
            "m": hr.max("n", "2h"),
            "f": hr.first("n", "2h"),
            "q": hr.quantile("n", "2h", q=1),
            "u": hr.nunique("n", "2h"),
        },
        [sale("10:00", known="11:30", n=9), sale("10:30", n=3), sale("11:00", n=3), sale("11:15", known="11:45", n=1)],
        [ask("11:20"), ask("11:40"), ask("11:50"), ask("12:10"), ask("12:50")],
        {
            "w.m": [3, 9, 9, 3, 3],
            "w.f": [3, 9, 9, 3, 3],
            "w.q": [3.0, 9.0, 9.0, 3.0, 3.0],
            "w.u": [1, 2, 3, 2, 2],
        },
    ),
    Case(
        "a series gives as many windows, each as if it were alone",
        {"f": hr.sum("n", ["30m", "60m", "2h", "lifetime"])},
        HOURS,
        [ask("11:00"), ask("12:15")],
        {
            "w.f_30m": [None, 4.0],
            "w.f_1h": [1.0, 4.0],
            "w.f_2h": [1.0, 6.0],
            "w.f_lifetime": [1.0, 7.0],
        },
    ),
    Case(
        "windows of a microsecond and of a century",
        {"short": hr.count("1us"), "long": hr.count("5000w")},
        [sale("11:59:59.999999"), sale("11:59:59.999998")],
        [ask("12:00")],
        {"w.short": [1], "w.long": [2]},
    ),
    Case(
        "the row itself, and not its ties",
        {"c": hr.count("1h", include_current=True), "l": hr.last("n", "1h", include_current=True)},
        [sale("12:00", n=1), sale("12:00", n=2)],
        [0, 1],
        {"w.c": [1, 1], "w.l": [1, 2]},
    ),
    Case(
        "the row itself only where its condition holds and its value is there",
        {
            "where": hr.sum("n", "1h", where="ok", include_current=True),
            "value": hr.count("n", "1h", include_current=True),
        },
        [sale("11:30", n=1, ok=True)],
        [ask("12:00", n=2, ok=True), ask("12:00", n=2, ok=False), ask("12:00", n=2), ask("12:00", ok=True)],
        {"w.where": [3.0, 1.0, 1.0, 1.0], "w.value": [2, 2, 2, 1]},
    ),
    Case(
        "rows of their own, each with a value that no event has",
        {"u": hr.nunique("n", "1h", include_current=True), "q": hr.quantile("n", "1h", q=1, include_current=True)},
        [sale("11:30", n=0)],
        [ask("12:00", n=value) for value in range(1, 40)],
        {"w.u": [2] * 39, "w.q": [float(value) for value in range(1, 40)]},
    ),
    Case(
        "events of another stream",
        {"c": hr.count("1h"), "s": hr.sum("n", "1h")},
        [sale("11:00", n=1), sale("11:30", n=2), sale("12:00", n=4)],
        [ask("12:00"), ask("12:30")],
        {"w.c": [2, 2], "w.s": [3.0, 6.0]},
        of="visits",
    ),
    Case(
        "sequences of different streams are not compared: what was known at the row's moment is seen",
        {"c": hr.count("1d"), "s": hr.sum("n", "1d")},
        [sale("11:00", known="11:30", n=1), sale("10:00", known="12:00", n=2), sale("10:30", known="12:01", n=4)],
        [ask("12:00") | {"_known_at": clock("12:00"), "_seq": 1}],
        {"w.c": [2], "w.s": [3.0]},
        of="visits",
    ),
    Case(
        "seconds over more than nine thousand years are the nearest float of the microseconds, divided",
        {"s": hr.time_since_last()},
        [sale("12:00") | {"at": -62_135_596_800_000_000 + 1, "_known_at": -62_135_596_800_000_000 + 1}],
        [ask("12:00") | {"at": 253_402_300_799_999_999}],
        {"w.s": [float(315_537_897_599_999_998) / 1e6]},
    ),
]
