"""Libraries that only some kinds of files need: loaded where they are used, and named where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from headrace.connect.places import File
from headrace.errors import Fault, HeadraceError


def library(name: str, file: File) -> Any:
    """Return a library that reads a file.

    Raises:
        HeadraceError: HR-SOURCE-017 when it is not installed.
    """
    return needed(name, file.name, "files")


def needed(name: str, place: str, extra: str) -> Any:
    """Return a library of an extra of this package.

    Args:
        name: of its module.
        place: what is read with it.
        extra: of the package, by which it is installed.

    Raises:
        HeadraceError: HR-SOURCE-017 when it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        expected, cure = f"the library {top}, to read it", f"pip install 'headrace[{extra}]'"
        raise HeadraceError(Fault("HR-SOURCE-017", place, f"no library {top}", expected, cure)) from error
