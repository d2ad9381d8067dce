"""Secrets: taken from the environment or a file at the moment of use, and never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from headrace.declare.origins import SECRET
from headrace.errors import Fault, HeadraceError


def resolved(text: str, folder: Path, place: str, *, within_url: bool = False) -> str:
    """Return a text with each ``${NAME}`` as the environment has it, and each ``${file:PATH}`` as the file.

    Args:
        text: of a declaration.
        folder: of the project, to which paths are relative.
        place: of the declaration, for faults.
        within_url: whether secrets become parts of an address, so that what has a meaning there is written as ``%40``.

    Raises:
        HeadraceError: HR-SOURCE-021 for each that there is not.

    Example:
        >>> os.environ["HEADRACE_EXAMPLE"] = "s3cret"
        >>> resolved("Bearer ${HEADRACE_EXAMPLE}", Path(), "")
        'Bearer s3cret'
    """
    missing: list[Fault] = []

    def value(found: re.Match[str]) -> str:
        from_file, name = bool(found[1]), found[2]
        try:
            secret = (folder / name).read_text().strip() if from_file else os.environ[name]
            return quote(secret, safe="") if within_url else secret
        except (KeyError, OSError, UnicodeDecodeError):
            what = f"no file {name} that can be read" if from_file else f"no variable {name} in the environment"
            cure = f"write the secret into {name}" if from_file else f"set {name} before the run"
            missing.append(Fault("HR-SOURCE-021", place, what, "the secret that the declaration names", cure))
            return ""

    said = SECRET.sub(value, text)
    if missing:
        raise HeadraceError(missing)
    return said
