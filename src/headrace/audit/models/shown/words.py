"""Metrics and gates in words for those who did not train the model."""

from __future__ import annotations

from headrace.audit.models.segments import Segment
from headrace.audit.page import exact, number, percent
from headrace.declare import Metric, metrics
from headrace.declare.metrics import NAMES
from headrace.learn import GateOutcome

_GATES = {
    "export_parity": ("What serves is what was trained", "What serves is not what was trained"),
    "at_least": ("It is as good as was asked", "It is not as good as was asked"),
    "at_most": ("It stays below what was asked", "It goes beyond what was asked"),
    "better_than_baseline": ("It is better than what needs no model of its own", "It is no better than the baseline"),
    "not_worse_than_champion": ("It is not worse than the one in use", "It is worse than the one in use"),
    "calibrated": ("Its probabilities can be taken at their word", "Its probabilities are not what they claim to be"),
    "stable_over_time": ("It is about as good at all times", "There are times at which it is much worse"),
    "latency": ("It answers fast enough", "It answers too slowly"),
    "size": ("Its file is small enough", "Its file is too large"),
    "fair_across": ("It treats the groups alike", "It does not treat the groups alike"),
    "no_leak": ("It knows nothing that it could not know", "It may know what it could not know"),
    "reproducible": ("Trained again, it comes out the same", "Trained again, it comes out another"),
}


_LETTERS = ("roc", "auc", "rmse", "mae", "ndcg", "r2", "f1")


def plain_gate(gate: GateOutcome) -> str:
    """Return what the outcome of a gate means, in a few words.

    Example:
        >>> plain_gate(GateOutcome("at_least(roc_auc)", False, 0.7, 0.8, "roc_auc is 0.7, not at least 0.8 as asked"))
        'It is not as good as was asked'
    """
    words = _GATES.get(gate.name.partition("(")[0], (gate.name, f"{gate.name} failed"))
    return words[0] if gate.passed else words[1]


def meaning(metric: Metric) -> str:
    """Return what a metric says, in one sentence: the first line of what documents it.

    Example:
        >>> meaning(metrics.rmse())
        "Root of the mean squared error, in the label's unit."
        >>> meaning(metrics.recall_at(0.01))
        'Share of the positives that are among the 0.01 (a share) of the rows that score highest.'
    """
    function = metric.function if metric.name not in NAMES else getattr(metrics, metric.name, None)
    said = (getattr(function, "__doc__", None) or "").strip()
    for name, value in metric.params:
        said = said.replace(f"``{name}``", str(value))
    return said.splitlines()[0].replace("``", "") if said else ""


def title(label: str) -> str:
    """Return the label of a metric as a title.

    Example:
        >>> title("card_precision_100"), title("roc_auc")
        ('Card precision 100', 'ROC AUC')
    """
    words = label.split("_")
    told = " ".join(word.upper() if word in _LETTERS else word for word in words)
    return told[:1].upper() + told[1:]


def amount(value: float, unit: str) -> str:
    """Return an amount of money with its unit.

    Example:
        >>> amount(1234.56, "EUR"), amount(-3.0, "")
        ('1,235 EUR', '-3')
    """
    told = number(round(value) if abs(value) >= 100 else round(value, 2))
    return f"{told} {unit}".strip()


def told_worse(measure: str, one: Segment) -> str:
    """Return in what a group is worse than elsewhere."""
    if one.off:
        return f"foretold {of_share(one.foretold)}, true {of_share(one.true)}"
    return f"{measure} {exact(one.value)}, elsewhere {exact(one.elsewhere)}"


def of_share(value: float | None) -> str:
    """Return a share as a percentage, and a dash where there is none."""
    return exact(None) if value is None else percent(value)
