"""Explanations: what a score is made of, feature by feature, exact where the model's kind allows it, and checked."""

from headrace.learn.explain.contributions import Contributions
from headrace.learn.explain.explainer import TOLERANCE, Explainer, load
from headrace.learn.explain.made import made_from

__all__ = ["TOLERANCE", "Contributions", "Explainer", "load", "made_from"]
