"""What all declarations share: a name, the place where they were written, and the faults found while writing them."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from headrace.errors import Fault

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def here() -> str:
    """Return ``file:line`` of the nearest caller outside this package, relative to the working folder."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_PACKAGE) or frame.f_code.co_filename == "<string>"
    ):
        frame = frame.f_back
    return f"{relative(frame.f_code.co_filename)}:{frame.f_lineno}"


def relative(filename: str) -> str:
    """Return a file's path below the working folder, or its bare name: no path of a machine gets into messages."""
    path = Path(filename).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Base of every declaration: knows where it was written and what is wrong with it by itself."""

    place: str = field(default="", init=False, compare=False, repr=False)
    faults: tuple[Fault, ...] = field(default=(), init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", here())
        object.__setattr__(self, "faults", tuple(self._look()))

    def _look(self) -> list[Fault]:
        """Return the faults that can be seen without looking at other declarations."""
        return []

    def _set(self, name: str, value: object) -> None:
        """Normalise one of the fields during construction; afterwards the value is frozen."""
        object.__setattr__(self, name, value)


def name_faults(name: object, place: str, what: str) -> list[Fault]:
    """Return a fault unless ``name`` can name a table, a column and a path of a URL alike."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return []
    expected = "lower-case letters, digits and underscores, beginning with a letter, at most 63"
    return [Fault("HR-NAME-001", place, f"{what} named {name!r}", expected, "rename it")]


def type_fault(place: str, what: str, value: object, expected: str) -> Fault:
    """Return the fault for an argument of a wrong Python type."""
    found = f"{what} = {type(value).__name__}"
    return Fault("HR-DECLARE-001", place, found, expected, f"pass {expected}")
