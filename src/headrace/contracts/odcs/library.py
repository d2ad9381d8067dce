"""Rules of quality of the standard, one by one: the rule of a contract that means the same, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.contracts.odcs.metrics import counted, metric_of, none_allowed, severity_of
from headrace.declare.rules import (
    REJECT,
    STOP,
    WARN,
    Check,
    Distribution,
    Fresh,
    Reference,
    Rule,
    Unique,
    Volume,
)

Data = Mapping[str, Any]
ENGINE = "headrace"
"""Engine of rules that the standard has no words for."""
_COUNT = re.compile(
    r"\s*select\s+count\s*\(\s*(?:\*|1)\s*\)(?:\s+as\s+\w+)?\s+from\s+(\S+)\s+where\s+(.+?)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_PLACEHOLDERS = re.compile(r"\$?\{(object|table|model|property|column)\}")
_NULL = re.compile(r'((?:\w+|"[^"]+")(?:\.\w+)*)\s+is\s+null', re.IGNORECASE)


def said_rule(rule: Data, one: Data, column: str | None, whole: bool = False) -> Rule | str:
    """Return the rule of a contract that means the same as one of a document, or why there is none.

    Args:
        rule: of quality.
        one: the object that it is of.
        column: name of the property that it is of; None of the object itself.
        whole: whether a load brings all rows of the object.

    Example:
        >>> said_rule({"metric": "duplicateValues", "mustBe": 0}, {"name": "orders"}, "id").said()
        'unique id'
        >>> said_rule({"metric": "nullValues", "mustBeLessThan": 5}, {"name": "orders"}, "id")
        'a contract allows none or does not count'
    """
    kind = rule.get("type", "library")
    if kind == "custom":
        return _custom(rule)
    if kind == "sql":
        return _sql(rule, one, column)
    metric = metric_of(rule)
    if metric == "rowCount":
        return _row_count(rule, column, whole)
    if not metric:
        return "it is told in words" if kind == "text" else "no metric of the standard"
    if not none_allowed(rule):
        return "a contract allows none or does not count"
    arguments = rule.get("arguments") if isinstance(rule.get("arguments"), dict) else {}
    if metric == "duplicateValues":
        return _duplicates(rule, arguments or {}, column)
    if column is None:
        return f"{metric} is of a property"
    made = {"nullValues": _no_null, "missingValues": _none_missing, "invalidValues": _valid}.get(metric)
    text = made(named(column), arguments or {}) if made else None
    return Check(text, severity=severity_of(rule)) if text else f"{metric} with arguments that a contract cannot say"


def named(column: str) -> str:
    """Return a column as an expression names it.

    Example:
        >>> named("amount"), named("address.city"), named("order-id")
        ('amount', 'address.city', '"order-id"')
    """
    plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", column, re.ASCII)
    return column if plain else '"' + column.replace('"', '""') + '"'


def _duplicates(rule: Data, arguments: Data, column: str | None) -> Rule | str:
    columns = arguments.get("properties", [] if column is None else [column])
    if not isinstance(columns, list) or not columns or not all(isinstance(name, str) for name in columns):
        return "duplicateValues without the names of its properties"
    return Unique(tuple(columns), severity=severity_of(rule))


def _row_count(rule: Data, column: str | None, whole: bool) -> Rule | str:
    found = counted(rule)
    if found is None or column is not None or found == (None, None):
        return "hr.volume says at least and at most how many rows"
    least, most = found[0] or None, found[1]
    if least is None and most is None:
        return "it bounds nothing"
    bounds = [f"{name}={value}" for name, value in (("at_least", least), ("at_most", most)) if value is not None]
    if not whole:
        said = f"hr.volume({', '.join(bounds)})"
        return f"it counts the table, and hr.volume a load; where each load brings all rows, write {said} for it"
    severity = WARN if severity_of(rule, WARN) == WARN else STOP
    return Volume(at_least=least, at_most=most, severity=severity)


def _no_null(column: str, arguments: Data) -> str | None:
    return None if arguments else f"{column} is not null"


def _none_missing(column: str, arguments: Data) -> str | None:
    values = arguments.get("missingValues")
    if not isinstance(values, list) or list(arguments) != ["missingValues"]:
        return None if arguments else f"{column} is not null"
    there = f"{column} is not null" if None in values else ""
    listed = _literals([one for one in values if one is not None])
    if listed is None:
        return None
    return " and ".join(filter(None, [there, f"{column} not in ({listed})" if listed else ""])) or None


def _valid(column: str, arguments: Data) -> str | None:
    values = arguments.get("validValues")
    if not isinstance(values, list) or list(arguments) != ["validValues"]:
        return None
    listed = _literals([one for one in values if one is not None])
    return f"{column} in ({listed})" if listed else None


def _literals(values: list[Any]) -> str | None:
    """Values as SQL writes them, None where it cannot."""
    if not all(isinstance(one, str | int | float) for one in values):
        return None
    shown = ["'" + one.replace("'", "''") + "'" if isinstance(one, str) else str(one).lower() for one in values]
    return ", ".join(shown)


def _sql(rule: Data, one: Data, column: str | None) -> Rule | str:
    """A query that counts the rows that break something, of which there may be none."""
    found = _COUNT.fullmatch(str(rule.get("query", "")))
    if found is None or not none_allowed(rule):
        return "only a count of rows of its table is a check, select count(*) from … where …, of which none may be"
    if _plain(found[1]) not in _tables(one):
        return f"it counts rows of {found[1]}"
    broken = _PLACEHOLDERS.sub(lambda word: _placed(word[1], column), found[2])
    return Check(_kept(broken.strip()), severity=severity_of(rule))


def _placed(word: str, column: str | None) -> str:
    return named(column) if word in ("property", "column") and column is not None else f"{{{word}}}"


def _tables(one: Data) -> set[str]:
    names = [str(one.get("name", "")), str(one.get("physicalName", ""))]
    names += [names[1].rpartition(".")[2], "{object}", "{table}", "{model}"]
    return {_plain(name) for name in names if name}


def _plain(table: str) -> str:
    return table.removeprefix("$").replace('"', "").replace("`", "").lower()


def _kept(broken: str) -> str:
    """The condition that a row keeps, where one says what breaks it; null breaks neither."""
    inner = _within_not(broken)
    if inner is not None:
        return inner
    null = _NULL.fullmatch(broken)
    return f"{null[1]} is not null" if null else f"not ({broken})"


def _within_not(text: str) -> str | None:
    """What a NOT (…) holds, where that is the whole text; quotes may hold parentheses."""
    begin = re.match(r"not\s*\(", text, re.IGNORECASE)
    if begin is None:
        return None
    depth, quote = 0, ""
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")")
            if letter == ")" and depth == 0:
                return text[begin.end() : at] if at == len(text) - 1 else None
    return None


def _custom(rule: Data) -> Rule | str:
    said = rule.get("implementation")
    if rule.get("engine") != ENGINE or not isinstance(said, dict):
        return f"it is of the engine {rule.get('engine')}"
    made = _OWN.get(str(said.get("rule")))
    arguments = {key: tuple(one) if isinstance(one, list) else one for key, one in said.items() if key != "rule"}
    mild = REJECT if made in (Check, Unique, Reference) else WARN
    try:
        own: Rule | None = made(**arguments, severity=severity_of(rule, mild)) if made else None
    except TypeError:
        own = None
    return own or f"no rule of {ENGINE}: {said.get('rule')}"


_OWN: dict[str, Any] = {one.__name__.lower(): one for one in (Check, Unique, Reference, Fresh, Volume, Distribution)}


def own_words(rule: Rule) -> dict[str, Any]:
    """Return a rule as the standard writes one of an engine that is not its own.

    Example:
        >>> own_words(Fresh("2h", severity="warn"))["implementation"]
        {'rule': 'fresh', 'within': '2h'}
    """
    said = {key: value for key, value in rule.meaning().items() if key != "severity"}
    return {"type": "custom", "engine": ENGINE, "implementation": said}
