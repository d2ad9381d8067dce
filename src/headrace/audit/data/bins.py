"""Bins of numbers: equal ones to draw, and those of equal frequency by which a change is measured."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DRAWN = 24
DECILES = tuple(round(tenth / 10, 1) for tenth in range(1, 10))


@dataclass(frozen=True)
class Bins:
    """Rows in bins.

    Args:
        low, high: the ends of what is drawn; what is beyond lies in the outermost bins.
        counts: of equal bins, all rows.
        other: of the same bins, the rows that are set beside them; empty where there are none.
        tenths, other_tenths: the same in bins between the deciles of all rows.
    """

    low: float
    high: float
    counts: Sequence[int]
    other: Sequence[int]
    tenths: Sequence[int]
    other_tenths: Sequence[int]


def edges_of(quantiles: Mapping[float, float], least: float, most: float) -> list[float]:
    """Return the inner edges of both sorts of bins, each once, ascending."""
    return sorted({*_equal(quantiles, least, most)[1:-1], *_tenths(quantiles)})


def binned(
    quantiles: Mapping[float, float],
    least: float,
    most: float,
    rows: Mapping[float, int],
    other: Mapping[float, int],
) -> Bins:
    """Return rows in both sorts of bins.

    Args:
        quantiles: of the values.
        least, most: of them.
        rows: for each of ``edges_of`` the rows above the edge before, up to and with it; infinity for the rest.
        other: the same of the rows that are set beside them.
    """
    equal, tenths = _equal(quantiles, least, most), _tenths(quantiles)
    inner = equal[1:-1]
    drawn, drawn_other = (_summed(counted, inner) for counted in (rows, other))
    return Bins(equal[0], equal[-1], drawn, drawn_other, _summed(rows, tenths), _summed(other, tenths))


def _summed(rows: Mapping[float, int], edges: Sequence[float]) -> list[int]:
    if not rows:
        return []
    counts = [0] * (len(edges) + 1)
    for edge, count in rows.items():
        counts[bisect_left(edges, edge)] += count
    return counts


def _tenths(quantiles: Mapping[float, float]) -> list[float]:
    return sorted({quantiles[one] for one in DECILES})


def _equal(quantiles: Mapping[float, float], least: float, most: float) -> list[float]:
    """Edges of equal bins; of whole numbers each holds as many as the next, so that no teeth come from the cutting."""
    low, high = min(quantiles.values()), max(quantiles.values())
    if float(low).is_integer() and float(high).is_integer() and float(least).is_integer() and float(most).is_integer():
        width = max(1, -(-int(high - low + 1) // DRAWN))
        count = -(-int(high - low + 1) // width)
        return [low - 0.5 + width * at for at in range(count + 1)]
    high = high if high > low else low + 1
    return [low + (high - low) * at / DRAWN for at in range(DRAWN + 1)]
