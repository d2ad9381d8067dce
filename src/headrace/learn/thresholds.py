"""At which scores services decide, read from their rules."""

from __future__ import annotations

import re

from headrace.declare import Model, Project

_THRESHOLD = re.compile(r"\bscore\s*[<>]=?\s*(\d*\.?\d+)")


def thresholds(project: Project, model: Model) -> dict[float, str]:
    """Return the scores at which services decide by a model, from the lowest, with the decision of each.

    Example:
        >>> _THRESHOLD.findall("score > 0.95 and amount > 10 or score>=.5")
        ['0.95', '.5']
    """
    rules = [rule for one in project.all_services.values() if one.model == model for rule in one.decide.items()]
    found = {float(number): decision for decision, rule in rules for number in _THRESHOLD.findall(rule)}
    return dict(sorted(found.items()))
