"""Mistakes in declarations: for each code the declaration that makes it, and words that its fault must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import headrace as hr


class Event(hr.Contract):
    """A contract without a fault."""

    event_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    user: int
    word: str | None
    amount: hr.Decimal(10, 2) = hr.field(ge=0)
    ratio: float
    won: int = hr.field(ge=0, le=1)


class Late(hr.Contract):
    """Another, whose user is text."""

    at: hr.Timestamp = hr.event_time()
    user: str
    n: int


class Place(hr.Contract):
    """A contract to be nested."""

    city: str
    zip: str | None


class Keyed(hr.Contract):
    """One that cannot be, for its key."""

    place_id: int = hr.key()


class Ruled(hr.Contract):
    """Another, for its rule."""

    low: int
    high: int
    in_order = hr.check("low <= high")


class Pointed(hr.Contract):
    c: int = hr.field(name="c.d")


class Hollow(hr.Contract):
    """And one that says nothing."""


class Level(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    user: int
    level: int


class Timeless(hr.Contract):
    user: int


class Person(hr.Contract):
    """Rows with tags."""

    at: hr.Timestamp = hr.event_time()
    user: int = hr.field(privacy="pseudonym")
    name: str = hr.field(privacy="personal")
    paid: hr.Decimal(10, 2) = hr.field(ge=0, unit="EUR")
    won: int = hr.field(ge=0, le=1)


class Seen(hr.Contract):
    """What queries give of them, without the tags."""

    user: int
    paid: hr.Decimal(10, 2) | None = hr.field(unit="USD")
    since: hr.Timestamp


class Unpriced(hr.Contract):
    """What queries give of them, without units."""

    n: int = hr.field(privacy="public")
    paid: hr.Decimal(18, 2) | None


events = hr.Stream("events", Event)
people = hr.Stream("people", Person)
late = hr.Stream("late", Late)
levels = hr.Table("levels", Level, source="levels.csv")
told = hr.Table("told", Level, query="select at as since, user, won as level from events")
user = hr.Entity("user")


def windows(**features: hr.Window) -> hr.Features:
    return hr.Features("f", events, by=user, features=features)


def now(**features: str) -> hr.Features:
    return hr.Features("now", events, features=features)


def tagged_table(columns: str) -> hr.Project:
    """A project whose table by query is made of tagged columns."""
    paid = "" if "paid" in columns else "0.00 as paid, "
    seen = hr.Table("seen", Seen, query=f"select {paid}{columns} from people")
    return hr.Project("p", sources=[people, seen])


def untold(text: str) -> hr.Project:
    """A project whose table by query says no unit."""
    dollars = hr.Table("seen", Seen, source="seen.csv")
    return hr.Project("p", sources=[people, dollars, hr.Table("unpriced", Unpriced, query=text)])


def told_of_people(expression: str, *more: hr.Features) -> hr.Project:
    """A project whose model learns from people."""
    group = hr.Features("now", people, features={"it": expression})
    learned = hr.TrainingSet("cases", people, [group, *more], hr.label(people, "won", on="user", matures="7d"))
    return hr.Project("p", models=[model(cases_=learned)])


def query(text: str, contract: Any = None) -> hr.Project:
    """A project with a table by query, beside others that have no fault."""
    return hr.Project("p", sources=[hr.Table("t", contract, query=text), events, levels, told])


def cases(*groups: hr.Features, **more: Any) -> hr.TrainingSet:
    return hr.TrainingSet("cases", events, groups or [windows(c=hr.count("1d"))], **more)


def truth(
    value: str = "won", source: hr.Stream = events, on: Any = "event_id", matures: str = "7d", default: Any = None
) -> hr.declare.Label:
    return hr.label(source, value, on=on, matures=matures, default=default)


def model(name: str = "m", cases_: Any = None, **more: Any) -> hr.Model:
    learned = cases(now(a="amount"), label=truth()) if cases_ is None else cases_
    how = {"fit": print, "split": hr.time_split(train="30d", test="7d"), "metrics": [hr.roc_auc()]} | more
    return hr.Model(name, learned, **how)


def fitted(train: Any, bare: int, depth: int = 3) -> None:
    """A function with something to be searched."""


def way(**space: Any) -> hr.Project:
    fit = fitted if "bare" in space else lambda train, depth=3: None
    fit.__name__ = "fitted"
    return hr.Project("p", models=[model(fit=hr.candidate(fit, **space))])


def charter(**more: str) -> hr.Charter:
    said = dict.fromkeys(("problem", "data", "quality", "deployment", "success"), "said") | {"metric": "roc_auc"}
    return hr.Charter(**(said | more))


def contract(**fields: Any) -> type[hr.Contract]:
    """A contract from pairs of annotation and field."""
    annotations = {name: kind for name, (kind, _) in fields.items()}
    said = {name: how for name, (_, how) in fields.items() if how is not None}
    return type("Broken", (hr.Contract,), {"__annotations__": annotations, **said})


def broken(**fields: Any) -> hr.Project:
    timed = {"at": (hr.Timestamp, hr.event_time())} | fields
    return hr.Project("p", sources=[hr.Stream("s", contract(**timed))])


def table(**more: Any) -> hr.Project:
    return hr.Project("p", sources=[hr.Table("t", Level, **more)])


def origin(source: Any) -> hr.Project:
    return hr.Project("p", sources=[hr.Stream("s", Event, source=source)])


def renamed(columns: Any, source: Any = "data/*.csv") -> hr.Project:
    return hr.Project("p", sources=[hr.Stream("events", Event, source=source, columns=columns)])


def project(*groups: hr.Features) -> hr.Project:
    return hr.Project("p", features=groups)


def learning(training_set: hr.TrainingSet) -> hr.Project:
    return hr.Project("p", training_sets=[training_set])


def ruled(**rules: Any) -> hr.Project:
    """A stream whose contract promises more than its fields do."""
    kinds = {"at": hr.Timestamp, "user": int, "amount": hr.Decimal(10, 2), "words": list[str], "name": str}
    body = {"__annotations__": kinds, "at": hr.event_time(), **rules}
    ruled = type("Ruled", (hr.Contract,), body)
    return hr.Project("p", sources=[hr.Stream("s", ruled), events, told, hr.Table("bare", query="select 1 as x")])


def twice() -> hr.Project:
    body = {"__annotations__": {"x": int}, "x": hr.field(name="total"), "total": hr.check("total > 0")}
    return hr.Project("p", sources=[hr.Table("t", type("Twice", (hr.Contract,), body), source="1*")])


def stale() -> hr.Project:
    old = type("Old", (hr.Contract,), {"__annotations__": {"a": int}, "f": hr.fresh("2h")})
    return hr.Project("p", sources=[hr.Table("old", old, source="1*")])


def referring(first: str, second: str) -> hr.Project:
    """Two tables that refer to each other."""
    one = type("One", (hr.Contract,), {"__annotations__": {"a": int}, "a": hr.key(), "r": hr.reference("a", to=first)})
    two = type("Two", (hr.Contract,), {"__annotations__": {"a": int}, "a": hr.key(), "r": hr.reference("a", to=second)})
    return hr.Project("p", sources=[hr.Table("one", one, source="1*"), hr.Table("two", two, source="2*")])


Mistake = tuple[Callable[[], hr.Project], str]
MISTAKES: Mapping[str, list[Mistake]] = {
    "HR-NAME-001": [
        (lambda: hr.Project("p", sources=[hr.Stream("Events", Event)]), "'Events'"),
        (lambda: hr.Project("p", sources=[hr.Stream("a" * 64, Event)]), "at most 63"),
        (lambda: hr.Project("p", sources=[hr.Stream('e"; drop', Event)]), "drop"),
        (lambda: hr.Project("p", sources=[hr.Stream("../e", Event)]), "../e"),
        (lambda: project(hr.Features("F", events, by=user, features={"c": hr.count("1d")})), "'F'"),
        (lambda: project(now(**{"a b": "amount"})), "'a b'"),
        (lambda: project(now(__z="amount")), "'__z'"),
        (lambda: hr.Project(""), "project named ''"),
    ],
    "HR-NAME-002": [
        (lambda: project(now(a="amount"), now(b="amount")), "two different features named 'now'"),
        (
            lambda: project(windows(c=hr.count(["1d", "7d"]), c_7d=hr.count("30d"))),
            "two features named 'c_7d' in f, of 'c' and of 'c_7d'",
        ),
        (lambda: project(windows(c_1d=hr.count("1d"), c=hr.count(["24h", "7d"]))), "rename 'c', or 'c_1d'"),
    ],
    "HR-NAME-003": [
        (
            lambda: hr.Project("p", sources=[hr.Stream("x", Event), hr.Table("x", Level, source="x.csv")]),
            "also a stream",
        ),
        (lambda: hr.Project("p", sources=[hr.Stream("run_log", Event)]), "the log of all runs"),
        (
            lambda: hr.Project("p", sources=[hr.Stream("x", Event), hr.Table("loads_x", Level, source="x.csv")]),
            "'loads_x', which is kept of 'x'",
        ),
    ],
    "HR-SCHEDULE-003": [
        (lambda: hr.Project("p", schedule="hourly"), "the schedule 'hourly'"),
        (lambda: hr.Project("p", schedule="0 */2 * *"), "five fields"),
        (lambda: hr.Project("p", schedule="0m"), "write '0 */2 * * *'"),
    ],
    "HR-SCHEDULE-004": [(lambda: hr.Project("p", schedule="1h", zone="Berlin"), "such as 'Europe/Berlin'")],
    "HR-DECLARE-001": [
        (lambda: hr.Project("p", schedule=15), "text such as '15m'"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", schedule="1h", zone=1), "text such as 'Europe/Berlin'"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", sources=[hr.Stream("s", dict)]), "a class that derives from hr.Contract"),  # type: ignore[arg-type]
        (lambda: origin(hr.Collection("mongodb://h/db", where={"at": {1}})), "where of hr.Collection"),
        (lambda: renamed(["User ID"]), "such as {'customer_id': 'Customer ID'}"),
        (lambda: project(hr.Features("f", events, by=user, features={"c": "amount"})), "an aggregate such as"),
        (lambda: project(hr.Features("f", events, features={"c": hr.count("1d")})), "an SQL scalar expression"),
        (lambda: project(hr.Features("f", events, by="user", features={"c": hr.count("1d")})), "an Entity"),  # type: ignore[arg-type]
        (lambda: project(windows(c=hr.sum(5, "1d"))), "an SQL expression as text"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(fit="fit")]), "a function"),
        (lambda: hr.Project("p", models=[model(split="30d")]), "hr.time_split"),
        (lambda: hr.Project("p", models=[hr.Model("m")]), "model m without cases=; expected a TrainingSet"),
        (lambda: hr.Project("p", models=[hr.Model("m")]), "model m without fit=; expected a function"),
        (lambda: hr.Project("p", models=[hr.Model("m")]), "model m without split=; expected hr.time_split(train=…"),
        (lambda: hr.Project("p", models=[model(metrics=["roc_auc"])]), "metrics such as hr.roc_auc()"),
        (lambda: hr.Project("p", models=[model(metrics=5)]), "metrics of m = int"),
        (lambda: hr.Project("p", models=[model(gates=["at_least"])]), "gates of m = str"),
        (lambda: hr.Project("p", models=[model(gates=[hr.at_least(5, 0.5)])]), "metric of at_least = int"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(gates=[hr.at_most("roc_auc", "x")])]), "bound of at_most = str"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(gates=[hr.at_least("roc_auc", None)])]), "bound of at_least = NoneType"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(metrics=[hr.recall("x")])]), "threshold of recall = str"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(metrics=[hr.card_precision(2.5)])]), "pass a whole number"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(metrics=[hr.card_precision(True)])]), "k of card_precision = bool"),
        (lambda: hr.Project("p", models=[model(metrics=[hr.card_precision(5, by=5)])]), "a column's name as text"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(baseline=3)]), "baseline of m = int; expected a function"),
        (lambda: hr.Project("p", models=[model(seed="a")]), "seed of m = str; expected a whole number"),
        (
            lambda: hr.Project("p", models=[model(fit=lambda: 1)]),
            "fit of m, which takes (); expected a function of one",
        ),
        (lambda: hr.Project("p", models=[model(baseline=lambda x, y: 1)]), "baseline of m, which takes (x, y)"),
        (lambda: hr.Project("p", features=["f"]), "features of p = str"),  # type: ignore[list-item]
        (lambda: hr.Project("p", sources=None), "sources of p = NoneType"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", charter="said"), "an hr.Charter(…)"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", services=[hr.Service("s", model(), ["block"])]), "a mapping of decision to rule"),  # type: ignore[arg-type]
        (lambda: learning(hr.TrainingSet("cases", events, None)), "features of cases = NoneType"),  # type: ignore[arg-type]
        (lambda: learning(cases(where=5)), "where of cases = int"),
        (lambda: learning(cases(label=truth(on=5))), "on of the label = int"),
        (lambda: learning(cases(label=truth(5))), "value of the label = int"),  # type: ignore[arg-type]
        (lambda: learning(cases(label="won")), "label of cases = str"),
        (lambda: learning(hr.TrainingSet("cases", levels, [windows(c=hr.count("1d"))])), "spine of cases = Table"),  # type: ignore[arg-type]
        (
            lambda: learning(hr.TrainingSet("cases", hr.Table("t", query="select 1"), [windows(c=hr.count("1d"))])),  # type: ignore[arg-type]
            "expected a Stream",
        ),
        (lambda: learning(cases(label=truth(source=levels))), "source of the label = Table"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[hr.Model("m", "x")]), "cases of m = str"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", sources=[hr.Stream("s", Event, source=3)]), "source of s = int"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", sources=[hr.Table("t", Level, source=3)]), "'data/events*.csv'"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", sources=[hr.Table("t", query=3)]), "query of t = int"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", services=[hr.Service("s", model(), shadow="m")]), "shadow of s = str"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", services=[hr.Service("s", model(), otherwise=3)]), "otherwise of s = int"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", services=[hr.Service("s", model(), otherwise=["a"])]), "such as 'allow'"),  # type: ignore[arg-type]
        (
            lambda: broken(x=(str, hr.field(isin="web"))),
            "isin of Broken.x = str; expected a list of values. Cure: write isin=['web']",
        ),
        (lambda: broken(x=(int, hr.field(isin=5))), "write isin=[5]"),  # type: ignore[arg-type]
        (lambda: broken(x=(hr.Timestamp, hr.field(zone=1))), "zone of Broken.x = int"),  # type: ignore[arg-type]
        (lambda: broken(x=(str, hr.field(pattern=5))), "a regular expression as text"),  # type: ignore[arg-type]
        (lambda: broken(x=(str, hr.field(min_length="3"))), "min_length of Broken.x = str"),  # type: ignore[arg-type]
    ],
    "HR-CONTRACT-001": [
        (lambda: broken(x=(complex, None)), "Broken.x"),
        (lambda: broken(x=(int | str, None)), "Broken.x"),
        (lambda: broken(x=("hr.Decimal(30, 2)", None)), "Broken.x"),
    ],
    "HR-CONTRACT-002": [
        (lambda: broken(x=(int, 5)), "Broken.x = 5"),
        (lambda: broken(x=(int, hr.field(default=None))), "write x: int | None = None, or take the default away"),
        (lambda: broken(x=(int | None, hr.field(default=5))), "Broken.x has the default 5"),
    ],
    "HR-CONTRACT-003": [(lambda: broken(b=(hr.Timestamp, hr.event_time())), "event_time twice: at, b")],
    "HR-CONTRACT-004": [(lambda: broken(k=(str, hr.known_time())), "k is the known_time and has type str")],
    "HR-CONTRACT-005": [
        (lambda: broken(x=(str, hr.field(ge=1))), "has bounds"),
        (lambda: broken(x=(list[Place], hr.field(isin=[1]))), "has isin="),
        (lambda: broken(x=(list[str], hr.field(ge=1))), "has bounds"),
        (lambda: broken(x=(Place, hr.field(le=1))), "has bounds"),
    ],
    "HR-CONTRACT-006": [
        (lambda: broken(x=(int, hr.field(ge=2, le=1))), "no value can satisfy"),
        (lambda: broken(x=(float, hr.field(gt=2, lt=1))), "bounds gt=2, lt=1"),
        (lambda: broken(x=(hr.Date, hr.field(ge="2026-01-02", le="2026-01-01"))), "no value can satisfy"),
        (lambda: broken(x=(str, hr.field(min_length=3, max_length=2))), "write min_length=2, max_length=3"),
        (lambda: broken(x=(int, hr.field(isin=[]))), "names no value"),
    ],
    "HR-CONTRACT-009": [
        (lambda: broken(x=(int, hr.field(ge="a", le=1))), "ge of Broken.x names 'a'; expected a value of type int"),
        (lambda: broken(x=(int, hr.field(ge="0"))), "write a value such as ge=1"),
        (lambda: broken(x=(float, hr.field(le=float("inf")))), "le of Broken.x names inf"),
        (lambda: broken(x=(hr.Decimal(9, 2), hr.field(lt="one"))), "a value of type decimal(9,2)"),
        (lambda: broken(x=(hr.Timestamp, hr.field(ge="2026-01-31"))), "write a value such as ge='2026-01-31T12:00"),
        (lambda: broken(x=(hr.Date | None, hr.field(le=5))), "a value of type date"),
        (lambda: broken(x=(hr.Timestamp, hr.field(ge=5))), "ge of Broken.x names 5"),
        (lambda: broken(x=(str, hr.field(isin=[1, 2]))), "isin of Broken.x names 2; expected a value of type str"),
        (lambda: broken(x=(int, hr.field(isin=[1, 0.5]))), "isin of Broken.x names 0.5"),
        (lambda: broken(x=(hr.Decimal(9, 2), hr.field(isin=[0.005]))), "isin of Broken.x names 0.005"),
        (lambda: broken(x=(bool, hr.field(isin=["yes"]))), "write a value such as isin=[True]"),
    ],
    "HR-CONTRACT-010": [
        (lambda: broken(x=(int, hr.field(name="net amount"))), "name='net amount' of Broken.x"),
        (lambda: broken(x=(int, hr.field(name=5))), "name=5 of Broken.x"),
    ],
    "HR-QUALITY-001": [
        (lambda: broken(x=(int, hr.field(severity="wran"))), "did you mean 'warn'?"),
        (lambda: ruled(c=hr.check("amount > 0", severity="fatal")), "severity='fatal' of Ruled.c"),
    ],
    "HR-QUALITY-002": [
        (lambda: ruled(v=hr.volume(at_least=1, severity="reject")), "which no single row breaks"),
        (lambda: broken(k=(str, hr.key(severity="warn"))), "severity='warn' of Broken.k, which is its key"),
    ],
    "HR-QUALITY-003": [
        (lambda: ruled(u=hr.unique()), "names no column"),
        (lambda: ruled(u=hr.unique("uesr")), "did you mean 'user'?"),
        (lambda: ruled(u=hr.unique("words")), "which is list[str]"),
        (lambda: ruled(r=hr.reference("usr", to="events")), "did you mean 'user'?"),
        (lambda: ruled(d=hr.distribution("words")), "an int, float, decimal, bool or str"),
        (lambda: stale(), "rows that have no time"),
    ],
    "HR-QUALITY-004": [
        (lambda: ruled(c=hr.check(5)), "condition=5"),  # type: ignore[arg-type]
        (lambda: ruled(v=hr.volume()), "bounds nothing"),
        (lambda: ruled(v=hr.volume(within=-1)), "a number above 0"),
        (lambda: ruled(v=hr.volume(within=0.5, last=0)), "a whole number from 1"),
        (lambda: ruled(v=hr.volume(at_least=0.5)), "a whole number of rows"),  # type: ignore[arg-type]
        (lambda: ruled(f=hr.fresh("soon")), "within='soon'"),
        (lambda: ruled(r=hr.reference("user", to="")), "the name of a table"),
    ],
    "HR-QUALITY-005": [
        (lambda: twice(), "Twice.total is a field and a rule"),
    ],
    "HR-QUALITY-006": [(lambda: ruled(more=hr.field(ge=0)), "Ruled.more = hr.field(…) without a type")],
    "HR-QUALITY-007": [
        (lambda: ruled(r=hr.reference("user", to="evnts")), "did you mean 'events'?"),
        (lambda: ruled(r=hr.reference("user", to="s")), "its own table"),
        (lambda: ruled(r=hr.reference("user", to="bare")), "which has no contract"),
        (lambda: ruled(r=hr.reference("user", to="told")), "looks user up in no key of told"),
        (lambda: ruled(r=hr.reference("user", to="events.usr")), "did you mean 'user'?"),
        (lambda: ruled(r=hr.reference("user", to="events")), "user is int and events.event_id is str"),
    ],
    "HR-QUALITY-008": [(lambda: referring("two", "one"), "tables that refer to each other")],
    "HR-CONTRACT-011": [
        (lambda: broken(x=(int, hr.field()), y=(int, hr.field(name="x"))), "Broken.y is the column 'x', as x is"),
        (lambda: broken(order=(int, hr.field()), Order=(int, hr.field())), "do not tell capitals apart"),
    ],
    "HR-CONTRACT-012": [(lambda: broken(_Seq=(int, hr.field())), "Broken._Seq is the column '_Seq'")],
    "HR-CONTRACT-020": [
        (lambda: broken(x=(Literal["a", "b"], hr.field(isin=["a"]))), "one set: a, b"),
    ],
    "HR-CONTRACT-021": [
        (lambda: broken(x=(Keyed, hr.field())), "take hr.key() away from Keyed.place_id"),
        (lambda: broken(x=(list[int], hr.key())), "Broken.x is its key and holds several values"),
        (lambda: broken(x=(Place, hr.field(subject=True))), "Broken.x is its subject"),
    ],
    "HR-CONTRACT-022": [
        (lambda: broken(x=(Ruled, hr.field())), "promise it in the contract of the row, of x.low"),
    ],
    "HR-CONTRACT-023": [
        (lambda: broken(x=(Hollow | None, hr.field())), "Hollow, which has no fields"),
        (lambda: hr.Project("p", sources=[hr.Table("t", Hollow, source="x")]), "Hollow, which has no fields"),
        (lambda: hr.Project("p", sources=[hr.Stream("s", Hollow, source="x")]), "Hollow, which has no fields"),
    ],
    "HR-CONTRACT-024": [(lambda: broken(x=(Pointed | None, hr.field())), "Pointed with a field 'c.d'")],
    "HR-CONTRACT-007": [(lambda: broken(x=(int, hr.field(pattern="a+"))), "a pattern or length")],
    "HR-CONTRACT-008": [(lambda: broken(x=(int | None, hr.key())), "is its key and may be null")],
    "HR-STREAM-001": [(lambda: hr.Project("p", sources=[hr.Stream("s", Timeless)]), "no event time")],
    "HR-TABLE-001": [
        (lambda: hr.Project("p", sources=[hr.Table("t", Level)]), "neither source nor query"),
        (lambda: hr.Project("p", sources=[hr.Table("t", Level, source="a", query="b")]), "both source and query"),
    ],
    "HR-TABLE-003": [
        (
            lambda: hr.Project(
                "p", sources=[events, hr.Table("t", query="select count(*) as n from events", incremental=True)]
            ),
            "it makes one total of all rows",
        ),
    ],
    "HR-TABLE-004": [
        (lambda: hr.Project("p", sources=[hr.Table("t", Level, source="a", incremental=True)]), "and no query"),
    ],
    "HR-TABLE-002": [(lambda: hr.Project("p", sources=[hr.Table("t", source="t.csv")]), "no contract")],
    "HR-TABLE-020": [(lambda: table(source="t.csv", load="upsert"), "load='upsert'")],
    "HR-TABLE-021": [(lambda: hr.Project("p", sources=[hr.Table("t", query="select 1 as x", history=True)]), "of t")],
    "HR-TABLE-022": [
        (lambda: table(source="t.csv", load="merge"), "table t is merged by its key"),
        (lambda: table(source="sqlite:///t.db", history=True), "mark the key"),
        (lambda: table(source=hr.Database("sqlite:///t.db", cursor="since")), "Level has none"),
    ],
    "HR-TABLE-023": [(lambda: table(source="t.csv", history=True), "table t keeps history")],
    "HR-TABLE-025": [
        (
            lambda: table(source=hr.Database("sqlite:///t.db", cursor="since"), load="replace"),
            "table t is replaced by what a source with cursor='since' delivers",
        ),
    ],
    "HR-TABLE-024": [(lambda: table(source="t.csv", history="yes"), "history='yes'")],
    "HR-ORIGIN-007": [
        (
            lambda: hr.Project("p", sources=[hr.Stream("s", Late, source="sqlite:///x.db")]),
            "neither a cursor nor a key",
        ),
        (lambda: table(source="sqlite:///x.db", load="append"), "table t of sqlite:///x.db, with neither a cursor"),
    ],
    "HR-ORIGIN-001": [
        (lambda: origin(hr.Database("oracle://db/x")), "hr.Database with an address of 'oracle'"),
        (lambda: origin(hr.Api("shop.example/orders")), "write https://"),
    ],
    "HR-ORIGIN-002": [(lambda: origin(hr.Database("sqlite:///x.db", table="t", query="select 1")), "both table=")],
    "HR-ORIGIN-003": [
        (lambda: origin(hr.Database("sqlite:///x.db", overlap="5m")), "without cursor="),
        (lambda: origin(hr.Database("sqlite:///x.db", cursor="at", overlap="5")), "no unit"),
    ],
    "HR-ORIGIN-004": [(lambda: origin(hr.Api("https://x.example", pages="next")), "pages='next'")],
    "HR-ORIGIN-005": [(lambda: origin(hr.Api("https://x.example", rate="5 per s")), "rate='5 per s'")],
    "HR-ORIGIN-006": [
        (lambda: origin("postgresql://me:secret@db/x"), "postgresql://me:${NAME}@"),
        (lambda: origin(hr.Api("https://x.example", headers={"Authorization": "Bearer abc"})), "the header Author"),
        (lambda: origin(hr.Api("https://x.example", params={"api_key": "abc"})), "the parameter api_key written out"),
    ],
    "HR-ORIGIN-011": [(lambda: origin("mongodb://localhost:27017"), "write mongodb://localhost:27017/NAME")],
    "HR-ORIGIN-012": [
        (lambda: origin(hr.Api("http://x.example", params={"api_key": "${KEY}"})), "write https://x.example"),
    ],
    "HR-ORIGIN-013": [
        (lambda: origin(hr.Rows(lambda: [{}], cursor="at")), "the last value of the cursor"),
        (lambda: origin(lambda since: []), "no argument"),
    ],
    "HR-ORIGIN-014": [
        (lambda: renamed({"usr": "User ID"}), "Cure: did you mean 'user'?"),
        (lambda: renamed({"User ID": "user"}), "turn it round: columns={'user': 'User ID'}"),
    ],
    "HR-ORIGIN-015": [
        (lambda: renamed({"user": "ID", "event_id": "ID"}), "stream events for event_id and user"),
        (lambda: renamed({"user": "amount"}), "say in columns= what the column of amount is called"),
    ],
    "HR-ORIGIN-016": [
        (lambda: renamed({"user": "User ID"}, None), "take columns= away"),
        (lambda: table(query="select * from events", columns={"level": "Level"}), "table t, which has no source"),
    ],
    "HR-LAKE-001": [
        (lambda: query("select * from evnts"), "t: no table evnts in the project; expected the name of a stream or"),
        (lambda: query("select * from evnts, orders"), "Cure: did you mean 'events'?"),
        (lambda: query("select * from orders"), "name it in sources= of hr.Project(…); there is events, levels"),
        (lambda: query("select * from query_table('evnts')"), "did you mean 'events'?"),
    ],
    "HR-LAKE-005": [
        (lambda: query("create table x as select 1"), "t: create; expected one SELECT"),
        (lambda: query(" "), "t: no statement"),
        (lambda: query("select * from read_csv('/etc/passwd')"), "t: a query that reaches outside the lake"),
    ],
    "HR-LAKE-028": [(lambda: query("select * from events natural join levels"), "by _known_at, _seq too")],
    "HR-LAKE-006": [
        (lambda: query("fro events"), 'Parser Error: syntax error at or near "fro"'),
        (lambda: query("select amuont from events"), "Cure: did you mean 'amount'?"),
        (lambda: query("select e.amuont from events e"), "Cure: did you mean 'amount'?"),
        (lambda: query("select reason from quarantine_levels"), "Cure: did you mean 'reasons'?"),
        (lambda: query("select sum(at) from events"), "No function matches the given name and argument types"),
        (lambda: query("select usr from told"), "Cure: did you mean 'user'?"),
    ],
    "HR-LAKE-008": [
        (
            lambda: query("select since, user, [level] as level from levels", Level),
            "t: its query gives level as BIGINT[]; expected int, as Level says",
        ),
        (lambda: query("select user, user from events"), "t: its query gives user more than once"),
    ],
    "HR-LAKE-011": [
        (
            lambda: query("select at as since, user, won as levle from events", Level),
            "t: its query gives no column level; expected every column of Level. Cure: did you mean 'levle'?",
        ),
    ],
    "HR-RUN-004": [
        (lambda: query("select * from t"), "queries that need each other: t → t"),
        (
            lambda: hr.Project("p", sources=[hr.Table("b", query="from a"), hr.Table("a", query="from b")]),
            "queries that need each other: a → b → a",
        ),
    ],
    "HR-ENTITY-001": [
        (lambda: project(hr.Features("f", events, by=hr.Entity(), features={"c": hr.count("1d")})), "Entity()"),
        (
            lambda: project(hr.Features("f", events, by=hr.Entity("user", "user"), features={"c": hr.count("1d")})),
            "Entity",
        ),
        (
            lambda: project(hr.Features("f", events, by=hr.Entity(["user", "at"]), features={"c": hr.count("1d")})),  # type: ignore[arg-type]
            "write hr.Entity('user', 'at')",
        ),
    ],
    "HR-ENTITY-002": [
        (lambda: project(hr.Features("f", events, by=hr.Entity("usr"), features={"c": hr.count("1d")})), "'user'"),
        (lambda: project(hr.Features("f", events, by=hr.Entity("ratio"), features={"c": hr.count("1d")})), "'ratio'"),
    ],
    "HR-TIME-001": [
        (lambda: hr.Project("p", models=[model(split=hr.time_split(None, "1d"))]), "train of time_split"),  # type: ignore[arg-type]
        (lambda: hr.Project("p", models=[model(split=hr.time_split("1d", None))]), "test of time_split"),  # type: ignore[arg-type]
        (lambda: project(windows(c=hr.count("0d"))), "'0d' is not longer than zero"),
        (lambda: project(windows(c=hr.count("-7d"))), "'-7d' is not longer than zero"),
        (lambda: project(windows(c=hr.count("7"))), "'7' has no unit"),
        (lambda: project(windows(c=hr.count("7 fortnights"))), "the unit 'fortnights'"),
        (lambda: project(windows(c=hr.count("1.5d"))), "'1.5d' is not a duration"),
        (lambda: project(windows(c=hr.count("2000000d"))), "longer than a century"),
        (lambda: project(windows(c=hr.count(3))), "3 is not a duration"),  # type: ignore[arg-type]
        (lambda: project(windows(c=hr.count([["1d"]]))), "['1d'] is not a duration"),  # type: ignore[list-item]
        (lambda: project(windows(c=hr.count("1d", delay="0s"))), "delay of hr.count"),
        (lambda: project(windows(c=hr.count("1d", hop="5x"))), "hop of hr.count"),
        (lambda: learning(cases(label=truth(matures="0d"))), "matures of the label"),
        (lambda: hr.Project("p", models=[model(split=hr.time_split(train="x", test="7d"))]), "train of time_split"),
        (lambda: hr.Project("p", sources=[hr.Stream("s", Event, lateness="soon")]), "lateness of s"),
    ],
    "HR-WINDOW-001": [
        (lambda: project(windows(c=hr.count([]))), "hr.count without a window"),
        (lambda: project(windows(c=hr.count())), "hr.count without a window"),  # type: ignore[call-overload]
        (lambda: project(windows(c=hr.sum("amount"))), "hr.sum without a window"),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.sum("amount", None))), "hr.sum without a window"),  # type: ignore[arg-type]
        (lambda: project(windows(c=hr.aggregate("sum", "amount"))), "hr.sum without a window"),  # type: ignore[call-arg]
    ],
    "HR-WINDOW-002": [(lambda: project(windows(c=hr.count("1d", delay="1d", include_current=True))), "delay='1d'")],
    "HR-WINDOW-003": [
        (lambda: project(windows(c=hr.count(["1d", "1d"]))), "names a window twice"),
        (lambda: project(windows(c=hr.count(["24h", "1d", "7d"]))), "write ['1d', '7d']"),
    ],
    "HR-WINDOW-004": [
        (lambda: project(windows(c=hr.count("1h", hop="1d"))), "hop <= window"),
        (lambda: project(windows(c=hr.count("lifetime", hop="1d"))), "hop <= window"),
    ],
    "HR-WINDOW-005": [
        (lambda: project(windows(c=hr.aggregate("summ", "amount", "1d"))), "did you mean 'sum'?"),
        (lambda: project(windows(c=hr.aggregate())), "aggregate None"),  # type: ignore[call-arg]
    ],
    "HR-WINDOW-006": [
        (lambda: project(windows(c=hr.aggregate("sum", None, "1d"))), "hr.sum('…', '1d')"),
        (lambda: project(windows(c=hr.sum(window="1d"))), "sum without a value"),  # type: ignore[call-arg]
    ],
    "HR-WINDOW-007": [
        (lambda: project(windows(c=hr.mean("word", "1d"))), "write cast(word as double)"),
        (lambda: project(windows(c=hr.max("amount > 1", "1d"))), "write cast(amount > 1 as int)"),
    ],
    "HR-WINDOW-008": [
        (
            lambda: learning(
                cases(hr.Features("l", late, by=hr.Entity("n"), features={"c": hr.count("1d", include_current=True)}))
            ),
            "a spine of the same stream",
        )
    ],
    "HR-WINDOW-009": [
        (lambda: project(windows(c=hr.sum("ratio", "1d"))), "least(greatest(ratio, 0), 1000)"),
        (lambda: project(windows(c=hr.quantile("ratio", "1d", q=2))), "write hr.quantile(…, q=0.5)"),
        (lambda: project(windows(c=hr.decayed_sum("amount", half_life="0d"))), "half_life='7d'"),
        (lambda: project(windows(c=hr.last_n("amount", "1d", n=0))), "n is 0"),
    ],
    "HR-WINDOW-010": [
        (lambda: project(windows(c=hr.quantile("amount", 0.5, "3h"))), "hr.quantile with '3h' too many"),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.decayed_sum("amount", "1h", "3h"))), "write value=…, window=…"),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.sum("amount", "1d", window="2d"))), "hr.sum with '1d' too many"),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.aggregate("top_k", "word", "1d", 2))), "hr.top_k with 2 too many"),  # type: ignore[call-arg]
    ],
    "HR-WINDOW-011": [
        (lambda: project(windows(c=hr.quantile("amount", "3h"))), "hr.quantile(…, q=…)"),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.last_n("amount", "3h", n=None))), "last_n without n"),  # type: ignore[arg-type]
        (lambda: project(windows(c=hr.aggregate("decayed_sum", "amount", "1d"))), "decayed_sum without half_life"),
    ],
    "HR-WINDOW-012": [
        (lambda: project(windows(c=hr.top_k("word", "3h", n=2))), "f.c: top_k with n="),  # type: ignore[call-arg]
        (lambda: project(windows(c=hr.count("3h", delya="1d"))), "did you mean 'delay'?"),  # type: ignore[call-overload]
        (lambda: project(windows(c=hr.sum("amount", windows="1d"))), "did you mean 'window'?"),  # type: ignore[call-arg]
    ],
    "HR-FEATURE-001": [(lambda: project(now()), "has no features")],
    "HR-FEATURE-002": [(lambda: project(hr.Features("l", levels, features={"a": "level"})), "whose row is to be read")],
    "HR-FEATURE-003": [
        (lambda: learning(cases(hr.Features("l", late, features={"a": "n"}))), "the spine is events"),
    ],
    "HR-FEATURE-004": [
        (lambda: project(now(a="now.b * 2.0", b="now.a")), "now.a → now.b → now.a"),
        (lambda: project(now(a="now.a")), "compute now.a without itself"),
    ],
    "HR-EXPRESSION-002": [
        (lambda: project(now(a="amuont")), "did you mean 'amount'?"),
        (lambda: project(windows(m=hr.mean("amuont", "1d"))), "did you mean 'amount'?"),
        (lambda: project(windows(m=hr.count("1d", where="usr = 1"))), "did you mean 'user'?"),
        (lambda: project(now(a="spending.mean")), "give the group 'spending' along"),
        (lambda: project(now(a="hour(att)")), "did you mean 'at'?"),
        (lambda: project(now(a="word + 1")), "add of str"),
        (lambda: project(now(a="amount > word")), "a comparison of"),
        (lambda: project(now(a="amount / 0")), "a division by zero"),
        (lambda: project(now(a="amount / (1 - 1)")), "a division by zero"),
        (lambda: project(now(a="user * user")), "without bounds"),
        (lambda: project(now(a="amount; drop table events")), "2 statements"),
        (lambda: project(now(a="(select max(amount) from events)")), "not a scalar expression"),
        (lambda: project(now(a="amount) from events --")), "not SQL"),
        (lambda: project(now(a="read_csv('/etc/passwd')")), "function"),
        (lambda: project(now(a="getenv('HOME')")), "function getenv"),
        (lambda: project(now(a="sum(amount) over ()")), "not a scalar expression"),
        (lambda: project(now(a="max(amount)")), "function max"),
        (lambda: project(now(a="now()")), "function"),
        (lambda: project(now(a="random()")), "function"),
        (lambda: project(now(a="*")), "not a scalar expression"),
        (lambda: project(now(a=" ")), "an empty or overlong expression"),
        (lambda: project(now(a="1e999")), "a number that float64 can hold"),
        (lambda: project(now(a="(" * 900 + "amount" + ")" * 900)), "nested too deeply"),
        (lambda: project(now(**{f"f{n}": f"now.f{n + 1}" for n in range(300)}, f300="amount")), "through fewer"),
        (lambda: project(now(a="substring(word, -1)")), "negative position"),
        (lambda: project(now(a="word like 5")), "expected str"),
        (lambda: learning(cases(where="amuont > 1")), "did you mean 'amount'?"),
    ],
    "HR-EXPRESSION-003": [
        (lambda: project(windows(c=hr.count("1d", where="amount"))), "a condition, true or false"),
        (lambda: learning(cases(where="amount + 1")), "a condition, true or false"),
        (lambda: hr.Project("p", services=[hr.Service("s", model(), {"mail": "score"})]), "write score > 0.5"),
    ],
    "HR-STATE-001": [
        (
            lambda: project(
                hr.Features("l", hr.Table("plain", Timeless, source="l.csv"), by=user, features={"a": "user"})
            ),
            "hr.valid_from()",
        )
    ],
    "HR-SPINE-001": [
        (
            lambda: learning(cases(hr.Features("l", late, by=hr.Entity("n"), features={"c": hr.count("1d")}))),
            "has no 'n'",
        )
    ],
    "HR-SPINE-002": [
        (
            lambda: learning(cases(hr.Features("l", late, by=user, features={"c": hr.count("1d")}))),
            "user is int in events",
        )
    ],
    "HR-LABEL-001": [(lambda: learning(cases(label=truth(on=[]))), "without on=")],
    "HR-LABEL-002": [(lambda: learning(cases(label=truth(on="event"))), "did you mean 'event_id'?")],
    "HR-LABEL-003": [(lambda: learning(cases(label=truth("at"))), "label 'at' is timestamp")],
    "HR-LABEL-004": [
        (lambda: learning(cases(label=truth(default="no"))), "default='no' of a label whose value 'won' is int"),
        (lambda: learning(cases(label=truth(default=0.5))), "write default=0, or leave it out"),
        (lambda: learning(cases(label=truth("won = 1", default=2))), "write default=False, or leave it out"),
        (lambda: learning(cases(label=truth("amount", default=0.005))), "a value of type decimal(10,2)"),
        (lambda: learning(cases(label=truth("ratio", default=float("nan")))), "a value of type float"),
    ],
    "HR-LINEAGE-002": [
        (
            lambda: tagged_table("user, at as since"),
            "seen.user without the privacy tag 'pseudonym', which people.user has",
        ),
        (lambda: tagged_table("length(name) as user, at as since"), "which people.name has"),
    ],
    "HR-LINEAGE-003": [
        (lambda: told_of_people("length(name)"), "m learns from now.it, which is made of people.name, tagged"),
        (lambda: told_of_people("case when name = 'a' then 1 else 0 end"), "privacy='personal'"),
        (
            lambda: told_of_people(
                "coalesce(first_n.n, 0)", hr.Features("first_n", people, features={"n": "length(name)"})
            ),
            "now.it",
        ),
    ],
    "HR-LINEAGE-004": [
        (
            lambda: tagged_table("1 as user, paid, at as since"),
            "seen.paid in USD, while its query gives EUR from people.",
        ),
        (lambda: tagged_table("1 as user, max(paid) as paid, max(at) as since"), "while its query gives EUR"),
    ],
    "HR-LINEAGE-005": [
        (
            lambda: untold("select user as n, paid from people"),
            "unpriced.paid without a unit, while its query gives EUR",
        ),
    ],
    "HR-LINEAGE-006": [
        (
            lambda: untold("select 1 as n, p.paid + s.paid as paid from people p, seen s"),
            "unpriced.paid brings together EUR and USD as if they were one: paid + paid",
        ),
    ],
    "HR-LEAK-002": [
        (
            lambda: learning(cases(hr.Features("g", told, by=user, features={"l": "level"}), label=truth())),
            "g of cases reads told, a query over events",
        ),
    ],
    "HR-LEAK-001": [
        (lambda: learning(cases(now(won="won"), label=truth())), "add delay='7d' or drop it"),
        (lambda: learning(cases(windows(s=hr.sum("won", "30d")), label=truth())), "f.s reads events.won"),
        (lambda: learning(cases(windows(s=hr.sum("won", "30d", delay="6d")), label=truth())), "f.s reads events.won"),
        (lambda: learning(cases(windows(c=hr.count("1d", where="won = 1")), label=truth())), "f.c reads events.won"),
        (
            lambda: learning(cases(windows(s=hr.sum("won", "1d")), now(a="coalesce(f.s, 0.0) + 1"), label=truth())),
            "now.a reads events.won",
        ),
    ],
    "HR-TRAINING-001": [(lambda: learning(hr.TrainingSet("cases", events, [])), "has no features")],
    "HR-LEARN-003": [
        (
            lambda: hr.Project(
                "p", models=[model(cases_=cases(windows(a=hr.last_n("word", "1d", n=2)), label=truth()))]
            ),
            ".a, which is list[str] | None",
        ),
        (
            lambda: hr.Project("p", models=[model(cases_=cases(windows(_n=hr.count("1d")), label=truth()))]),
            "whose features are all inner ones, as _n; expected at least one feature to learn from. Cure: call one 'n'",
        ),
    ],
    "HR-LEARN-012": [
        (
            lambda: hr.Project(
                "p", models=[model(cases_=cases(label=truth()), metrics=[hr.card_precision(5, by="nope")])]
            ),
            "card_precision of m by 'nope'",
        ),
    ],
    "HR-MODEL-001": [(lambda: hr.Project("p", models=[model(cases_=cases())]), "which has no label")],
    "HR-MODEL-002": [(lambda: hr.Project("p", models=[model(metrics=[])]), "has no metrics")],
    "HR-MODEL-003": [
        (lambda: hr.Project("p", models=[model(gates=[hr.at_least("roc_acu", 0.5)])]), "did you mean 'roc_auc'?")
    ],
    "HR-MODEL-005": [
        (lambda: hr.Project("p", models=[model(metrics=[hr.metric("roc_auc", max)])]), "that is called 'roc_auc'"),
    ],
    "HR-MODEL-006": [
        (lambda: hr.Project("p", models=[model(task=hr.quantiles(0.9, 0.1), metrics=())]), "quantiles(0.9, 0.1)"),
        (lambda: hr.Project("p", models=[model(task=hr.quantiles(), metrics=())]), "ascending levels between 0 and 1"),
    ],
    "HR-MODEL-007": [
        (lambda: way(depth=hr.between(9, 2)), "between(9, 2)"),
        (lambda: way(depth=hr.between(0, 2, log=True)), "above 0 with log=True"),
        (lambda: way(depth=hr.choose(1)), "two or more distinct"),
        (lambda: way(depth=hr.between(5, 9)), "depth of fitted, with the default 3"),
        (lambda: way(bare=hr.between(5, 9)), "bare=7"),
    ],
    "HR-MODEL-008": [
        (lambda: hr.Project("p", models=[model(gates=[hr.latency("5")])]), "write hr.latency('5ms')"),
        (lambda: hr.Project("p", models=[model(gates=[hr.size("large")])]), "budget of size = 'large'"),
    ],
    "HR-MODEL-009": [
        (lambda: hr.Project("p", models=[model(select="fastest")]), "select='fastest'"),
        (lambda: hr.Project("p", models=[model(fit=[print, print])]), "candidates of m of one name"),
    ],
    "HR-MODEL-010": [
        (lambda: hr.Project("p", models=[model(task=hr.regression())]), "roc_auc of m, which is regression()"),
        (
            lambda: hr.Project("p", models=[model(task=hr.regression(), metrics=(), threshold=0.5)]),
            "a model that answers yes or no",
        ),
        (
            lambda: hr.Project("p", models=[model(task=hr.regression(), metrics=(), gates=[hr.calibrated()])]),
            "a model that gives a probability",
        ),
    ],
    "HR-MODEL-011": [
        (
            lambda: hr.Project("p", models=[model(metrics=[hr.expected_cost(1, 5), hr.expected_cost(1, 500)])]),
            "two metrics of m called expected_cost",
        ),
    ],
    "HR-MODEL-004": [
        (lambda: hr.Project("p", models=[model(metrics=[hr.card_precision(0)])]), "pass a whole number from 1"),
        (lambda: hr.Project("p", models=[model(metrics=[hr.card_precision(-1)])]), "k of card_precision = -1"),
        (lambda: hr.Project("p", models=[model(metrics=[hr.recall(5)])]), "recall = 5; expected a number from 0 to 1"),
        (lambda: hr.Project("p", models=[model(metrics=[hr.precision(-0.1)])]), "threshold of precision = -0.1"),
        (
            lambda: hr.Project("p", models=[model(gates=[hr.at_least("roc_auc", float("nan"))])]),
            "bound of at_least = nan; expected a finite number",
        ),
        (lambda: hr.Project("p", models=[model(gates=[hr.at_most("roc_auc", float("inf"))])]), "bound of at_most"),
        (
            lambda: hr.Project("p", models=[model(seed=-1)]),
            "seed of m = -1; expected a whole number from 0 to 4294967295",
        ),
    ],
    "HR-SERVICE-001": [
        (lambda: hr.Project("p", services=[hr.Service("s", model(), decide={"allow": "score > 1"})]), "another name")
    ],
    "HR-LEARN-008": [
        (
            lambda: hr.Project("p", models=[model(cases_=cases(now(a="amount"), label=truth("word")))]),
            "m learns 'word', which is text, by binary()",
        )
    ],
    "HR-SERVICE-002": [
        (
            lambda: hr.Project(
                "p", services=[hr.Service("s", model(task=hr.quantiles(0.1, 0.9), metrics=[hr.pinball()]), {})]
            ),
            "whose rows have several scores",
        )
    ],
    "HR-SERVICE-003": [
        (lambda: hr.Project("p", services=[hr.Service("s", model(), {}, record="besteffort")]), "did you mean 'best_")
    ],
    "HR-SERVICE-004": [
        (
            lambda: hr.Project("p", services=[hr.Service("s", model(), {}, when={"cold": "refuse"})]),
            "did you mean 'cold_",
        ),
        (
            lambda: hr.Project("p", services=[hr.Service("s", model(), {}, when={"cold_key": "deny"})]),
            "answer, refuse, ",
        ),
        (
            lambda: hr.Project("p", services=[hr.Service("s", model(), {}, when={"stale": "refuse"})]),
            "stale_after='15m'",
        ),
    ],
    "HR-SERVICE-005": [
        (lambda: hr.Project("p", services=[hr.Service("s", model(), {}, shadow=model())]), "headrace models shadow m "),
        (
            lambda: hr.Project("p", services=[hr.Service("s", model(), {}, shadow=model("n", cases(now(a="1"))))]),
            "hand both models cases",
        ),
        (
            lambda: hr.Project(
                "p",
                services=[
                    hr.Service(
                        "s",
                        (one := model()),
                        shadow=model("n", one.cases, task=hr.quantiles(0.5), metrics=[hr.pinball()]),
                    )
                ],
            ),
            "a model with one score",
        ),
    ],
    "HR-CHARTER-001": [(lambda: hr.Project("p", charter=charter(problem=" ")), "leaves 'problem' open")],
    "HR-CHARTER-002": [
        (lambda: hr.Project("p", charter=charter(metric="roc_acu"), models=[model()]), "did you mean 'roc_auc'?")
    ],
}
