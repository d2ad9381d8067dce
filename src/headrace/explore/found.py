"""What was found of columns or features, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace import clock
from headrace.explore.against import Against
from headrace.explore.periods import Periods
from headrace.explore.rows import Column, Truth
from headrace.explore.sample import Drawn, Pair
from headrace.explore.segments import Segment
from headrace.explore.spread import Spread


@dataclass(frozen=True)
class Facet:
    """What one column or feature is like.

    Args:
        column: which it is.
        spread: how its values are spread.
        periods: over time, where rows have one.
        against: the label, where there is one.
        segments: by the values of another column, where that was asked for.
        pairs: other columns that it hangs together with, the closest first.
        suspects: of leaks, a sentence each.
    """

    column: Column
    spread: Spread
    periods: Periods | None
    against: Against | None
    segments: tuple[Segment, ...]
    pairs: tuple[Pair, ...]
    suspects: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; times among them in microseconds UTC."""
        about = self.column.about
        told: dict[str, Any] = {"name": self.column.name, "kind": self.column.kind, "type": about.type}
        told |= {"unit": about.unit, "tags": list(about.tags), "hidden": about.hidden}
        return told | {
            "spread": self.spread.as_dict(self.column.kind == "time"),
            "over_time": None if self.periods is None else self.periods.as_dict(),
            "against_label": None if self.against is None else self.against.as_dict(),
            "segments": [one.as_dict() for one in self.segments],
            "together": [one.as_dict() for one in self.pairs],
            "suspects": list(self.suspects),
        }


@dataclass(frozen=True, repr=False)
class Found:
    """What columns or features are like.

    Args:
        name: as it was asked for.
        source: what the rows are.
        rows: how many.
        at: when it was looked at, microseconds UTC.
        facets: of each column or feature.
        span: between which moments nearly all rows lie, microseconds UTC.
        truth: the label.
        drawn: the sample, from which is told what needs rows side by side.
        by: the column of the segments.
        notes: what is to be known of the rows as a whole.
    """

    name: str
    source: str
    rows: int
    at: int
    facets: tuple[Facet, ...]
    span: tuple[int, int] | None
    truth: Truth | None
    drawn: Drawn
    by: Column | None
    notes: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers as plain values, without pictures: a list or dictionary for each part."""
        label = None if self.truth is None else {**asdict(self.truth), "classes": list(self.truth.classes)}
        span = None if self.span is None else [clock.from_us(us).isoformat() for us in self.span]
        return {
            "target": self.name,
            "source": self.source,
            "rows": self.rows,
            "span": span,
            "label": label,
            "sample": self.drawn.as_dict(),
            "by": None if self.by is None else self.by.name,
            "notes": list(self.notes),
            "columns": [one.as_dict() for one in self.facets],
        }
