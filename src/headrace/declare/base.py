"""What all declarations share: a name, the place where they were written, and the faults found while writing them."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from headrace.declare.lines import parts
from headrace.declare.sheet import Sheet, sheet_of
from headrace.errors import Fault

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_MAKING = ("<string>", dataclasses.__file__)
"""Where dataclasses write ``__init__``, and ``replace`` calls it."""
MISTYPED = "HR-DECLARE-001"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def here() -> str:
    """Return ``file:line`` of the nearest caller outside this package, relative to the working folder."""
    frame = _caller()
    return f"{relative(frame.f_code.co_filename)}:{frame.f_lineno}"


def here_within() -> dict[str, str]:
    """Return ``file:line`` of the fields of the class, or of the keys in the call, whose place ``here`` returns."""
    frame = _caller()
    file = frame.f_code.co_filename
    return {name: f"{relative(file)}:{line}" for name, line in parts(file, frame.f_lineno).items()}


def _caller() -> FrameType:
    frame = sys._getframe(2)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_PACKAGE) or frame.f_code.co_filename in _MAKING
    ):
        frame = frame.f_back
    return frame


def relative(filename: str) -> str:
    """Return a file's path below the working folder, or its bare name: no path of a machine gets into messages."""
    path = Path(filename).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Base of every declaration: knows where it was written, what is wrong with it by itself, and how it looks.

    Those with a sheet of their own are shown by it as text, too (``repr=False``); the small ones as they are written.
    """

    place: str = field(default="", init=False, compare=False, repr=False)
    faults: tuple[Fault, ...] = field(default=(), init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", here())
        object.__setattr__(self, "faults", tuple(self._look()))

    def _look(self) -> list[Fault]:
        """Return the faults that can be seen without looking at other declarations."""
        return []

    def _sheet(self) -> Sheet:
        """Return what is shown of it, where nothing in it is of a wrong type."""
        return sheet_of(self)

    def __repr__(self) -> str:
        return self._shown().text()

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _shown(self) -> Sheet:
        mistyped = any(fault.code == MISTYPED for fault in self.faults)
        return sheet_of(self) if mistyped else self._sheet()

    def _several(self, name: str, kind: Any, what: str, expected: str) -> list[Fault]:
        """Make a field a tuple of values of one kind: one alone is several, what is of another kind is told."""
        given = getattr(self, name)
        items = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
        self._set(name, tuple(one for one in items if isinstance(one, kind)))
        return [
            type_fault(self.place, f"{name} of {what}", one, expected) for one in items if not isinstance(one, kind)
        ]

    def _set(self, name: str, value: object) -> None:
        """Normalise one of the fields during construction; afterwards the value is frozen."""
        object.__setattr__(self, name, value)


def is_below(filename: str, folder: Path) -> bool:
    """Return whether code is the user's own: in their folder, and neither Headrace's nor of an installed package."""
    below = Path(filename).resolve().is_relative_to(folder)
    return below and not filename.startswith(_PACKAGE) and "site-packages" not in filename


def own_line(error: BaseException, folder: Path) -> str | None:
    """Return ``file:line`` of the innermost line of the user's own that raised an exception, None without one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_below(frame.filename, folder)]
    return f"{relative(own[-1].filename)}:{own[-1].lineno}" if own else None


def name_faults(name: object, place: str, what: str) -> list[Fault]:
    """Return a fault unless ``name`` can name a table, a column and a path of a URL alike."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return []
    expected = "lower-case letters, digits and underscores, beginning with a letter, at most 63"
    return [Fault("HR-NAME-001", place, f"{what} named {name!r}", expected, "rename it")]


def type_fault(place: str, what: str, value: object, expected: str) -> Fault:
    """Return the fault for an argument of a wrong Python type."""
    found = f"{what} = {type(value).__name__}"
    return Fault(MISTYPED, place, found, expected, f"pass {expected}")
