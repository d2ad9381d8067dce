"""How the rows of the last load differ from those before: columns distributed otherwise, values new and gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.audit.data.profile import Against, Column
from headrace.contracts.quality import FEWEST, instability

MOVED, SHIFTED = 0.1, 0.25
"""Indices of stability from which on a change is commonly read as one, and as a large one."""


@dataclass(frozen=True)
class Change:
    """How a column differs.

    Args:
        column: its name.
        index: the population stability index between the rows before and now; None below 100 rows on either side.
        promised: whether that is the one by which a rule of the contract measures, over the bins of its first load.
        new, gone: values that only the rows now, or only those before, have.
        missing: shares of rows without a value, before and now.
        rows: that were compared, before and now.
    """

    column: str
    index: float | None
    promised: bool
    new: tuple[str, ...]
    gone: tuple[str, ...]
    missing: tuple[float, float]
    rows: tuple[int, int]

    @property
    def word(self) -> str:
        """``as before``, ``moved`` or ``shifted``; empty where there is no verdict."""
        if self.index is None:
            return ""
        return "as before" if self.index < MOVED else "moved" if self.index < SHIFTED else "shifted"


def changes(columns: Iterable[Column], against: Against, promised: Mapping[str, float]) -> Iterator[Change]:
    """Yield how columns differ; of times, which always go on, and of hidden columns only what is missing.

    The index is taken over bins between the deciles of all rows, or over values, and one bin for what is missing.

    Args:
        columns: with the rows that are set beside all.
        against: which these are.
        promised: for each column whose distribution is promised, the index of the last load by its rule.
    """
    for one in columns:
        if against and one.other_rows:
            yield _change(one, against, promised.get(one.name))


def _change(one: Column, against: Against, promised: float | None) -> Change:
    every, other = _counts(one)
    every, other = [*every, one.missing], [*other, one.other_missing]
    if against.load:  # whose rows are among all
        before, now = [rows - late for rows, late in zip(every, other, strict=True)], other
        rows, missing = (
            (one.rows - one.other_rows, one.other_rows),
            (one.missing - one.other_missing, one.other_missing),
        )
    else:
        before, now = other, every
        rows, missing = (one.other_rows, one.rows), (one.other_missing, one.missing)
    index = promised
    if index is None and len(every) > 1 and min(rows) >= FEWEST:
        index = instability(before, now)
    named = [value for value, *_ in one.values] if one.kind == "category" else []
    new = tuple(value for value, old, late in zip(named, before, now, strict=False) if late and not old)
    gone = tuple(value for value, old, late in zip(named, before, now, strict=False) if old and not late)
    shares = missing[0] / max(rows[0], 1), missing[1] / max(rows[1], 1)
    return Change(one.name, index, promised is not None, new, gone, shares, rows)


def _counts(one: Column) -> tuple[Sequence[int], Sequence[int]]:
    if one.kind == "category":
        return [rows for _, rows, _ in one.values], [other for *_, other in one.values]
    if one.kind == "number" and one.bins is not None:
        return one.bins.tenths, one.bins.other_tenths or [0] * len(one.bins.tenths)
    return [], []
