"""The oracle: what every path must give, told slowly in plain Python, one row and one event at a time."""

from headrace.plan.reference.oracle import features, labels

__all__ = ["features", "labels"]
