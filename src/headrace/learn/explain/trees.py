"""Trees as arrays, and the exact Shapley values of their sum, without the library that grew them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.paths import Paths, paths_of
from headrace.learn.explain.stored import packed, unpacked

Floats = npt.NDArray[np.float64]
_AT_ONCE = 400_000
"""Numbers that one step holds: more of them leave the processor's cache, fewer wait for Python."""
_HELD = 4_000_000
"""Numbers up to which a model keeps what no row changes, three times as many; larger ones make it again each time."""


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees of a model, one after the other; a row goes left where its value is ``<= threshold``.

    Args:
        roots: first node of each tree, int32.
        left, right: children, int32; -1 for leaves.
        feature: that a node asks for, int32, by its place among the features.
        threshold: float32, of the value times ``scale`` plus ``shift``.
        null_left: where a null goes.
        cover: weight of the training rows that came by, float64, above 0.
        value: what a leaf adds, float64, shape (nodes, width).
        output: to which output a tree adds, int32; all zero where leaves have a value for each.
        start: what is added to each output whatever the row, float64.
        scale, shift: of each feature, before it is compared, float64.
    """

    roots: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    null_left: npt.NDArray[np.bool_]
    cover: Floats
    value: Floats
    output: npt.NDArray[np.int32]
    start: Floats
    scale: Floats
    shift: Floats

    @property
    def outputs(self) -> int:
        return len(self.start)

    @cached_property
    def _pieces(self) -> list[_Piece]:
        pieces = [_Piece(some) for paths in paths_of(self) for some in _cut(paths)]
        if sum(one.size for one in pieces) <= _HELD:
            for one in pieces:
                one.hold()
        return pieces

    @property
    def work(self) -> int:
        """How many numbers one row takes."""
        return sum(one.size for one in self._pieces)

    @cached_property
    def _base(self) -> Floats:
        found = self.start.copy()
        for piece in self._pieces:
            found += piece.expected(self.outputs)
        return found

    def explain(self, x: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return the expected value, and by how much each feature moves the sum of the trees away from it.

        What is unknown of a row is averaged over both ways, by the training rows that took each (Lundberg and others,
        From local explanations to global understanding with explainable AI for trees, Nature Machine Intelligence 2,
        2020, algorithm 1). A leaf is a game of the features on its path; its Shapley values are an integral over how
        likely each of them is to be known (Owen, Multilinear extensions of games, Management Science 18, 1972), of a
        polynomial, which Gauss-Legendre quadrature integrates exactly.

        Args:
            x: float32, shape (n, features), NaN for null.

        Returns:
            float64, shapes (k,) and (n, features, k).
        """
        count, width = x.shape
        rows = x if self._plain else (x * self.scale + self.shift).astype(np.float32)
        found = np.zeros((count, width * self.outputs))
        for piece in self._pieces:
            step = max(1, _AT_ONCE // piece.size)
            for at in range(0, count, step):
                piece.add(rows[at : at + step], found[at : at + step], self.outputs)
        return self._base, found.reshape(count, width, self.outputs)

    @cached_property
    def _plain(self) -> bool:
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    def to_json(self) -> dict[str, Any]:
        """Return the arrays as text."""
        return {field.name: packed(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Trees:
        return Trees(**{field.name: unpacked(raw[field.name]) for field in fields(Trees)})


@dataclass(frozen=True)
class _Factors:
    """What no row changes: by point of the quadrature, feature of a path, and leaf.

    Args:
        unknown: factor of a feature that turned off the path.
        known: of one that kept to it.
        kept: what one that kept to it is given of the product.
        off: what one that turned off is given, by point.
    """

    unknown: Floats
    known: Floats
    kept: Floats
    off: Floats


class _Piece:
    """Leaves that are worked at together."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        length, leaves = paths.share.shape
        self.size = length * leaves * _points(length)
        self._factors: _Factors | None = None

    def hold(self) -> None:
        """Keep what no row changes, so that the next row need not wait for it."""
        self._factors = self._made()

    def expected(self, outputs: int) -> Floats:
        share, found = self.paths.share.prod(axis=0), np.zeros(outputs)
        for at, value in self._values():
            found += np.bincount(at, weights=share * value, minlength=outputs)
        return found

    def _values(self) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
        """To which output leaves add, and what."""
        for at in range(self.paths.value.shape[1]):
            yield self.paths.output + at, self.paths.value[:, at]

    def add(self, rows: npt.NDArray[np.float32], found: Floats, outputs: int) -> None:
        """Add what the features of some rows are given by these leaves."""
        paths, factors = self.paths, self._factors or self._made()
        seen = rows[:, paths.feature]
        on = (seen > paths.low) & (seen <= paths.high)
        null = np.isnan(seen)
        if null.any():
            on |= null & paths.null
        product = np.where(on[:, None], factors.known, factors.unknown).prod(axis=2)
        off = np.einsum("nkl,k->nl", product, factors.off)
        given = np.where(on, np.einsum("nkl,kdl->ndl", product, factors.kept), off[:, None])
        row = np.arange(len(rows))[:, None, None] * found.shape[1]
        for at, value in self._values():
            cell = row + (paths.feature * outputs + at)
            some = np.bincount(cell.ravel(), weights=(given * value).ravel(), minlength=found.size)
            found += some.reshape(found.shape)

    def _made(self) -> _Factors:
        share = self.paths.share
        points, weights = np.polynomial.legendre.leggauss(_points(len(share)))
        points, weights = (points + 1) / 2, weights / 2
        unknown = share * (1 - points)[:, None, None]
        known = unknown + points[:, None, None]
        kept = weights[:, None, None] * (1 - share) / known
        return _Factors(unknown, known, kept, -weights / (1 - points))


def _points(length: int) -> int:
    """How many points integrate a polynomial of degree ``length - 1`` exactly."""
    return (length + 1) // 2


def _cut(paths: Paths) -> Iterator[Paths]:
    length, leaves = paths.share.shape
    step = max(1, _AT_ONCE // (length * _points(length)))
    for at in range(0, leaves, step):
        yield paths.take(slice(at, at + step))


def joined(trees: Sequence[Trees]) -> Trees:
    """Return several models as one, the outputs of each after those of the one before."""
    first, *rest = trees
    for one in rest:
        if not np.array_equal(one.scale, first.scale) or not np.array_equal(one.shift, first.shift):
            raise ValueError("features of several scales")
        first = _beside(first, one)
    return first


def _beside(one: Trees, other: Trees) -> Trees:
    nodes, width = len(one.left), one.value.shape[1]
    if width != 1 or other.value.shape[1] != 1:
        raise ValueError("leaves with a value for each output")

    def after(children: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.where(children < 0, children, children + nodes).astype(np.int32)

    moved = replace(
        other, roots=other.roots + nodes, left=after(other.left), right=after(other.right),
        output=other.output + one.outputs,
    )  # fmt: skip
    each = {field.name: np.concatenate([getattr(one, field.name), getattr(moved, field.name)]) for field in fields(one)}
    return Trees(**each | {"scale": one.scale, "shift": one.shift})
