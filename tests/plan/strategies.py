"""Random events, rows and windows: ties, late events, nulls, huge and tiny magnitudes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

import headrace as hr
from headrace.kernel.aggregates import catalogue
from headrace.plan.domains import domains
from tests.conformance.answers import found
from tests.plan.worlds import DAY, HOUR, MINUTE, START, Event

Strategy = st.SearchStrategy[Any]


def whole(limit: int) -> Strategy:
    """Whole numbers within +-limit, often small, often at the edge."""
    edge = st.integers(0, 600).map(lambda below: limit - below)
    return st.one_of(st.integers(-5, 5), edge, edge.map(lambda x: -x), st.integers(-limit, limit))


def floats(limit: float) -> Strategy:
    """Floats within +-limit: both zeros, subnormals, tiny ones, the limit itself."""
    tiny = st.floats(-1e-290, 1e-290)
    return st.one_of(st.sampled_from([0.0, -0.0, 0.1, -limit, limit]), tiny, st.floats(-limit, limit))


def decimals(scale: int) -> Strategy:
    return whole(10**18 - 1).map(lambda digits: Decimal(digits).scaleb(-scale))


VALUES: dict[str, Strategy] = {
    "n": whole(2**62 - 1),
    "near": whole(2**60 - 1),
    "wide": st.one_of(whole(2**63 - 1), st.just(-(2**63))),
    "money": decimals(2),
    "fine": decimals(18),
    "ratio": floats(1e140),
    "share": floats(1.0),
    "free": floats(1.7e308),
    "flag": st.booleans(),
    "word": st.sampled_from(["", "a", "b", "ab", "ü", "é", "\U0001f600"]),
    "seen": st.integers(-(10**15), 4 * 10**15),
    "day": st.integers(-20_000, 60_000),
}


def columns_of(kind: str) -> list[str]:
    """Return the columns that an aggregate can be asked about, as its own declaration says; "" for none."""
    one, known = catalogue()[kind], domains(Event)
    names = [name for name in VALUES if known[name].type.name in one.takes and _settles(kind, name)]
    return [*names, ""] if one.value_optional or not one.takes else names


def _settles(kind: str, name: str) -> bool:
    try:
        catalogue()[kind].setting(domains(Event)[name], usual(kind))
    except ValueError:
        return False
    return True


def usual(kind: str) -> dict[str, Any]:
    """Return the parameters with which an aggregate answers the questions of the conformance cases."""
    answers = found(kind)
    return {} if answers is None else dict(answers.params)


LENGTHS = ["1us", "1m", "1h", "90m", "6h", "1d", "7d"]


@st.composite
def windows(draw: Any, kind: str) -> hr.Window:
    """A window of an aggregate, in every way in which one can be declared."""
    value = draw(st.sampled_from(columns_of(kind))) or None
    span = draw(st.one_of(st.just("lifetime"), st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=3, unique=True)))
    how: dict[str, Any] = {"where": draw(st.sampled_from([None, None, "flag", "word > 'a' or n is null"]))}
    extra = draw(st.sampled_from(["", "delay", "hop", "include_current", "include_current"]))
    if extra == "delay":
        how["delay"] = draw(st.sampled_from(["1us", "1h", "1d"]))
    if extra == "hop" and span != "lifetime" and "1us" not in span:
        how["hop"] = draw(st.sampled_from(["1us", "7s", "1m"]))
    if extra == "include_current":
        how["include_current"] = True
    return hr.aggregate(kind, value, span, **how, **draw(params(kind)))


def params(kind: str) -> Strategy:
    """What an aggregate takes besides its value: what its answers say, or where it matters, more."""
    table: dict[str, dict[str, Strategy]] = {
        "quantile": {"q": st.sampled_from([0, 0.1, 0.5, 0.99, 1])},
        "top_k": {"k": st.integers(1, 4)},
        "last_n": {"n": st.integers(1, 4)},
        "decayed_sum": {"half_life": st.sampled_from(["7us", "1m", "1h", "3d"])},
        "decayed_mean": {"half_life": st.sampled_from(["7us", "1m", "1h", "3d"])},
    }
    return st.fixed_dictionaries(table[kind]) if kind in table else st.just(usual(kind))


MOMENTS = st.one_of(
    st.integers(0, 30).map(lambda hours: START + hours * HOUR),
    st.integers(0, 90).map(lambda minutes: START + minutes * MINUTE),
    st.integers(0, 3 * DAY).map(lambda us: START + us),
    st.integers(0, 3).map(lambda us: START + us),
    st.integers(-5, 5).map(lambda hours: hours * HOUR),
)
LATENESS = st.sampled_from([0, 0, 1, MINUTE, HOUR, DAY])


def row(names: list[str]) -> Strategy:
    """An event with some of the columns; a key may be null."""
    keys = {"user": st.sampled_from([1, 1, 1, 2, None]), "shop": st.sampled_from(["a", "a", "b", None])}
    fields = {name: st.one_of(st.none(), VALUES[name], VALUES[name]) for name in names}
    return st.fixed_dictionaries({"at": MOMENTS, **keys, **fields})


@st.composite
def logs(draw: Any, names: list[str], most: int = 14) -> list[dict[str, Any]]:
    """Events of a stream in the order in which they were learned, with their sequence and known time."""
    made = draw(st.lists(row(names), max_size=most))
    late = draw(st.booleans())
    known = [one["at"] + (draw(LATENESS) if late else 0) for one in made]
    learned = sorted(zip(known, made, strict=True), key=lambda pair: pair[0])
    return [{**one, "_known_at": at, "_seq": seq} for seq, (at, one) in enumerate(learned, 1)]


@st.composite
def versions(draw: Any, most: int = 10) -> list[dict[str, Any]]:
    """Rows of the table of levels in the order in which they were learned, with their sequence and known time."""
    version = {
        "since": MOMENTS,
        "until": st.one_of(st.none(), MOMENTS),
        "user": st.sampled_from([1, 1, 2, None]),
        "level": st.one_of(st.none(), st.integers(0, 9)),
        "name": st.sampled_from([None, "a", "b"]),
    }
    made = draw(st.lists(st.fixed_dictionaries(version), max_size=most))
    lateness = st.sampled_from([0, 0, 1, HOUR]) if draw(st.booleans()) else st.just(0)
    known = [one["since"] + draw(lateness) for one in made]
    learned = sorted(zip(known, made, strict=True), key=lambda pair: pair[0])
    return [{**one, "_known_at": at, "_seq": seq} for seq, (at, one) in enumerate(learned, 1)]


@st.composite
def spines(draw: Any, log: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Rows to ask about: events of the log themselves, or any rows, which know what was known at their moment."""
    if draw(st.booleans()):
        return draw(st.permutations(log))
    return draw(st.lists(row(names), max_size=10))
