"""What a user is told when something is wrong: a code, a place, what was found, what was expected, and the cure."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, told so that the reader can mend it at once.

    Args:
        code: stable identifier, e.g. ``HR-FEATURE-003``; documented in ``docs/errors.md``.
        place: ``file:line`` of the declaration, or file and row of the data; empty where there is none.
        found: what was met.
        expected: what would have been right.
        cure: the edit or command that mends it.
        severity: ``error`` stops the work, ``warning`` is only told.

    Example:
        >>> print(Fault("HR-TYPE-001", "project.py:7", "window '0d'", "a positive duration", "write '1d'"))
        HR-TYPE-001 project.py:7: found window '0d'; expected a positive duration. Cure: write '1d'.
    """

    code: str
    place: str
    found: str
    expected: str
    cure: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        where = f"{self.code} {self.place}".strip()
        end = "" if self.cure.endswith(("?", ".")) else "."
        cure = f" Cure: {self.cure}{end}" if self.cure else ""
        return f"{where}: found {self.found}; expected {self.expected}.{cure}"

    def as_dict(self) -> dict[str, str]:
        """Return the fault as plain values for ``--json``."""
        return {
            "code": self.code,
            "place": self.place,
            "found": self.found,
            "expected": self.expected,
            "cure": self.cure,
            "severity": self.severity,
        }


class HeadraceError(Exception):
    """Wrong use or wrong input: carries every fault that was found, not only the first.

    Example:
        >>> error = HeadraceError([Fault("HR-TYPE-001", "", "'0d'", "a positive duration")])
        >>> error.exit_code, len(error.faults)
        (2, 1)
    """

    exit_code = 2

    def __init__(self, faults: Iterable[Fault] | Fault) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class CheckFailed(HeadraceError):
    """The work was done and its outcome is a failed check: a gate, a parity difference, a broken promise."""

    exit_code = 1


def let_go(error: BaseException) -> None:
    """Release what the functions held in which an error and its causes arose: others go on, and may need the memory."""
    known: list[BaseException] = [error]
    while (cause := known[-1].__cause__) is not None and cause not in known:  # one may be raised from itself
        known.append(cause)
    for one in known:
        traceback.clear_frames(one.__traceback__)


def closest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that is most like a name which is none, or None where no name is like it.

    Example:
        >>> closest("AMUONT", ["amount", "at"])
        'amount'
    """
    folded = {one.lower(): one for one in reversed(list(valid)) if one != name}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1)
    return folded[close[0]] if close else None


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the closest valid name as a cure, or the list of names where none is close; never the name itself.

    Example:
        >>> nearest("amuont", ["amount", "at"])
        "did you mean 'amount'?"
    """
    names = [one for one in valid if one != name]
    close = closest(name, names)
    if close is not None:
        return f"did you mean '{close}'?"
    return f"one of: {', '.join(names)}" if names else ""
