"""What a model must prove: each gate looks at the measured numbers and says in a sentence whether it was passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from headrace.declare import Gate, Metric
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.export import TOLERANCE, Parity
from headrace.learn.metrics import better


@dataclass(frozen=True)
class GateOutcome:
    """Whether a gate was passed: the value, the bound it was held against, and both in a sentence."""

    name: str
    passed: bool
    value: float | None
    bound: float | None
    sentence: str

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What gates judge by: values of each metric, by its label, of all on the same test rows.

    Args:
        metrics: the model's metrics, by label; the first one decides where a gate names none.
        model: values of the model.
        baselines: values of each baseline, by its name.
        champion: values of the present champion; None where there is none yet.
        apart: where model minus champion lies with 95 % confidence, of each metric for which that can be said.
    """

    metrics: Mapping[str, Metric]
    model: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    champion: Mapping[str, float] | None = None
    apart: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def label(self, gate: Gate) -> str:
        return gate.metric if gate.metric is not None else next(iter(self.metrics))


def judge(gate: Gate, evidence: Evidence) -> GateOutcome:
    """Return the outcome of a declared gate.

    Raises:
        HeadraceError: HR-LEARN-012 for a gate or metric that is not known.

    Example:
        >>> from headrace.declare import at_least, roc_auc
        >>> judge(at_least("roc_auc", 0.8), Evidence({"roc_auc": roc_auc()}, {"roc_auc": 0.91}, {})).sentence
        'roc_auc is 0.9100, at least 0.8000 as asked'
    """
    if gate.kind not in GATES:
        cure = nearest(gate.kind, GATES)
        raise HeadraceError(Fault("HR-LEARN-012", gate.place, f"gate {gate.kind!r}", "a known gate", cure))
    label = evidence.label(gate)
    if label not in evidence.metrics:
        cure = nearest(label, evidence.metrics)
        raise HeadraceError(Fault("HR-LEARN-012", gate.place, f"a gate on {label!r}", "a metric of the model", cure))
    return GATES[gate.kind](gate, label, evidence)


def export_gate(parity: Parity) -> GateOutcome:
    """Return the gate that is always there: the exported model is the trained one."""
    return GateOutcome("export_parity", parity.passed, parity.max_difference, TOLERANCE, parity.sentence())


def not_worse(evidence: Evidence, label: str) -> bool:
    """Return whether the model is at least as good as the champion, point against point, or the first.

    This decides who serves; the gate below asks for less. Were a version that is a little worse, within the noise, to
    replace the champion, many such steps could lead down without one that is seen.
    """
    if evidence.champion is None:
        return True
    return not better(evidence.metrics[label], evidence.champion[label], evidence.model[label])


def _bounded(words: str, kept: Callable[[float, float], bool]) -> Callable[[Gate, str, Evidence], GateOutcome]:
    def outcome(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
        value, bound = evidence.model[label], float(gate.bound if gate.bound is not None else "nan")
        passed = kept(value, bound)
        told = f"{label} is {value:.4f}, {words if passed else f'not {words}'} {bound:.4f} as asked"
        return GateOutcome(f"{gate.kind}({label})", passed, value, bound, told)

    return outcome


def _better_than_baseline(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    metric, value = evidence.metrics[label], evidence.model[label]
    choose = max if metric.greater_is_better else min
    name = choose(evidence.baselines, key=lambda one: evidence.baselines[one][label])
    bound = evidence.baselines[name][label]
    passed = better(metric, value, bound)
    told = f"{label} is {value:.4f}, {'' if passed else 'not '}better than {bound:.4f} of the best baseline, {name}"
    return GateOutcome(f"{gate.kind}({label})", passed, value, bound, told)


def _not_worse_than_champion(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    value = evidence.model[label]
    if evidence.champion is None:
        told = f"{label} is {value:.4f}; there is no champion to compare with yet"
        return GateOutcome(f"{gate.kind}({label})", True, value, None, told)
    bound, apart = evidence.champion[label], evidence.apart.get(label)
    at_least_as_good = not_worse(evidence, label)
    by_chance = apart is not None and apart[0] <= 0 <= apart[1]
    told = f"{label} is {value:.4f}, {'not ' if at_least_as_good else ''}worse than the champion's {bound:.4f}"
    told += " on the same rows"
    if apart is not None and not at_least_as_good:
        told += f", by {'no ' if by_chance else ''}more than chance: difference {apart[0]:+.4f} to {apart[1]:+.4f}"
    return GateOutcome(f"{gate.kind}({label})", at_least_as_good or by_chance, value, bound, told)


GATES: Mapping[str, Callable[[Gate, str, Evidence], GateOutcome]] = {
    "at_least": _bounded("at least", lambda value, bound: value >= bound),
    "at_most": _bounded("at most", lambda value, bound: value <= bound),
    "better_than_baseline": _better_than_baseline,
    "not_worse_than_champion": _not_worse_than_champion,
}
"""Every gate a model can declare; a new one is a function and a line here."""
