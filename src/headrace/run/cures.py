"""What to write instead of a line of the project's file that raised: from the exception and the form called."""

from __future__ import annotations

import inspect
import re
import sys

from headrace.declare.short import SYNONYMS
from headrace.errors import nearest

_CALLED = re.compile(r"(\w+)(?:\.__init__)?\(\) (.*)", re.DOTALL)
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_DECIMAL = re.compile(r"Decimal\('?(-?\d+)'?, '?(-?\d+)'?\)")
_ELSEWHERE = {
    "gte": "ge", "min": "ge", "minimum": "ge", "lte": "le", "max": "le", "maximum": "le",
    "regex": "pattern", "choices": "isin", "enum": "isin", "entity": "by", "groups": "features",
}  # fmt: skip
"""What other libraries call arguments of ours."""
_EXAMPLES = {
    "name": "'payments'",
    "contract": "Payment",
    "source": "payments",
    "spine": "payments",
    "features": "[spending]",
    "value": "'is_fraud'",
    "on": "'payment_id'",
    "matures": "'7d'",
    "train": "'30d'",
    "test": "'7d'",
    "metric": "'roc_auc'",
    "bound": "0.8",
    "k": "100",
    "model": "score",
    "precision": "12",
    "scale": "2",
}


def cure_of(error: BaseException) -> str:
    """Return the edit that cures an exception of the project's file, as far as it can be told.

    Example:
        >>> cure_of(TypeError("time_split() missing 1 required positional argument: 'test'"))
        "write hr.time_split(…, test='7d')"
    """
    headrace = sys.modules["headrace"]
    if isinstance(error, AttributeError) and error.obj is headrace and error.name:
        meant = SYNONYMS.get(error.name)
        return f"did you mean {meant!r}?" if meant else nearest(error.name, headrace.__all__)
    if isinstance(error, NameError) and error.name in headrace.__all__:
        return f"write hr.{error.name}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install {error.name.split('.')[0]!r}, or put the module into the project's folder"
    if isinstance(error, SystemExit):
        return "remove the exit: declarations have no effects"
    if isinstance(error, TypeError) and (called := _CALLED.match(str(error))):
        return _of_call(*called.groups()) or "mend the line"
    if isinstance(error, ValueError) and (made := _DECIMAL.match(str(error))):
        precision = min(max(int(made[1]), 1), 18)
        return f"write hr.Decimal({precision}, {min(max(int(made[2]), 0), precision)})"
    return "mend the line"


def _of_call(name: str, complaint: str) -> str:
    """How a form of ours is called right; empty where it is none of ours."""
    headrace = sys.modules["headrace"]
    if name not in headrace.__all__:
        return ""
    takes = [one for one in inspect.signature(getattr(headrace, name)).parameters if one not in ("args", "kwargs")]
    if unexpected := _UNEXPECTED.match(complaint):
        meant = _ELSEWHERE.get(unexpected[1], "")
        return f"did you mean {meant!r}?" if meant in takes else nearest(unexpected[1], takes)
    if complaint.startswith("missing"):
        lacking = [one for one in re.findall(r"'(\w+)'", complaint) if one in takes]
        if not lacking:  # a function of the user's own, of the same name
            return ""
        said = [f"{one}={_EXAMPLES.get(one, repr('…'))}" for one in lacking]
        return f"write hr.{name}({', '.join(said if lacking == takes[: len(lacking)] else ['…', *said])})"
    return f"write hr.{name}({', '.join(f'{one}=…' for one in takes)}), each once and as far as it is needed"
