"""What the features of a record contributed to its score, by what is kept with the version that scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.errors import CheckFailed, HeadraceError
from headrace.learn.explain.contributions import HOW, MEANS
from headrace.serve.explain import explainer_of
from headrace.serve.values import vector
from headrace.serve.why.case import Case


@dataclass(frozen=True)
class Contributed:
    """Contributions: ``base`` and the sum of all ``values`` is the score in ``space``.

    Args:
        values: feature to contribution, what moves the score most first.
        base: of a row of which nothing is known.
        space: in which they add up.
        kind: ``tree`` and ``linear`` are exact Shapley values, ``permutation`` is sampled.
        without: why there are none; then all else is empty.
    """

    values: dict[str, float]
    base: float = 0.0
    space: str = ""
    kind: str = ""
    without: str = ""

    @property
    def exact(self) -> bool:
        return self.kind in ("tree", "linear")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        if self.without:
            return {"without": self.without}
        means, how = MEANS[self.space], HOW[self.kind]
        return {"base": self.base, "space": self.space, "kind": self.kind, "exact": self.exact, "means": means} | {
            "how": how,
            "values": self.values,
        }


def contributed(case: Case) -> Contributed:
    """Return what each feature of a record contributed to its score."""
    version, scorer = case.version, case.scorer
    if version is None or scorer is None:
        return Contributed({}, without="the version that scored, or its file, is no longer there")
    if any(name not in case.features for name in scorer.features):
        return Contributed({}, without="the record does not have all features of the model")
    try:
        explainer = explainer_of(case.registry, version, scorer)
        if explainer is None:
            return Contributed({}, without="nothing is kept with this version for explaining it")
        made = explainer.explain(vector(case.features, scorer))
    except CheckFailed:
        return Contributed({}, without="contributions do not add up to this score: a value meets a tree's threshold")
    except HeadraceError as error:
        return Contributed({}, without="; ".join(fault.found for fault in error.faults))
    values = {made.names[at]: float(made.values[0, at]) for at in made.order()}
    return Contributed(values, float(made.base[0]), made.space, made.kind)


def score_again(case: Case) -> float | None:
    """Return the score of the recorded features by the recorded model; None where that cannot be had."""
    scorer = case.scorer
    if scorer is None or any(name not in case.features for name in scorer.features):
        return None
    try:
        return float(scorer.score(vector(case.features, scorer))[0])
    except HeadraceError:
        return None
