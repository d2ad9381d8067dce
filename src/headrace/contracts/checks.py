"""Conditions over the fields of a row, for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.contracts.nested import read_at
from headrace.contracts.problems import CHECK, LENGTH, PATTERN, SET, Problem
from headrace.declare import Check, Contract

_WITHIN = (PATTERN, LENGTH)
"""Problems of values that are of their type and within its bounds all the same: a condition can be judged on them."""


def has_checks(contract: type[Contract]) -> bool:
    """Return whether a contract promises conditions: only then are expressions worth loading."""
    return any(isinstance(one, Check) for one in contract.rules().values())


def broken_checks(
    contract: type[Contract], columns: Mapping[str, pa.Array], problems: Iterable[Problem], length: int
) -> list[Problem]:
    """Return the conditions that rows break: those for which they are false; null leaves a condition open.

    A condition is judged where the values that it reads are of their types and within their bounds: what is computed
    from others would be no second reason, and may be no number at all.

    Args:
        contract: with the conditions.
        columns: of all its fields, in their types.
        problems: found in these.
        length: number of rows.
    """
    if not length or not has_checks(contract):
        return []
    from headrace.kernel.column import from_arrow
    from headrace.plan import lower
    from headrace.plan.rules import row_checks

    fields, checks, known = contract.columns(), row_checks(contract), list(problems)
    table, names = pa.table(dict(columns)), {name for one in checks for name in one.reads}
    given = {name: from_arrow(read_at(table, name), fields[name].type) for name in names}
    found = []
    for one in checks:
        result = lower.columns(one.node, given, length)
        wrong = result.mask & ~result.values & _judged(contract, one.reads, known, length)
        rows = np.flatnonzero(wrong).astype(np.int64)
        if len(rows):
            rule, text = one.rule, " ".join(one.rule.condition.split())
            found.append(Problem(CHECK, rule.name, f"does not hold: {text}", rows, False, rule.name, rule.severity))
    return found


def _judged(
    contract: type[Contract], reads: Iterable[str], problems: Iterable[Problem], length: int
) -> npt.NDArray[np.bool_]:
    judged = np.ones(length, np.bool_)
    fields = contract.columns()
    for one in problems:
        numbers = one.field in fields and fields[one.field].type.numeric
        within = one.code in _WITHIN or not one.rejects or (one.code == SET and not numbers)
        if one.field == "line" or (not within and any(name == one.field or _holds(one.field, name) for name in reads)):
            judged[one.rows] = False
    return judged


def _holds(field: str, name: str) -> bool:
    """Whether a struct holds a field, given by its path."""
    return name.startswith(f"{field}.")
