"""Promises of a contract, as the quality history tells how the last loads kept them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.audit.facts import RULES
from headrace.contracts.quality import promises_of
from headrace.declare import Check, Contract, Field, Reference, Unique
from headrace.declare.nested import all_within
from headrace.declare.rules import SEVERITIES
from headrace.lake import Lake

_SAYS = {
    "ge": "is at least {}",
    "gt": "is above {}",
    "le": "is at most {}",
    "lt": "is below {}",
    "isin": "is one of {}",
    "pattern": "matches {}",
    "min_length": "has a length of at least {}",
    "max_length": "has a length of at most {}",
}
_WRONG = {"ge": "is below", "gt": "is not above", "le": "is above", "lt": "is not below"}
"""What a reason of quarantine says of a bound, as ``contracts`` writes it."""
_CODES = dict.fromkeys(_WRONG, "HR-DATA-004") | {
    "isin": "HR-DATA-005",
    "pattern": "HR-DATA-006",
    "min_length": "HR-DATA-007",
    "max_length": "HR-DATA-007",
}
_TYPED = tuple(code for code in RULES if code not in (*_CODES.values(), "HR-DATA-008"))
"""What a value is told that is missing or of another type: the promise of the field itself."""


@dataclass(frozen=True)
class Promise:
    """A promise that one of the last loads broke.

    Args:
        table, rule, severity, says, owner, place: which it is, in whose words, and where it is declared.
        failed: rows that broke it in each of the last loads, the newest last; of promises of loads 1 where they did.
        of_rows: whether single rows break it.
        value: what was measured last: a share of rows, the share of the usual rows, a distance, an age in seconds.
        now: whether the newest load, or the newest verdict, broke it.
        example: ``file:row`` of a row that broke it and is in quarantine; else the file of the last load that did.
    """

    table: str
    rule: str
    severity: str
    says: str
    owner: str
    place: str
    failed: tuple[int, ...]
    of_rows: bool
    value: float | None
    now: bool
    example: str

    @property
    def rows(self) -> int:
        """Rows of the last loads that broke it."""
        return sum(self.failed) if self.of_rows else 0


@dataclass(frozen=True)
class Aside:
    """A reason for which rows are in quarantine: by which code, in which field, how many, and where the first stood.

    ``word`` is how a value is beyond its bounds; empty for every other reason.
    """

    code: str
    field: str
    word: str
    rows: int
    example: str


def quarantined(lake: Lake, table: str) -> list[Aside]:
    """Return the reasons for which rows of a table are in quarantine, without their values, the most frequent first.

    Args:
        lake: with the tables.
        table: whose quarantine is meant.
    """
    name = f"quarantine_{table}"
    if not lake.exists(name):
        return []
    each = f'select _source, _row, unnest(list_distinct(reasons)) as reason from "{name}"'
    parted = (
        r"select regexp_extract(reason, '^(\S+) ', 1) as code, regexp_extract(reason, '^\S+ ([^:]*):', 1) as field, "
        rf"regexp_extract(reason, ' ({'|'.join(_WRONG.values())}) \S+$', 1) as word, _source, _row from ({each})"
    )
    found = lake.sql(
        "select code, field, word, count(*) as rows, arg_min(_source || ':' || _row, (_source, _row)) as example "
        f"from ({parted}) group by code, field, word order by rows desc, code, field, word"
    )
    return [Aside(**one) for one in found.to_pylist()]


def broken(
    table: str,
    owner: str,
    contract: type[Contract],
    verdicts: Sequence[Mapping[str, Any]],
    loads: Sequence[str],
    files: Mapping[str, str],
    aside: Iterable[Aside],
) -> list[Promise]:
    """Return the promises that the last loads broke, those that the newest one broke first.

    Args:
        table, owner, contract: of which table.
        verdicts: rows of the quality history, oldest first; those without a load are on the table as it was.
        loads: ids of the last loads, the newest last.
        files: by load.
        aside: what is in quarantine of the table.
    """
    known = promises_of(contract) | {name: one.severity for name, one in contract.rules().items()}
    by_rule: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in verdicts:
        if one["rule"] in known:
            by_rule.setdefault(one["rule"], {})[one["_load"]] = one
    held, found = list(aside), []
    for rule, by_load in by_rule.items():
        last = list(by_load.values())[-1]
        of_loads = [by_load[load] for load in loads if load in by_load]
        of_rows = bool(last["checked"]) and rule in promises_of(contract)
        failed = tuple(int(one["failed"]) if of_rows else int(not one["ok"]) for one in of_loads or [last])
        if not any(failed):
            continue
        worst = [load for load in loads if load in by_load and not by_load[load]["ok"]]
        where = _example(rule, contract, held) or (files.get(worst[-1], "") if worst else "")
        severity, says, place = known[rule], said_of(rule, contract), _place(rule, contract)
        about = (table, rule, severity, says, owner, place)
        found.append(Promise(*about, failed, of_rows, last["value"], not last["ok"], where))
    return sorted(found, key=lambda one: (not one.now, -SEVERITIES.index(one.severity), -one.rows))


def said_of(rule: str, contract: type[Contract]) -> str:
    """Return a promise in words.

    Example:
        >>> from headrace.declare import field, key
        >>> class Reading(Contract):
        ...     id: int = key()
        ...     value: float | None = field(ge=0)
        >>> [said_of(rule, Reading) for rule in ("id", "value", "value ge", "key")]
        ['is there, as int', 'is float, or missing', 'is at least 0', 'id is in no two rows']
    """
    if rule == "key":
        return f"{', '.join(contract.key_fields())} {'is' if len(contract.key_fields()) == 1 else 'are'} in no two rows"
    if rule in contract.rules():
        return contract.rules()[rule].said()
    field, promise = _parted(rule, contract)
    if promise:
        bound = getattr(field, promise)
        return _SAYS[promise].format(", ".join(map(str, bound)) if isinstance(bound, tuple) else bound)
    return f"is {field.type.bare!r}, or missing" if field.type.nullable else f"is there, as {field.type!r}"


def _parted(rule: str, contract: type[Contract]) -> tuple[Field, str]:
    """A field may have a blank in its name, so the promise is what is behind the last one, if it is one."""
    name, _, promise = rule.rpartition(" ")
    fields = {one.name: one for one in all_within(contract.fields().values())}
    return (fields[name], promise) if promise in _SAYS and name in fields else (fields[rule], "")


def _place(rule: str, contract: type[Contract]) -> str:
    if rule == "key":
        return contract.fields()[contract.key_fields()[0]].place or contract.place
    if rule in contract.rules():
        return contract.rules()[rule].place or contract.place
    return _parted(rule, contract)[0].place or contract.place


def _example(rule: str, contract: type[Contract], held: Iterable[Aside]) -> str:
    codes, field, word = _reason(rule, contract)
    fitting = (one for one in held if one.code in codes and one.field == field and word in ("", one.word))
    return next((one.example for one in fitting), "")


def _reason(rule: str, contract: type[Contract]) -> tuple[tuple[str, ...], str, str]:
    """Codes, field and word of the reasons that rows are given that break a rule."""
    match contract.rules().get(rule):
        case Check():
            return ("HR-QUALITY-010",), rule, ""
        case Unique(of=of):
            return ("HR-QUALITY-011",), ", ".join(of), ""
        case Reference(of=of):
            return ("HR-QUALITY-012",), ", ".join(of), ""
        case None if rule == "key":
            return ("HR-DATA-008",), ", ".join(contract.key_fields()), ""
        case None:
            field, promise = _parted(rule, contract)
            return (_CODES[promise],) if promise else _TYPED, field.name, _WRONG.get(promise, "")
    return (), "", ""
