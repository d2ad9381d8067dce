"""Where decisions flip: groups of past requests by each field and feature, those with the highest rate first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from headrace.kernel.column import Column
from headrace.learn.rates import wilson
from headrace.serve.why.through import Bools, Floats, Ints, Matrix

LEAST, SHOWN = 50, 10
"""Rows of a group, below which nothing is said of it; and groups that are told."""
_FEW, _MANY = 12, 1000
"""Numbers up to which each is a group, and texts beyond which they are names."""
_QUINTILES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Segment:
    """A group of past requests.

    Args:
        column: field or feature that parts them.
        group: which of its groups: a value, or a range.
        rows, flips: of it.
        low, high: between which its rate lies at 95 % confidence.
    """

    column: str
    group: str
    rows: int
    flips: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.flips / self.rows


def segments(columns: Mapping[str, tuple[Floats, Sequence[str]]], flipped: Bools) -> tuple[list[Segment], int]:
    """Return the groups with the highest rate of flips, by the lower end of its interval, and how many were looked at.

    Args:
        columns: by name, the values of the rows (NaN for null) and, of text, the texts that they are places of.
        flipped: of each row.
    """
    found, known = list[Segment](), set[bytes]()
    for name, (values, texts) in columns.items():
        for group, rows in _groups(values, texts):
            size, same = int(rows.sum()), blake2b(np.packbits(rows).tobytes(), digest_size=16).digest()
            if not LEAST <= size < len(flipped) or same in known:
                continue
            known.add(same)  # a feature that is a field parts the rows alike
            hits = int(flipped[rows].sum())
            if hits:
                found.append(Segment(name, group, size, hits, *wilson(hits / size, size)))
    found.sort(key=lambda one: (-one.low, one.column, one.group))
    return found[:SHOWN], len(known)


def _groups(values: Floats, texts: Sequence[str]) -> Iterator[tuple[str, Bools]]:
    null = np.isnan(values)
    known, where = np.unique(values[~null], return_inverse=True)
    if null.any():
        yield "null", null
    if texts or len(known) <= _FEW:
        if len(known) > _MANY:
            return
        place = np.full(len(values), -1, np.int64)
        place[~null] = where
        for at, one in enumerate(known.tolist()):
            yield (texts[int(one)] if texts else f"{one:,.6g}"), place == at
        return
    edges = np.unique(np.quantile(values[~null], _QUINTILES, method="nearest"))
    edges = edges[edges < known[-1]]
    place = np.where(null, -1, np.searchsorted(edges, values))
    said = [f"{one:,.4g}" for one in edges]
    ranges = [f"{low} to {high}" for low, high in pairwise(said)]
    for at, group in enumerate([f"to {said[0]}", *ranges, f"above {said[-1]}"]):
        yield group, place == at


def of_features(
    x: Matrix, names: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Floats, Sequence[str]]]:
    """Return features as columns to part by."""
    return {name: (x[:, at].astype(np.float64), categories.get(name, ())) for at, name in enumerate(names)}


def of_field(parts: Sequence[Column]) -> tuple[Floats, Sequence[str]]:
    """Return a field as a column to part by; parts of text need not have one dictionary."""
    if any(one.dictionary is not None for one in parts):
        every = sorted({text for one in parts if one.dictionary is not None for text in one.dictionary.to_pylist()})
        places = {text: at for at, text in enumerate(every)}
        return np.concatenate([_texts(one, places) for one in parts]), every
    scale = 10.0 ** parts[0].type.scale if parts[0].type.name == "decimal" else 1.0
    wide = [np.where(one.mask, one.values.astype(np.float64) / scale, np.nan) for one in parts]
    return np.concatenate(wide), ()


def _texts(one: Column, places: Mapping[str, int]) -> Floats:
    assert one.dictionary is not None
    known = np.array([*(float(places[text]) for text in one.dictionary.to_pylist()), np.nan])
    codes: Ints = np.where(one.mask, one.values, len(known) - 1)
    return known[codes]
