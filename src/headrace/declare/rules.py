"""What a contract promises beyond single fields: of rows, of columns together, of tables, and of whole loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace.declare.base import here
from headrace.declare.sheet import Sheet

WARN, REJECT, STOP = "warn", "reject", "stop"
SEVERITIES = (WARN, REJECT, STOP)
"""Told and counted; the row goes to quarantine; the load is refused before any of its rows is in."""
LAST = 7
"""Loads with which a load is compared, unless it is said."""
MOST_LOADS = 1000
"""With more no load is compared."""
RULE_HEADS = ("rule", "promise", "severity")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A promise of a contract that is not one field's. Its name is the attribute that it is assigned to."""

    severity: str = REJECT
    name: str = ""
    place: str = dataclasses.field(default="", compare=False, repr=False)

    def row(self) -> tuple[str, ...]:
        """Return what is shown of it: name, promise, severity."""
        return self.name, self.said(), self.severity

    def said(self) -> str:
        """Return the promise as one reads it."""
        return type(self).__name__.lower()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields that it names; those of an expression are in the expression."""
        return ()

    @property
    def of_rows(self) -> bool:
        """Whether single rows break it; else a load as a whole does, or the table."""
        return isinstance(self, Check | Unique | Reference)

    def meaning(self) -> dict[str, Any]:
        """Return what it promises as plain values; only what was said."""
        said = {
            one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in ("name", "place")
        }
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}
        return {"rule": type(self).__name__.lower(), **{key: one for key, one in plain.items() if one is not None}}

    def _repr_html_(self) -> str:
        return Sheet("Rule", "", RULE_HEADS, (self.row(),)).html()


@dataclass(frozen=True)
class Check(Rule):
    """A condition over the fields of a row. Made by ``check``."""

    condition: str

    def said(self) -> str:
        return str(self.condition)


@dataclass(frozen=True)
class Unique(Rule):
    """Columns whose values together no two rows share. Made by ``unique``."""

    of: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.of

    def said(self) -> str:
        return f"unique {', '.join(map(str, self.of))}"


@dataclass(frozen=True)
class Reference(Rule):
    """Columns whose values a row of another table has. Made by ``reference``."""

    of: tuple[str, ...]
    to: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.of

    @property
    def table(self) -> str:
        """Name of the other table."""
        return self.to.split(".")[0]

    def said(self) -> str:
        return f"{', '.join(map(str, self.of))} in {self.to}"


@dataclass(frozen=True)
class Fresh(Rule):
    """How old the newest row of a table may be. Made by ``fresh``."""

    within: str

    def said(self) -> str:
        return f"newest row within {self.within}"


@dataclass(frozen=True)
class Volume(Rule):
    """How many rows a load may bring. Made by ``volume``."""

    within: float | None = None
    last: int = LAST
    at_least: int | None = None
    at_most: int | None = None

    def said(self) -> str:
        words = [("≥", self.at_least), ("≤", self.at_most)]
        said = [f"rows {word} {bound:,}" for word, bound in words if bound is not None]
        if self.within is not None:
            said.append(f"rows within {self.within:g} of the last {self.last} loads")
        return ", ".join(said)


@dataclass(frozen=True)
class Distribution(Rule):
    """How far the values of a column may be from those of the last loads. Made by ``distribution``."""

    of: str
    within: float
    last: int = LAST

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.of,)

    def said(self) -> str:
        return f"{self.of} within {self.within:g} of the last {self.last} loads"


def check(condition: str, *, severity: str = REJECT) -> Any:
    """Promise a condition over the fields of each row.

    Args:
        condition: SQL that is true or false, as in features; see the page on expressions. A row breaks it where it is
            false; where a null leaves it open, the row keeps it, as in SQL.
        severity: ``"warn"``, ``"reject"`` or ``"stop"``.

    Returns:
        A rule for the class body of a ``Contract``, to be assigned to its name.

    Example:
        >>> check("settled is null or settled >= at", severity="warn").severity
        'warn'
    """
    return Check(condition, severity=severity, place=here())


def unique(*columns: str, severity: str = REJECT) -> Any:
    """Promise that no two rows have the same values in some columns, across all loads; the key needs no such rule.

    Args:
        columns: names of fields. A row with a null in one of them is not compared, as in SQL.
        severity: ``"warn"``, ``"reject"`` (the later row) or ``"stop"``.

    Example:
        >>> unique("shop", "receipt").columns
        ('shop', 'receipt')
    """
    return Unique(columns, severity=severity, place=here())


def reference(*columns: str, to: str, severity: str = REJECT) -> Any:
    """Promise that each value of some columns is there in another table of the project, which is loaded first.

    Args:
        columns: names of fields. A row with a null in one of them refers to nothing, and keeps the promise.
        to: name of a stream or table, whose key is meant, or ``"table.column"``.
        severity: ``"warn"``, ``"reject"`` or ``"stop"``.

    Example:
        >>> reference("customer_id", to="customers").table
        'customers'
    """
    return Reference(columns, to, severity=severity, place=here())


def fresh(within: str, *, severity: str = WARN) -> Any:
    """Promise that the newest row is no older than this whenever the project runs.

    The newest is that of the known time where the contract has one, else of the event time.

    Args:
        within: a length of time such as ``"2h"``.
        severity: ``"warn"``, or ``"stop"``: the step fails, and what depends on it does not run.

    Example:
        >>> fresh("2h", severity="stop").within
        '2h'
    """
    return Fresh(within, severity=severity, place=here())


def volume(
    within: float | None = None,
    *,
    last: int = LAST,
    at_least: int | None = None,
    at_most: int | None = None,
    severity: str = WARN,
) -> Any:
    """Promise how many rows a load brings.

    Args:
        within: share by which its rows may differ from the median of the last loads: 0.5 is half as many more or less.
        last: number of loads to compare with; fewer while there are fewer, and no verdict on the first.
        at_least, at_most: rows.
        severity: ``"warn"``, or ``"stop"``: the load is refused before any of its rows is in.

    Example:
        >>> volume(within=0.5, at_least=100).last
        7
    """
    return Volume(within, last, at_least, at_most, severity=severity, place=here())


def distribution(column: str, *, within: float = 0.2, last: int = LAST, severity: str = WARN) -> Any:
    """Promise that the values of a column are distributed as in the last loads.

    The distance is the population stability index over ten bins of equal frequency, which are fixed by the first
    load of at least 100 values, and one bin more for what is missing. A text is counted by itself where its field
    has a set of up to ten, else in one of 64 bins by its digest, so that no text stands in the history. Below 0.1
    is commonly read as no change, above 0.25 as a large one; of loads with few values it is large by chance.

    Source: N. Siddiqi, Credit Risk Scorecards, Wiley 2006, chapter 10.

    Args:
        column: an int, float, decimal, bool or str.
        within: largest index.
        last: number of loads to compare with; fewer while there are fewer, and no verdict on the first.
        severity: ``"warn"``, or ``"stop"``: the load is refused before any of its rows is in.

    Example:
        >>> distribution("amount").within
        0.2
    """
    return Distribution(column, within, last, severity=severity, place=here())


def rules_within(body: dict[str, Any]) -> Iterator[tuple[str, Rule]]:
    """Take the rules out of a class body, so that one may have any name; yield each with its name."""
    for name in [name for name, value in body.items() if isinstance(value, Rule)]:
        yield name, body.pop(name)
