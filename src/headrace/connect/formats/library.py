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
    try:
        return importlib.import_module(name)
    except ImportError as error:
        expected, cure = f"the library {name}, to read it", "pip install 'headrace[files]'"
        raise HeadraceError(Fault("HR-SOURCE-017", file.name, f"no library {name}", expected, cure)) from error
