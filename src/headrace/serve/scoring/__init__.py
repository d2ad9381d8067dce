"""Batch scoring: the path of a service over a table, column by column, with the bits that single requests get."""

from headrace.serve.scoring.score import score_table
from headrace.serve.scoring.scored import ScoredTable

__all__ = ["ScoredTable", "score_table"]
