"""Rules of contracts as plans: conditions typed over the fields of a row, and tables that refer to one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from headrace.declare import Check, Contract, Project, Reference, Stream, Table, sources_of
from headrace.declare.fields import Field
from headrace.errors import Fault, HeadraceError, nearest
from headrace.plan.domains import domains
from headrace.plan.expression import Node, references
from headrace.plan.normal import normal_condition
from headrace.plan.parse import condition


@dataclass(frozen=True)
class RowCheck:
    """A condition that each row of a contract keeps: its rule, its typed tree, and the fields that it reads."""

    rule: Check
    node: Node

    @property
    def reads(self) -> tuple[str, ...]:
        return references(self.node)


@lru_cache(256)
def row_checks(contract: type[Contract]) -> tuple[RowCheck, ...]:
    """Return the conditions that a contract promises of each row.

    Raises:
        HeadraceError: HR-EXPRESSION with all faults.

    Example:
        >>> from headrace.declare import check
        >>> class Reading(Contract):
        ...     low: float
        ...     high: float
        ...     in_order = check("low <= high")
        >>> row_checks(Reading)[0].reads
        ('low', 'high')
    """
    scope, found, faults = domains(contract), list[RowCheck](), list[Fault]()
    for one in contract.rules().values():
        if isinstance(one, Check):
            try:
                node = condition(one.condition, scope, one.place or contract.place, f"{contract.name}.{one.name}")
                found.append(RowCheck(one, node))
            except HeadraceError as error:
                faults += error.faults
    if faults:
        raise HeadraceError(faults)
    return tuple(found)


def rules_meaning(contract: type[Contract]) -> dict[str, Any]:
    """Return what a contract promises beyond single fields, by name; ``{}`` where it promises nothing more."""
    found = {name: one.meaning() for name, one in contract.rules().items()}
    for one in row_checks(contract):
        found[one.rule.name]["condition"] = normal_condition(one.node)
    return found


def row_rules_meaning(contract: type[Contract]) -> dict[str, Any]:
    """Return what a contract promises of rows beyond single fields, by name: what rows in the lake have to keep."""
    rules = contract.rules()
    return {name: said for name, said in rules_meaning(contract).items() if rules[name].of_rows}


def referred(one: Reference, tables: Mapping[str, Stream | Table]) -> tuple[str, ...]:
    """Return the columns of another table in which a reference is looked up: those of its key, unless it names one."""
    table, _, column = one.to.partition(".")
    if column:
        return (column,)
    contract = tables[table].contract if table in tables else None
    return () if contract is None else contract.key_fields()


def contract_rule_faults(project: Project) -> list[Fault]:
    """Return the faults of rules that show only within a project: conditions, and references to its other tables."""
    tables = {one.name: one for one in sources_of(project)}
    faults: list[Fault] = []
    for source in tables.values():
        contract = source.contract
        if not isinstance(contract, type) or not issubclass(contract, Contract) or contract.faults:
            continue
        try:
            row_checks(contract)
        except HeadraceError as error:
            faults += error.faults
        for one in _references(source):
            faults += _reference_faults(source, contract, one, tables)
    return faults + (_circles(tables) if not faults else [])


def tables_referred_to(source: Stream | Table) -> tuple[str, ...]:
    """Return the names of the tables that the rules of a source look into: these are loaded first."""
    return tuple(dict.fromkeys(one.table for one in _references(source)))


def _references(source: Stream | Table) -> list[Reference]:
    contract = source.contract
    if not isinstance(contract, type) or not issubclass(contract, Contract):
        return []
    return [one for one in contract.rules().values() if isinstance(one, Reference)]


def _reference_faults(
    source: Stream | Table, contract: type[Contract], one: Reference, tables: dict[str, Stream | Table]
) -> Iterator[Fault]:
    what, place = f"{contract.name}.{one.name}", one.place or contract.place
    other = tables.get(one.table)
    if other is None or other is source:
        found = f"{what} refers to {one.table!r}" + (", its own table" if other is source else "")
        cure = nearest(one.table, [name for name in tables if name != source.name])
        yield Fault("HR-QUALITY-007", place, found, "another table of the project", cure or "declare it")
        return
    if other.contract is None or other.contract.faults:
        if other.contract is None:
            found, cure = f"{what} refers to {one.table}, which has no contract", f"give {one.table} a contract"
            yield Fault("HR-QUALITY-007", place, found, "a table with a contract", cure)
        return
    fields, names = other.contract.fields(), referred(one, tables)
    if len(names) != len(one.of) or any(name not in fields for name in names):
        yield _unlike(what, place, one, names, fields)
        return
    for column, name in zip(one.of, names, strict=True):
        mine, theirs = contract.fields()[column].type.bare, fields[name].type.bare
        if mine != theirs:
            found = f"{what}: {column} is {mine!r} and {one.table}.{name} is {theirs!r}"
            cure = "declare them alike in both contracts"
            yield Fault("HR-QUALITY-007", place, found, "one type", cure)


def _unlike(what: str, place: str, one: Reference, names: tuple[str, ...], fields: dict[str, Field]) -> Fault:
    told = ", ".join(names) or "no key"
    found = f"{what} looks {', '.join(one.of)} up in {told} of {one.table}"
    wrong = next((name for name in names if name not in fields), None)
    cure = nearest(wrong, fields) if wrong else f"name as many columns, or one: to='{one.table}.{next(iter(fields))}'"
    return Fault("HR-QUALITY-007", place, found, f"as many columns of {one.table} as are looked up", cure)


def _circles(tables: dict[str, Stream | Table]) -> list[Fault]:
    from headrace.plan.queries import reads_of

    needs: dict[str, list[str]] = {}
    for name, one in tables.items():
        needs[name] = [other for other in tables_referred_to(one) if other in tables]
        if isinstance(one, Table) and isinstance(one.query, str):
            try:
                needs[name] += [other for other in reads_of(one) if other in tables]
            except HeadraceError:  # told with the query
                continue
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        way = error.args[1][::-1]
        if any(tables_referred_to(tables[name]) for name in way):
            found = f"tables that refer to each other: {' → '.join(way)}"
            place = next(tables[name].place for name in way if tables_referred_to(tables[name]))
            cure = "take one of the references away: each table is loaded after those that it refers to"
            return [Fault("HR-QUALITY-008", place, found, "tables in an order", cure)]
    return []
