"""What declarations mean: expressions, windows, lineage, and how they lower to columns and to single rows."""

from headrace.plan.check import check
from headrace.plan.compile import compile_features, compile_rules, compile_set
from headrace.plan.lineage import Lineage
from headrace.plan.meaning import Output, Plan
from headrace.plan.resolution import resolutions
from headrace.plan.snapshot import feature_fingerprints, fingerprints, model_fingerprint, set_fingerprint, snapshot
from headrace.plan.tracing import lineage

__all__ = [
    "Lineage",
    "Output",
    "Plan",
    "check",
    "compile_features",
    "compile_rules",
    "compile_set",
    "feature_fingerprints",
    "fingerprints",
    "lineage",
    "model_fingerprint",
    "resolutions",
    "set_fingerprint",
    "snapshot",
]
