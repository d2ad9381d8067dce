"""Rows that could have been: computed by the batch path over the events of the record, scored, and decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.json import array, column
from headrace.declare.nested import flat
from headrace.engines import compute
from headrace.engines.frame import Frame
from headrace.kernel.column import Column
from headrace.lake import Lake
from headrace.lake.within import Within
from headrace.online.slots import groups_of
from headrace.plan import lower
from headrace.plan.expression import Call, Node, references, walk
from headrace.serve.history import recomputed
from headrace.serve.why.case import Case
from headrace.serve.why.thresholds import Thresholds
from headrace.serve.why.through import Ints, matrix
from headrace.serve.why.varied import Vary

Change = Mapping[str, Any]
"""What is otherwise in a row, by the name of a field or windowed feature; values as the kernel holds them."""
REFUSED = -1
"""In place of a decision, for a row that no service would score."""


@dataclass(frozen=True)
class Tried:
    """What became of rows.

    Args:
        decisions: place of each among the names of the rules; ``REFUSED`` for rows that cannot be scored.
        marks: shape (n, m): numbers that stay the same between two rows where nothing that decides lies between them.
        made: features, as columns.
        scores: of each row.
    """

    decisions: Ints
    marks: Ints
    made: Mapping[str, Column]
    scores: Any


class Trial:
    """Tries changes of one record.

    Args:
        case: the record; its features can be computed again.
        varied: what can change.
        thresholds: of the model, where it has some.
    """

    def __init__(self, case: Case, varied: Sequence[Vary], thresholds: Thresholds | None) -> None:
        assert case.row is not None
        assert case.scorer is not None
        assert case.made is not None
        self.case, self.tried = case, 0
        self._row, self._scorer, self._base = case.row, case.scorer, case.made
        self._fields = case.contract.columns()
        self._thresholds = thresholds
        self._derived = {one.name for one in case.plan.derived}
        self._asks = tuple(dict.fromkeys(_asks(case)))
        own = [name for group in case.plan.windows for one in group.aggregations if one.include_current
               for name in one.reads]  # fmt: skip
        keys = [key for group in case.plan.groups for key in group.keys]
        self._of_sources = {*own, *keys}
        self._lake = Narrowed(case.lake, _keys(case, varied))

    def of(self, changes: Sequence[Change]) -> Tried:
        """Return what becomes of the record with each of some changes.

        Args:
            changes: one for each row.
        """
        self.tried += len(changes)
        rows = [{**self._row, **{name: value for name, value in one.items() if name in self._fields}}
                for one in changes]  # fmt: skip
        given, made = self.features(rows, changes, self._lake)
        x, refused = matrix(made, self._scorer)
        scores = self._scorer.score(np.where(np.isinf(x), np.nan, x))
        decisions = self.case.rules.decide({**given, **made}, scores)
        decisions[refused] = REFUSED
        asked = [_truth(lower.columns(one, {**given, **made}, len(rows))) for one in self._asks]
        marks = [decisions, *asked, *([] if self._thresholds is None else self._thresholds.bins(x))]
        return Tried(decisions, np.stack(marks, axis=1), made, scores)

    def features(
        self, rows: Sequence[Mapping[str, Any]], changes: Sequence[Change], lake: Lake
    ) -> tuple[dict[str, Column], dict[str, Column]]:
        """Return the fields and the features of changed rows.

        Args:
            rows: with the fields that changed.
            changes: of them, and of windowed features.
            lake: from which features of sources come, where a change reaches one.
        """
        case, count = self.case, len(rows)
        if any(name in self._of_sources for one in changes for name in one):
            seen = case.seen
            made = recomputed(case.plan, rows, [seen.horizon] * count, [seen.known] * count, lake)
        else:
            made = {name: one.take(np.zeros(count, np.int64)) for name, one in self._base.items()}
        found = {name: one for name, one in made.items() if name not in self._derived}
        for name in dict.fromkeys(name for one in changes for name in one if name in found):
            base = self.case.given
            assert base is not None
            found[name] = column(found[name].type, [one.get(name, base[name]) for one in changes])
        flats = [flat(row, case.contract) for row in rows]
        wanted = dict.fromkeys((*case.plan.row_columns, *(one for one in case.rules.reads if one in self._fields)))
        given = {name: column(self._fields[name].type, [row[name] for row in flats]) for name in wanted}
        return given, found | compute.derived(case.plan, Frame(count, given), found)


class Narrowed(Lake):
    """A lake of which only the events of some keys are read, and each table once.

    Args:
        lake: it.
        keys: by table, key column to the values that are wanted.
    """

    def __init__(self, lake: Lake, keys: Mapping[str, Mapping[str, pa.Array]]) -> None:
        super().__init__(".")
        self.root = lake.root
        self._keys, self._kept = keys, dict[tuple[str, tuple[str, ...], int | None], pa.Table]()

    def batches(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: list[str] | None = None,
        within: Within | None = None,
        batch_rows: int = 1_000_000,
    ) -> Iterator[pa.RecordBatch]:
        known = (name, tuple(columns or ()), version)
        if known not in self._kept:
            every = super().batches(name, version=version, columns=columns, within=within, batch_rows=batch_rows)
            parts = [self._wanted(name, pa.Table.from_batches([batch])) for batch in every]
            self._kept[known] = pa.concat_tables([self.schema(name, version, columns).empty_table(), *parts])
        yield from self._kept[known].combine_chunks().to_batches()

    def read(
        self, name: str, *, version: int | None = None, at: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        if at is not None:
            return super().read(name, version=version, at=at, columns=columns)
        batches = list(self.batches(name, version=version, columns=columns))
        return pa.Table.from_batches(batches, self.schema(name, version, columns))

    def _wanted(self, name: str, part: pa.Table) -> pa.Table:
        masks = [
            pc.is_in(part.column(key), value_set=values.cast(part.schema.field(key).type))
            for key, values in self._keys[name].items()
            if key in part.column_names
        ]
        mask = masks[0]
        for one in masks[1:]:
            mask = pc.or_(mask, one)
        return part.filter(mask)


def _keys(case: Case, varied: Sequence[Vary]) -> dict[str, dict[str, pa.Array]]:
    """Of each source, the values that its keys can have: those of the record, and those that are tried."""
    other = {one.name: one.grid for one in varied}
    found: dict[str, dict[str, pa.Array]] = {}
    for source, keys in groups_of(case.plan):
        for key in keys:
            values = dict.fromkeys((case.flat[key], *other.get(key, ())))
            kind = case.contract.columns()[key].type
            found.setdefault(source, {})[key] = array(kind, list(values))
    return found


def _asks(case: Case) -> Iterator[Node]:
    """The conditions within the rules that do not ask for the score."""
    for _, rule in case.rules.rules:
        for node in walk(rule):
            if isinstance(node, Call) and node.domain.type.name == "bool" and "score" not in references(node):
                yield node


def _truth(column: Column) -> Ints:
    """Yes, no or open, as a number."""
    return np.where(column.mask, column.values.astype(np.int64), 2)
