"""How well rows are ranked within their groups: gain at each depth, and how it differs from group to group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.audit.models.blocks import DRAWS, Floats
from headrace.audit.models.tested import Tested

DEPTHS, BINS = (1, 2, 3, 5, 10, 20), 20


@dataclass(frozen=True)
class Ranked:
    """How well rows are ranked.

    Args:
        groups: with something relevant in them; others have no order that is better than another.
        without: groups with nothing relevant.
        depths: of which the gain was taken.
        ndcg: at each depth, as the mean over groups; equal scores share the mean of their gains.
        low, high: where it lies with 95 % confidence, at each depth: groups drawn with replacement.
        luck: the same of an order by chance.
        spread: how many groups have which gain at the last depth: bins from 0 to 1.
        sizes: rows of a group, from and to, with groups and their mean gain.
    """

    groups: int
    without: int
    depths: tuple[int, ...]
    ndcg: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    luck: tuple[float, ...]
    spread: tuple[int, ...]
    sizes: tuple[tuple[int, int, int, float], ...]


def ranked(tested: Tested) -> Ranked:
    """Return how well the rows of each group are ranked."""
    y, score = tested.test.y.astype(np.float64), tested.score
    _, group = np.unique(tested.context.columns[tested.context.group], return_inverse=True)
    count = int(group.max()) + 1
    rows = np.bincount(group, minlength=count)
    ideal = _gains(group, y, y, count)
    there = ideal[:, -1] > 0
    gain = np.divide(_gains(group, y, score, count), ideal, out=np.zeros_like(ideal), where=ideal > 0)[there]
    chance = np.divide(_gains(group, y, np.zeros(len(y)), count), ideal, out=np.zeros_like(ideal), where=ideal > 0)
    drawn = np.random.default_rng(0).multinomial(len(gain), np.full(len(gain), 1 / max(len(gain), 1)), DRAWS)
    edges = np.quantile(drawn @ gain / max(len(gain), 1), [0.025, 0.975], axis=0) if len(gain) > 1 else [gain[0]] * 2
    means = gain.mean(axis=0)
    return Ranked(
        int(there.sum()),
        int((~there).sum()),
        DEPTHS,
        tuple(means.tolist()),
        tuple(np.minimum(edges[0], means).tolist()),
        tuple(np.maximum(edges[1], means).tolist()),
        tuple(chance[there].mean(axis=0).tolist()),
        tuple(np.histogram(gain[:, -1].clip(0, 1), BINS, (0, 1))[0].tolist()),
        _sizes(rows[there], gain[:, -1]),
    )


def _gains(group: np.ndarray[tuple[int], np.dtype[np.int64]], y: Floats, score: Floats, count: int) -> Floats:
    """Discounted gain of each group at each depth (Järvelin and Kekäläinen, 2002), ties sharing theirs."""
    order = np.lexsort((-score, group))
    of, ranked_score, gains = group[order], score[order], y[order]
    first = np.searchsorted(of, np.arange(count))
    place = np.arange(len(y)) - first[of]
    new = np.append(True, (np.diff(of) != 0) | (np.diff(ranked_score) != 0))
    tie = np.cumsum(new) - 1
    shared = (np.bincount(tie, gains) / np.bincount(tie))[tie]
    found = np.zeros((count, len(DEPTHS)))
    for at, depth in enumerate(DEPTHS):
        found[:, at] = np.bincount(of, np.where(place < depth, shared / np.log2(place + 2), 0.0), count)
    return found


def _sizes(rows: np.ndarray[tuple[int], np.dtype[np.int64]], gain: Floats) -> tuple[tuple[int, int, int, float], ...]:
    """Groups of alike many rows, and their mean gain."""
    edges = np.unique(np.quantile(rows, [0.25, 0.5, 0.75, 1.0]).astype(np.int64))
    place = np.searchsorted(edges, rows)
    found = []
    for at in range(len(edges)):
        some = place == at
        if some.any():
            found.append((int(rows[some].min()), int(rows[some].max()), int(some.sum()), float(gain[some].mean())))
    return tuple(found)
