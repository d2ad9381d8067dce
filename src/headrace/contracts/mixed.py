"""Validation of rows that came in several forms, such as those of files of several kinds, as of one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from headrace.contracts.across import Across
from headrace.contracts.aside import set_aside
from headrace.contracts.problems import Problem, Rows
from headrace.contracts.validation import Validated, judge, unmarked, without_views
from headrace.declare import Contract


def validate_mixed(
    contract: type[Contract], parts: Sequence[pa.Table], places: Sequence[Rows], across: Across, rows: Rows
) -> Validated:
    """Return what becomes of rows as ``validate`` does, each read in the form in which it came.

    Args:
        contract: what is promised; the columns of each part were found to fit it.
        parts: rows of one form each: the same columns, in the same order and of the same types.
        places: of the rows of each part among all, ascending; together they are all places, from 0.
        across: all that other rows decide; it learns the rows that are accepted, in the order of their places.
        rows: positions of all rows in their sources.

    Example:
        >>> from headrace.declare import key
        >>> class Sale(Contract):
        ...     id: int = key()
        ...     price: float
        >>> texts, numbers = pa.table({"price": ["1.5", "x"], "id": ["1", "3"]}), pa.table({"id": [1], "price": [2.5]})
        >>> places = [np.array([0, 2]), np.array([1])]
        >>> done = validate_mixed(Sale, [texts, numbers], places, Across(Sale), np.array([1, 1, 2]))
        >>> done.accepted.to_pylist(), [one["row"] for one in done.quarantined.to_pylist()]
        ([{'id': 1, 'price': 1.5}], ['{"id": 1, "price": 2.5}', '{"price": "x", "id": "3"}'])
    """
    plain = [without_views(part).combine_chunks() for part in parts]
    judged = [judge(contract, part) for part in plain]
    typed = _in_order([one for one, _ in judged], places)
    problems = [replace(one, rows=at[one.rows]) for (_, found), at in zip(judged, places, strict=True) for one in found]
    others = across.problems(typed, unmarked(problems, len(rows)))
    problems += others
    good = unmarked(problems, len(rows))
    counts: Counter[str] = Counter()
    for one in problems:
        if one.rejects:
            counts[one.rule] += len(one.rows)
    aside = [
        set_aside(
            contract, part, known, [*_rejecting(found), *_within(others, at)], np.flatnonzero(~good[at]), "", rows[at]
        )
        for part, (known, found), at in zip(plain, judged, places, strict=True)
    ]
    accepted = typed if good.all() else typed.filter(pa.array(good))
    return Validated(accepted, _in_order(aside, [at[~good[at]] for at in places]), dict(counts), (), tuple(problems))


def _in_order(parts: Sequence[pa.Table], places: Sequence[Rows]) -> pa.Table:
    """Return rows of parts in the order of their places."""
    if len(parts) == 1:
        return parts[0]
    return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))


def _rejecting(problems: Sequence[Problem]) -> list[Problem]:
    return [one for one in problems if one.rejects]


def _within(problems: Sequence[Problem], places: Rows) -> list[Problem]:
    """Return problems of all rows as those of a part, whose rows have these places."""
    mine = [(one, one.rows[np.isin(one.rows, places)]) for one in _rejecting(problems)]
    return [replace(one, rows=np.searchsorted(places, rows)) for one, rows in mine if len(rows)]
