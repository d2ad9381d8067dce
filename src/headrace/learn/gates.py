"""What a model must prove: each gate looks at the measured numbers and says in a sentence whether it was passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Protocol

from headrace.declare import Gate, Metric
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.export import TOLERANCE, Parity
from headrace.learn.intervals import Difference, same
from headrace.learn.metrics import better, shown


@dataclass(frozen=True)
class GateOutcome:
    """Whether a gate was passed.

    Args:
        name: of the gate.
        passed: whether it was.
        value: that was measured.
        bound: it was held against.
        sentence: both in words, and of a gate on a metric that failed which rows matter most.
    """

    name: str
    passed: bool
    value: float | None
    bound: float | None
    sentence: str

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as plain values."""
        return asdict(self)


class Measures(Protocol):
    """What is measured only where a gate asks for it."""

    def latency_us(self) -> float:
        """Return within how many microseconds one row is scored 99 times of 100."""

    def calibration(self) -> float:
        """Return how far predicted and true rates are apart, over bins of the test rows."""

    def by_group(self, metric: Metric, by: str) -> tuple[Mapping[str, tuple[float, int]], Sequence[str]]:
        """Return the metric of each group of the test rows that has enough of them, and of which it says nothing."""

    def digest_again(self) -> str:
        """Return the digest of the file that comes out when the model is trained once more."""

    def digest(self) -> str:
        """Return the digest of the file that came out."""

    def leaks(self) -> Sequence[str]:
        """Return what the detectors of leaks found, a sentence each."""


@dataclass(frozen=True)
class Evidence:
    """What gates judge by: values of each metric, by its label, of all on the same test rows.

    Args:
        metrics: the model's metrics, by label; the first one decides where a gate names none.
        model: values of the model.
        baselines: values of each baseline, by its name.
        champion: values of the present champion; None where there is none yet.
        apart: where model minus champion lies with 95 % confidence, of each metric for which that can be said.
        same_rows: whether the champion's values are of the same rows, and not those of its own test.
        above: where model minus each baseline lies, by its name, as ``apart``.
        folds: values of the model on each fold of validation, and on the test as the last.
        size: of the model file, in bytes.
        measures: what has to be measured for a gate, when one asks for it.
    """

    metrics: Mapping[str, Metric]
    model: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    champion: Mapping[str, float] | None = None
    apart: Mapping[str, Difference] = field(default_factory=dict)
    same_rows: bool = True
    above: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    folds: tuple[Mapping[str, float], ...] = ()
    size: int = 0
    measures: Measures | None = None

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
        told = f"{label} is {shown(value)}, {words if passed else f'not {words}'} {shown(bound)} as asked"
        return GateOutcome(f"{gate.kind}({label})", passed, value, bound, told)

    return outcome


def _better_than_baseline(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    metric, value = evidence.metrics[label], evidence.model[label]
    choose = max if metric.greater_is_better else min
    # Of a constant a metric of one's own may say nothing; that is beaten by whatever it says something of.
    known = [one for one, values in evidence.baselines.items() if isfinite(values[label])] or [*evidence.baselines]
    name = choose(known, key=lambda one: evidence.baselines[one][label])
    bound, apart = evidence.baselines[name][label], evidence.above.get(name, {}).get(label)
    ahead = (better(metric, value, bound) and not same(value, bound)) or not isfinite(bound)
    by_chance = apart is not None and apart.low <= 0 <= apart.high
    least = shown(bound) if isfinite(bound) else "nothing said"
    told = f"{label} is {shown(value)}, {'' if ahead else 'not '}better than {least} of the best baseline, {name}"
    if ahead and apart is not None:
        told += f", by {'no ' if by_chance else ''}more than chance: difference {apart.low:+.4f} to {apart.high:+.4f}"
    if ahead and apart is None and gate.surely:
        told += "; whether chance explains it cannot be said of so few days or groups"
    sure = not gate.surely or (apart is not None and not by_chance)
    return GateOutcome(f"{gate.kind}({label})", ahead and sure, value, bound, told)


def _not_worse_than_champion(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    value = evidence.model[label]
    if evidence.champion is None:
        told = f"{label} is {shown(value)}; there is no other champion to compare with"
        return GateOutcome(f"{gate.kind}({label})", True, value, None, told)
    bound, apart = evidence.champion[label], evidence.apart.get(label)
    at_least_as_good = not_worse(evidence, label)
    by_chance = apart is not None and apart.low <= 0 <= apart.high
    told = f"{label} is {shown(value)}, {'not ' if at_least_as_good else ''}worse than the champion's {shown(bound)}"
    told += " on the same rows" if evidence.same_rows else ", as it was registered: of other rows"
    if apart is not None and not at_least_as_good:
        told += f", by {'no ' if by_chance else ''}more than chance: difference {apart.low:+.4f} to {apart.high:+.4f}"
    return GateOutcome(f"{gate.kind}({label})", at_least_as_good or by_chance, value, bound, told)


def _calibrated(gate: Gate, _label: str, evidence: Evidence) -> GateOutcome:
    bound, value = float(gate.bound or 0.0), _measured(evidence).calibration()
    passed = value <= bound
    told = (
        f"predicted and true rates are {shown(value)} apart, {'' if passed else 'not '}within {shown(bound)} as asked"
    )
    return GateOutcome("calibrated", passed, value, bound, told)


def _stable(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    """Each fold is another time: the worst is held against the mean of all."""
    name, within, each = f"stable_over_time({label})", float(gate.bound or 0.0), [one[label] for one in evidence.folds]
    if len(each) < 2:
        told = "there is one fold only: write folds= in hr.time_split, so that there are several times to compare"
        return GateOutcome(name, False, None, within, told)
    sign = 1 if evidence.metrics[label].greater_is_better else -1
    mean = sum(each) / len(each)
    worst = min(each, key=lambda one: sign * one)
    value = max(sign * (mean - worst), 0.0)
    passed = value <= within
    told = f"{label} is {shown(worst)} on the worst of {len(each)} folds, {shown(value)} {'' if passed else 'and not '}"
    told += f"{'no more than' if passed else 'within'} {shown(within)} worse than their mean of {shown(mean)}"
    return GateOutcome(name, passed, value, within, told)


def _latency(gate: Gate, _label: str, evidence: Evidence) -> GateOutcome:
    value, most = _measured(evidence).latency_us(), gate.most
    passed = value <= most
    told = f"one row takes {value:,.0f} µs at the 99th percentile on this machine, {'' if passed else 'not '}"
    return GateOutcome("latency", passed, value, most, f"{told}within {most:,.0f} µs as asked")


def _size(gate: Gate, _label: str, evidence: Evidence) -> GateOutcome:
    passed = evidence.size <= gate.most
    told = f"the file has {evidence.size:,} bytes, {'' if passed else 'not '}within {gate.most:,.0f} as asked"
    return GateOutcome("size", passed, float(evidence.size), gate.most, told)


def _fair(gate: Gate, label: str, evidence: Evidence) -> GateOutcome:
    name, within = f"fair_across({gate.by}, {label})", float(gate.bound or 0.0)
    groups, silent = _measured(evidence).by_group(evidence.metrics[label], str(gate.by))
    unsaid = f"; not compared, since it says nothing of them: {', '.join(silent)}" if silent else ""
    if len(groups) < 2:
        told = f"{gate.by} has {len(groups)} groups with rows enough to compare, where it takes two{unsaid}"
        return GateOutcome(name, False, None, within, told)
    ranked = sorted(groups, key=lambda one: groups[one][0])
    low, high = ranked[0], ranked[-1]
    value = groups[high][0] - groups[low][0]
    passed = value <= within
    each = [f"{shown(groups[one][0])} for {one} ({groups[one][1]:,} rows)" for one in (low, high)]
    told = f"{label} is {' and '.join(each)}: {shown(value)} apart, {'' if passed else 'not '}within {shown(within)}"
    told += f" as asked{unsaid}"
    return GateOutcome(name, passed, value, within, told)


def _no_leak(_gate: Gate, _label: str, evidence: Evidence) -> GateOutcome:
    found = _measured(evidence).leaks()
    told = "; ".join(found) if found else "no feature is too good, knows the future or the label, or memorises"
    return GateOutcome("no_leak", not found, float(len(found)), 0.0, told)


def _reproducible(_gate: Gate, _label: str, evidence: Evidence) -> GateOutcome:
    first, second = _measured(evidence).digest(), _measured(evidence).digest_again()
    passed = first == second
    told = f"trained twice, the file is {first[:12]} both times" if passed else (
        f"trained twice, the file is {first[:12]} and {second[:12]}: give train.seed to all that draws, and one thread "
        "to what adds up in any order"
    )  # fmt: skip
    return GateOutcome("reproducible", passed, None, None, told)


def _measured(evidence: Evidence) -> Measures:
    assert evidence.measures is not None
    return evidence.measures


GATES: Mapping[str, Callable[[Gate, str, Evidence], GateOutcome]] = {
    "at_least": _bounded("at least", lambda value, bound: value >= bound),
    "at_most": _bounded("at most", lambda value, bound: value <= bound),
    "better_than_baseline": _better_than_baseline,
    "not_worse_than_champion": _not_worse_than_champion,
    "calibrated": _calibrated,
    "stable_over_time": _stable,
    "latency": _latency,
    "size": _size,
    "fair_across": _fair,
    "no_leak": _no_leak,
    "reproducible": _reproducible,
}
"""Every gate a model can declare; a new one is a function and a line here."""
