"""What the rules of services take of the rows that a model was tested on, decided as the service decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.audit.facts import Loaded
from headrace.declare import Model, Service
from headrace.engines.frame import typed_column
from headrace.kernel.column import Column
from headrace.learn.trainingset import BuiltSet
from headrace.plan import compile_rules, compile_set, lower
from headrace.plan.expression import Node, references
from headrace.types import FLOAT, LogicalType

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """What one rule of a service takes of the test rows, after the rules before it.

    Args:
        service, decision: whose it is.
        says: the condition, as declared.
        per_day, precision, recall: rows a day, the share of them that is positive, and of all positives.
        lacks: what the rule, or one before it, reads and neither the set nor the lake has; then the figures are 0.
    """

    service: str
    decision: str
    says: str
    per_day: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    lacks: tuple[str, ...] = ()


def rules_taken(
    loaded: Loaded,
    model: Model,
    built: BuiltSet,
    test: Mask,
    y: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    days: int,
) -> list[Rule]:
    """Return what each rule of each service by a model takes.

    Args:
        loaded: the project.
        model: whose services are meant.
        built: the set.
        test: which of its rows were tested on.
        y, score: labels and scores of these.
        days: on how many days they lie.
    """
    found = []
    for service in loaded.project.all_services.values():
        if service.model == model:
            rules = compile_rules(service)
            names = {name for _, rule in rules for name in references(rule)}
            given = _given(loaded, model, built, test, names) | {"score": Column(FLOAT, score)}
            found += _of_service(service, rules, given, y, days)
    return found


def _of_service(
    service: Service,
    rules: Sequence[tuple[str, Node]],
    given: Mapping[str, Column],
    y: npt.NDArray[np.int64],
    days: int,
) -> list[Rule]:
    found = []
    left = np.ones(len(y), dtype=np.bool_)
    lacks: dict[str, None] = {}
    for name, rule in rules:
        lacks |= dict.fromkeys(one for one in references(rule) if one not in given)
        says = service.decide[name]
        if lacks:
            found.append(Rule(service.name, name, says, lacks=tuple(lacks)))
            continue
        column = lower.columns(rule, given, len(y))
        taken = left & column.values & column.mask
        left &= ~taken
        count, hits = int(taken.sum()), int(y[taken].sum())
        found.append(Rule(service.name, name, says, count / days, hits / max(count, 1), hits / max(int(y.sum()), 1)))
    return found


def _given(loaded: Loaded, model: Model, built: BuiltSet, test: Mask, names: set[str]) -> dict[str, Column]:
    """Features and fields of the test rows, as the kernel holds them: those of the set, and of its rows in the lake."""
    plan, contract = compile_set(model.cases), model.cases.spine.contract
    kinds = {one.name: one.type for one in plan.features} | {name: one.type for name, one in contract.columns().items()}
    there = [name for name in names if name in built.manifest["columns"] and name in kinds]
    wanted = [name for name in names if name in contract.columns() and name not in there]
    keys = contract.key_fields()
    if wanted and len(keys) == 1:
        there.append(keys[0])
    rows = built.to_arrow(list(dict.fromkeys(there))).filter(pa.array(test)) if there else pa.table({})
    found = {name: _held(rows.column(name), kinds[name], name) for name in there}
    if wanted and len(keys) == 1:
        version = built.manifest["versions"].get(model.cases.spine.name)
        table = loaded.lake().read(model.cases.spine.name, version=version, columns=[*keys, *wanted])
        place = pc.index_in(rows.column(keys[0]), value_set=table.column(keys[0]))
        found |= {name: _held(table.column(name).take(place), kinds[name], name) for name in wanted}
    return found


def _held(column: pa.ChunkedArray, kind: LogicalType, name: str) -> Column:
    """A column as the kernel holds it; a decimal feature left as float64, to which no other of its type is as near."""
    if kind.name == "decimal" and pa.types.is_floating(column.type):
        floats = typed_column(column, FLOAT, name)
        return Column(kind, np.rint(floats.values * 10.0**kind.scale).astype(np.int64), floats.valid)
    return typed_column(column, kind, name)
