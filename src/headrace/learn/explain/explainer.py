"""An explanation that is kept beside a model: read, asked, and held against the model's own score each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace.errors import CheckFailed, Fault, HeadraceError
from headrace.learn.explain.contributions import SCORE_OF, Contributions
from headrace.learn.explain.linear import Linear
from headrace.learn.explain.permutation import Sampled
from headrace.learn.explain.trees import Trees
from headrace.learn.scorer import Scorer

Floats = npt.NDArray[np.float64]
Exact: TypeAlias = Trees | Linear
TOLERANCE = 1e-5
"""By how much a score and what it is made of may differ; by that times its size where it is beyond 1."""
_FORMAT = 1
_KINDS: Mapping[str, type[Trees] | type[Linear] | type[Sampled]] = {
    "tree": Trees,
    "linear": Linear,
    "permutation": Sampled,
}


@dataclass(frozen=True)
class Content:
    """What is kept of an explanation.

    Args:
        kind: ``tree``, ``linear`` or ``permutation``.
        space: in which contributions add up.
        names: of the features.
        outputs: names of the scores.
        part: the arrays.
        offset: what the model adds to a score that was made of a sum.
        note: why it is not exact, where that may be asked.
    """

    kind: str
    space: str
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    part: Trees | Linear | Sampled
    offset: float = 0.0
    note: str = ""

    def to_bytes(self) -> bytes:
        """Return the file; the same content gives the same bytes."""
        said = {"format": _FORMAT, "kind": self.kind, "space": self.space, "offset": self.offset, "note": self.note}
        said |= {"names": list(self.names), "outputs": list(self.outputs), "part": self.part.to_json()}
        return json.dumps(said, sort_keys=True).encode()


class Explainer:
    """Says what scores are made of.

    Args:
        content: what was kept.
        scorer: of the model, which each explanation is held against, and which one that samples asks.
    """

    def __init__(self, content: Content, scorer: Scorer | None = None) -> None:
        self.kind, self.space, self.names, self.outputs = content.kind, content.space, content.names, content.outputs
        self._content, self._scorer = content, scorer
        if scorer is not None and scorer.features != self.names:
            found = f"an explanation of {len(self.names)} features of another model"
            cure = "read explain.json and the model of the same version"
            raise HeadraceError(Fault("HR-LEARN-045", "", found, "the features of the model, in their order", cure))

    def explain(self, x: npt.NDArray[np.floating[Any]]) -> Contributions:
        """Return what the scores of rows are made of.

        Args:
            x: float64 or float32, shape (n, features) in the order of ``names``; NaN for null.

        Raises:
            HeadraceError: HR-LEARN-017 for another width, 047 where the model is needed and was not given.
            CheckFailed: HR-LEARN-046 where it is not what the model answers, by more than ``TOLERANCE``.
        """
        if x.ndim != 2 or x.shape[1] != len(self.names):
            found, expected = f"an array of shape {x.shape} to explain", f"(rows, {len(self.names)})"
            raise HeadraceError(Fault("HR-LEARN-017", "", found, expected, "pass the columns of Explainer.names"))
        rows = np.ascontiguousarray(x, np.float32)
        part, error, asked = self._content.part, None, 0
        if isinstance(part, Sampled):
            base, values, error, asked = part.explain(rows, self._ask)
        else:
            base, values = part.explain(rows)
        whole = np.broadcast_to(base, (len(rows), len(self.outputs)))
        scores = self.scores(whole + values.sum(axis=1))
        if self._scorer is not None:
            told = self._ask(rows)
            require_sum(scores, told)
            scores = told
        one = len(self.outputs) == 1
        return Contributions(
            self.names,
            self.outputs,
            self.kind,
            self.space,
            whole[:, 0].copy() if one else whole.copy(),
            values[:, :, 0] if one else values,
            scores[:, 0] if one else scores,
            error[:, :, 0] if one and error is not None else error,
            asked,
            self._content.note,
        )

    def scores(self, total: Floats) -> Floats:
        """Return what the model makes of sums, shape (n, k)."""
        return SCORE_OF[self.space](total) + self._content.offset

    def _ask(self, rows: npt.NDArray[np.float32]) -> Floats:
        if self._scorer is None:
            cure = "load(content, registry.load(version))"
            expected = "the model, of which scores are asked"
            raise HeadraceError(Fault("HR-LEARN-047", "", "an explanation by permutation alone", expected, cure))
        found = self._scorer.score(rows)
        return found if found.ndim == 2 else found[:, None]

    def __repr__(self) -> str:
        return f"Explainer({self.kind}, {self.space}, {len(self.names)} features)"


def load(content: bytes, scorer: Scorer | None = None) -> Explainer:
    """Return the explainer of an ``explain.json``, which needs neither the library that trained the model nor its rows.

    Args:
        content: of the file, already verified.
        scorer: of the model of the same version: each explanation is held against it; without it none is, and one by
            permutation cannot be made.

    Raises:
        HeadraceError: HR-LEARN-045 for a file that is none, or of another model.

    Example:
        >>> part = Linear(*[np.array([[one]]) for one in (2.0, 0.0, 0.0, 3.0)], start=np.array([1.0]))
        >>> kept = Content("linear", "value", ("now.amount",), ("score",), part).to_bytes()
        >>> found = load(kept).explain(np.array([[5.0]]))
        >>> found.base.tolist(), found.values.tolist(), found.scores.tolist()
        ([4.0], [[7.0]], [11.0])
    """
    try:
        raw = json.loads(content)
        if raw["format"] != _FORMAT:
            raise ValueError(raw["format"])
        part = _KINDS[raw["kind"]].from_json(raw["part"])
        names, outputs = tuple(map(str, raw["names"])), tuple(map(str, raw["outputs"]))
        read = Content(raw["kind"], raw["space"], names, outputs, part, float(raw["offset"]), str(raw["note"]))
        SCORE_OF[read.space]
    except (ValueError, KeyError, TypeError) as error:
        found, cure = "an explain.json that cannot be read", "train again, with this version of Headrace"
        raise HeadraceError(Fault("HR-LEARN-045", "", found, f"one of format {_FORMAT}", cure)) from error
    return Explainer(read, scorer)


def require_sum(made: Floats, told: Floats) -> None:
    """Refuse contributions that do not add up to what the model answers.

    Args:
        made: scores that follow from base and contributions, shape (n, k).
        told: the model's, likewise.

    Raises:
        CheckFailed: HR-LEARN-046.
    """
    apart = how_far(made, told)
    wrong = apart > TOLERANCE
    if wrong.any():
        at = np.unravel_index(int(apart.argmax()), apart.shape)
        found = f"contributions that add up to {made[at]:.9g} where the model answers {told[at]:.9g}"
        found += f", in {int(wrong.any(axis=1).sum())} of {len(made)} rows"
        cure = (
            "trust the score, not these: a value meets a tree's threshold to the last digit of float32; else report it"
        )
        raise CheckFailed(Fault("HR-LEARN-046", "", found, f"the same within {TOLERANCE:.0e}", cure))


def how_far(made: Floats, told: Floats) -> Floats:
    """Return how far scores are apart, by how large they are where they are beyond 1."""
    found: Floats = np.abs(made - told) / np.maximum(1.0, np.abs(told))
    return np.where(np.isfinite(found), found, np.inf)
