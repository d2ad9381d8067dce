"""Each gate passes when it may, fails when it must, and says so with its numbers."""

from dataclasses import replace

import pytest

import headrace as hr
from headrace.learn.export import Parity
from headrace.learn.gates import Evidence, export_gate, judge, not_worse
from headrace.learn.intervals import Difference

METRICS = {"roc_auc": hr.roc_auc(), "log_loss": hr.log_loss()}
BASELINES = {"prior_rate": {"roc_auc": 0.5, "log_loss": 0.3}, "logistic": {"roc_auc": 0.8, "log_loss": 0.2}}


def evidence(auc: float, loss: float, champion: dict[str, float] | None = None) -> Evidence:
    return Evidence(METRICS, {"roc_auc": auc, "log_loss": loss}, BASELINES, champion)


@pytest.mark.parametrize(
    ("gate", "auc", "loss", "passed", "told"),
    [
        (hr.at_least("roc_auc", 0.9), 0.9, 0.1, True, "roc_auc is 0.9000, at least 0.9000 as asked"),
        (hr.at_least("roc_auc", 0.9), 0.8999, 0.1, False, "roc_auc is 0.8999, not at least 0.9000 as asked"),
        (hr.at_most("log_loss", 0.1), 0.9, 0.1, True, "log_loss is 0.1000, at most 0.1000 as asked"),
        (hr.at_most("log_loss", 0.1), 0.9, 0.11, False, "log_loss is 0.1100, not at most 0.1000 as asked"),
        (hr.better_than_baseline(), 0.81, 0.1, True, "better than 0.8000 of the best baseline, logistic"),
        (hr.better_than_baseline(), 0.8, 0.1, False, "not better than 0.8000 of the best baseline, logistic"),
        (hr.better_than_baseline("log_loss"), 0.9, 0.25, False, "not better than 0.2000 of the best baseline"),
        (hr.not_worse_than_champion(), 0.1, 0.1, True, "there is no other champion to compare with"),
    ],
)
def test_gates(gate, auc, loss, passed, told):
    outcome = judge(gate, evidence(auc, loss))
    assert outcome.passed is passed
    assert told in outcome.sentence
    assert outcome.name == f"{gate.kind}({gate.metric or 'roc_auc'})"


@pytest.mark.parametrize(("auc", "passed"), [(0.85, True), (0.9, True), (0.8499999, False)])
def test_not_worse_than_champion(auc, passed):
    outcome = judge(hr.not_worse_than_champion(), evidence(auc, 0.1, {"roc_auc": 0.85, "log_loss": 0.1}))
    assert outcome.passed is passed
    assert "worse than the champion's 0.8500 on the same rows" in outcome.sentence


def test_worse_by_chance_passes_and_evidently_worse_does_not():
    champion = {"roc_auc": 0.85, "log_loss": 0.1}
    gate = hr.not_worse_than_champion()
    chance = Evidence(METRICS, {"roc_auc": 0.84}, BASELINES, champion, {"roc_auc": Difference(-0.01, -0.03, 0.01, 0.3)})
    assert judge(gate, chance).passed
    assert not not_worse(chance, "roc_auc"), "but the champion goes on serving"
    assert judge(gate, chance).sentence.endswith("by no more than chance: difference -0.0300 to +0.0100")
    evident = Evidence(
        METRICS, {"roc_auc": 0.84}, BASELINES, champion, {"roc_auc": Difference(-0.01, -0.019, -0.001, 0.03)}
    )
    assert not judge(gate, evident).passed
    assert judge(gate, evident).sentence.endswith("by more than chance: difference -0.0190 to -0.0010")


def test_better_than_the_best_baseline_by_no_more_than_chance_does_not_pass():
    gate, told = hr.better_than_baseline(surely=True), {"prior_rate": {"roc_auc": Difference(0.4, 0.3, 0.5, 1e-9)}}
    by_chance = {**told, "logistic": {"roc_auc": Difference(0.01, -0.01, 0.03, 0.3)}}
    outcome = judge(gate, replace(evidence(0.81, 0.1), above=by_chance))
    assert not outcome.passed
    assert outcome.sentence.endswith("best baseline, logistic, by no more than chance: difference -0.0100 to +0.0300")
    assert judge(hr.better_than_baseline(), replace(evidence(0.81, 0.1), above=by_chance)).passed, "as it is told"
    assert not judge(gate, evidence(0.81, 0.1)).passed, "of too few days"
    assert not judge(hr.better_than_baseline(), evidence(0.80001, 0.1)).passed, "the same in four digits"
    surely = {**told, "logistic": {"roc_auc": Difference(0.01, 0.001, 0.02, 0.01)}}
    assert judge(gate, replace(evidence(0.81, 0.1), above=surely)).passed


def test_a_baseline_of_which_a_metric_says_nothing_is_beaten():
    silent = replace(evidence(0.1, 0.1), baselines={"prior_rate": {"roc_auc": float("nan")}})
    assert judge(hr.better_than_baseline(), silent).passed
    assert not judge(hr.better_than_baseline(), replace(silent, baselines={**silent.baselines, **BASELINES})).passed


def test_less_is_better_where_the_metric_says_so():
    champion = {"roc_auc": 0.9, "log_loss": 0.15}
    assert judge(hr.not_worse_than_champion("log_loss"), evidence(0.1, 0.15, champion)).passed
    assert not judge(hr.not_worse_than_champion("log_loss"), evidence(0.1, 0.16, champion)).passed
    assert not_worse(evidence(0.1, 0.14, champion), "log_loss")


def test_export_gate():
    assert export_gate(Parity(20_000, 100, 1e-6, 0, 2)).passed
    assert export_gate(Parity(20_000, 100, 1e-4, 2, 0)).passed
    assert not export_gate(Parity(20_000, 100, 1e-4, 3, 0)).passed
    assert not export_gate(Parity(20_000, 100, 1e-6, 0, 3)).passed
    assert "differ by at most 1e-06 on 20,000 rows" in export_gate(Parity(20_000, 100, 1e-6, 0, 2)).sentence


def test_a_gate_that_is_not_known_is_told():
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*gate 'at_leas'.*did you mean 'at_least'\?"):
        judge(type(hr.at_least("roc_auc", 1))("at_leas", "roc_auc", 1.0), evidence(1, 0))
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*a gate on 'brier'"):
        judge(hr.at_least("brier", 1), evidence(1, 0))
