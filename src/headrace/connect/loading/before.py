"""What was wrong with rows that an interrupted load has left in quarantine, told in the words of the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.contracts.problems import Problem


class Before:
    """The reasons of such rows, which quote values, and what is known of the rules that they name.

    Args:
        reasons: of each row, as they stand in quarantine.

    Example:
        >>> from headrace.contracts.problems import Problem
        >>> before = Before([["HR-DATA-004 amount: -1 is below 0"]])
        >>> before.learn([Problem("HR-DATA-004", "amount", "is below 0", [0])])
        >>> before.counts()
        [{'HR-DATA-004 amount: is below 0': 1}]
    """

    def __init__(self, reasons: Sequence[Sequence[str]] = ()) -> None:
        self._reasons = reasons
        self._words: dict[str, set[str]] = {}

    def learn(self, problems: Iterable[Problem]) -> None:
        """Learn what rules say: of rows that are read again, or could say of any."""
        for one in problems:
            self._words.setdefault(f"{one.code} {one.field}", set()).add(one.text)

    def counts(self) -> list[dict[str, int]]:
        """Return for each row what is wrong with it, without its values."""
        return [{self._said(reason): 1 for reason in reasons} for reasons in self._reasons]

    def _said(self, reason: str) -> str:
        rule, _, rest = reason.partition(": ")
        text = max((one for one in self._words.get(rule, ()) if rest.endswith(one)), key=len, default="breaks the rule")
        return f"{rule}: {text}"
