"""What a training tells of the version that it registered."""

from headrace.learn import Origin, Record, TrainReport, Version
from headrace.learn.gates import GateOutcome

GATE = GateOutcome("at_least(roc_auc)", True, 0.9, 0.8, "roc_auc is 0.9000, at least 0.8000 as asked")


def verdict(*aliases: str) -> str:
    record = Record("fraud_score", "e" * 64, Origin("d" * 64, "t" * 64), {"model": {"roc_auc": 0.9}}, (GATE,))
    return TrainReport("fraud_score", (), (GATE,), Version(4, record, 0, aliases), False, {}, {}).verdict()


def test_the_verdict_names_the_command_that_makes_a_version_serve():
    assert verdict().endswith(
        "it passed and does not serve, since another is the champion; "
        "headrace models promote fraud_score 4 changes that"
    )
    assert verdict("champion").endswith("it is the champion")
    assert verdict("challenger").endswith("it is a challenger: the champion is better")
