"""What can change of a row, and how far: its own fields, or windows of its past, within what the model learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.declare import Reference
from headrace.engines.frame import typed_column
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import Column, from_arrow, to_arrow
from headrace.learn.trainingset import open_set
from headrace.online.slots import source_of
from headrace.plan.domains import domain_of
from headrace.plan.expression import references
from headrace.plan.meaning import Plan
from headrace.serve.why.case import Case, held_again
from headrace.serve.why.veil import Veil
from headrace.types import Domain, LogicalType

SAMPLE = 200_000
"""Rows of what was learned from that say how far something goes, about."""
_NUMBERS = ("int", "float", "decimal")
_ENDS = 0.001
"""Share of the rows at either end that bounds leave out."""
_POINTS = 64
_MOST_VALUES = 50
_CURE_FIELDS = "--vary with fields of the request, or windowed features"


@dataclass(frozen=True)
class Vary:
    """Something that can change.

    Args:
        name: a field of the request, or a windowed feature.
        kind: its type.
        of: ``request`` or ``history``.
        now: what it is, as the kernel holds it.
        grid: values to begin with, ascending; of what has no order all that are tried.
        step: what a distance of 1 is, in units of the kernel.
        ordered: whether its values have an order.
    """

    name: str
    kind: LogicalType
    of: str
    now: Any
    grid: tuple[Any, ...]
    step: float
    ordered: bool

    def distance(self, value: Any) -> float:
        """Return how far a value is from what is: in median absolute deviations (Wachter and others, 2018)."""
        if value == self.now:
            return 0.0
        return abs(float(value) - float(self.now)) / self.step if self.ordered and self.now is not None else 1.0


def varied(case: Case, veil: Veil, vary: Sequence[str], fixed: Sequence[str], sets: Path) -> list[Vary]:
    """Return what is to be varied, with the range and the spread that it had in what the model learned from.

    Args:
        case: a record whose request can be read.
        veil: what tells of a person is varied only where it is asked for.
        vary, fixed: names, as a user gave them.
        sets: folder of built sets.

    Raises:
        HeadraceError: HR-WHY-002 for an unknown name, 003 for what cannot vary.
    """
    windows = _windows(case.plan)
    possible = [*(name for name in case.contract.fields() if not _never(case, name)), *windows]
    faults = [fault for name in (*vary, *fixed) if (fault := _unknown(case, name, possible)) is not None]
    faults += [fault for name in vary if (fault := _unfit(case, name, windows)) is not None]
    if faults:
        raise HeadraceError(faults)
    names = [name for name in (vary or _own(case, veil)) if name not in fixed]
    fields = [name for name in names if name in case.contract.fields()]
    learned = _of_spine(case, fields) | _of_set(case, [name for name in names if name in windows], sets)
    found = [_vary(case, name, learned[name], windows) for name in names]
    return [one for one in found if one.grid or vary]


def _own(case: Case, veil: Veil) -> list[str]:
    """The fields of the request that may change of themselves: no key, id or time, and something reads them."""
    plan, contract = case.plan, case.contract
    keys = {key for group in plan.groups for key in group.keys}
    keys |= set() if plan.label is None else set(plan.label.label.on)
    rules = contract.rules().values()
    keys |= {name for rule in rules if isinstance(rule, Reference) for name in rule.columns}
    read = {*plan.row_columns, *case.rules.reads}
    return [
        name
        for name, one in contract.fields().items()
        if name in read
        and name not in keys
        and not _never(case, name)
        and not (name == "id" or name.endswith("_id"))
        and not one.subject
        and not veil.hides(name, contract)
    ]


def _never(case: Case, name: str) -> bool:
    """Whether a field names the case or its moment, or is of a type of which nothing nearby can be said."""
    contract = case.contract
    one = contract.fields()[name]
    return bool(one.role) or one.type.name not in (*_NUMBERS, "bool", "str")


def _windows(plan: Plan) -> dict[str, LogicalType]:
    """Windowed features that are numbers."""
    kinds = {one.name: one.type for one in plan.outputs}
    names = [name for group in plan.windows for one in group.aggregations for name in one.outputs]
    return {name: kinds[name] for name in names if kinds[name].name in _NUMBERS}


def _unknown(case: Case, name: str, possible: Iterable[str]) -> Fault | None:
    if name in case.contract.columns() or name in case.kinds:
        return None
    cure = nearest(name[:64], possible) or _CURE_FIELDS
    found = f"{name[:64]!r}, which is no field of {case.contract.name} and no feature of {case.plan.name}"
    return Fault("HR-WHY-002", "--vary", found, "a field or a windowed feature", cure)


def _unfit(case: Case, name: str, windows: Mapping[str, LogicalType]) -> Fault | None:
    fields = case.contract.fields()
    if name in windows or name not in (*case.contract.columns(), *case.kinds):
        return None
    if name in fields and not _never(case, name):
        return None
    derived = {one.name for one in case.plan.derived}
    if name in fields:
        why, cure = "which names the case or its moment, or has no order and no short list of values", _CURE_FIELDS
    elif name in case.contract.columns():
        why, cure = "which is within an object", _CURE_FIELDS
    elif name in derived:
        made = next(one for one in case.plan.derived if one.name == name)
        why, cure = "which follows from others", f"vary what it is made of: {', '.join(references(made.node))}"
    else:
        group = next((one for one in case.plan.states if any(name == each for each, _ in one.expressions)), None)
        why = f"which is a fact of {source_of(group)}" if group is not None else "which is no number"
        cure = _CURE_FIELDS
    return Fault("HR-WHY-003", "--vary", f"{name!r}, {why}", "what could have been otherwise", cure)


def _of_spine(case: Case, names: Sequence[str]) -> dict[str, Column]:
    """Fields of the spine's rows that the model learned from, as far as its table still has them."""
    contract, spine = case.contract, case.service.model.cases.spine.name
    kinds = {name: contract.columns()[name].type for name in names}
    if not names or not case.lake.exists(spine):
        return {name: from_arrow(pa.array([], kind.arrow()), kind) for name, kind in kinds.items()}
    version = None if case.version is None else case.version.record.origin.data.get(spine)
    try:
        rows = case.lake.rows(spine, version)
        case.lake.files(spine, version)
    except HeadraceError:  # it was vacuumed
        version, rows = None, case.lake.rows(spine)
    listed = ", ".join(f'"{name}"' for name in names)
    query = f'select {listed} from "{spine}" where _seq % {max(1, rows // SAMPLE)} = 0'
    table = case.lake.sql(query, {} if version is None else {spine: version}, None)
    return {name: typed_column(table.column(name), kind, name) for name, kind in kinds.items()}


def _of_set(case: Case, names: Sequence[str], sets: Path) -> dict[str, Column]:
    """Features of the set that the model learned from."""
    if not names:
        return {}
    came = "" if case.version is None else case.version.record.origin.training_set[:16]
    path = sets / case.service.model.cases.name / came
    if not came or not (path / "manifest.json").exists():
        found = f"{', '.join(names)}, whose range is not known: the set that the model learned from is gone"
        raise HeadraceError(Fault("HR-WHY-003", "--vary", found, "what could have been otherwise", _CURE_FIELDS))
    built = open_set(path)
    found_: dict[str, Column] = {}
    for name in names:
        if name not in built.manifest["columns"]:
            told = f"{name!r}, which is not in the set that the model learned from"
            raise HeadraceError(Fault("HR-WHY-003", "--vary", told, "what could have been otherwise", _CURE_FIELDS))
        kind, values = case.kinds[name], built.to_arrow([name]).column(name)
        some = values.take(pa.array(np.arange(0, len(values), max(1, len(values) // SAMPLE))))
        if kind.name == "decimal":
            held = [held_again(one, kind) for one in some.to_pylist()]
            valid = np.array([one is not None for one in held], np.bool_)
            found_[name] = Column(kind, np.array([one or 0 for one in held], np.int64), valid)
        else:
            found_[name] = typed_column(some, kind, name)
    return found_


def _vary(case: Case, name: str, learned: Column, windows: Mapping[str, LogicalType]) -> Vary:
    of = "history" if name in windows else "request"
    assert case.given is not None
    now, kind = case.given[name], learned.type
    keys = {key for group in case.plan.groups for key in group.keys}
    if kind.name not in _NUMBERS or (name in keys and of == "request"):
        return Vary(name, kind, of, now, _frequent(case, name, learned), 1.0, ordered=False)
    values = learned.values[learned.mask]
    domain = domain_of(case.contract.columns()[name]) if of == "request" else Domain(kind)
    grid = _grid(values, now, domain)
    if now is None:  # anything that there is, is as far
        return Vary(name, kind, of, now, grid[:: max(1, len(grid) // _MOST_VALUES)], 1.0, ordered=False)
    return Vary(name, kind, of, now, grid, _deviation(values), ordered=True)


def _frequent(case: Case, name: str, learned: Column) -> tuple[Any, ...]:
    """The values of what has no order: all that a contract names, else the most frequent."""
    one = case.contract.columns()[name]
    if one.type.name == "bool":
        return False, True
    if one.type.name == "str" and one.isin:
        return tuple(map(str, one.isin))
    counts = to_arrow(learned).drop_null().value_counts()
    pairs = sorted(zip(counts.field("counts").to_pylist(), counts.field("values").to_pylist(), strict=True),
                   key=lambda pair: (-pair[0], str(pair[1])))  # fmt: skip
    return tuple(value for _, value in pairs[:_MOST_VALUES])


def _grid(values: npt.NDArray[Any], now: Any, domain: Domain) -> tuple[Any, ...]:
    """Values over the range of what was learned from: quantiles, within what the contract allows."""
    if not len(values):
        return () if now is None else (now,)
    at = [_ENDS, *np.linspace(0, 1, _POINTS + 1)[1:-1], 1 - _ENDS]
    found = np.quantile(values, at, method="nearest")
    low = found[0] if domain.low is None else max(domain.low, found[0])
    high = found[-1] if domain.high is None else min(domain.high, found[-1])
    kept = {one.item() for one in found if low <= one <= high}
    return tuple(sorted(kept if now is None else kept | {now}))


def _deviation(values: npt.NDArray[Any]) -> float:
    """The median absolute deviation; where more than half are alike, the mean one."""
    if not len(values):
        return 1.0
    apart = np.abs(values.astype(np.float64) - np.median(values))
    return float(np.median(apart)) or float(apart.mean()) or 1.0
