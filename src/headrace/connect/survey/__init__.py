"""A first look at data: what its tables and columns are, as far as a sample and the database's catalogue tell it."""

from __future__ import annotations

from headrace.connect.survey.found import Found, Guess, Survey
from headrace.connect.survey.look import look

__all__ = ["Found", "Guess", "Survey", "look"]
