"""Compiled sweeps: one for each aggregate, from the plain source of ``running.py`` or ``merging.py``.

Numba keeps compiled code between processes only for functions in real files, and only for those that name their
callees. So the source of the sweep is written to a file of its own for each aggregate, with the aggregate's functions
imported by name. The folder's name holds a digest of all sources here: code that changed is never served stale.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np

from headrace.kernel import merging, running
from headrace.kernel.aggregates import catalogue

_HEADER = '''"""Written by headrace.kernel.compile; may be deleted at any time."""

import numpy as np
from numba import njit

from {module} import AGGREGATE as aggregate

update = njit(aggregate.update)
{other} = njit(aggregate.{other})
finalize = njit(aggregate.finalize)


@njit(cache=True, nogil=True, error_model="numpy")
'''


@cache
def sweep_of(name: str) -> Callable[..., None]:
    """Return the compiled sweep of an aggregate; the first call with arguments compiles it or loads it from disk."""
    aggregate = catalogue()[name]
    template = merging if aggregate.remove is None else running
    body = (
        inspect.getsource(template.sweep)
        .replace(": Ints", "")
        .replace(": Bools", "")
        .replace(": int", "")
        .replace(": Counts", "")
        .replace(": Places", "")
    )
    other = "merge" if aggregate.remove is None else "remove"
    text = _HEADER.format(module=f"headrace.kernel.aggregates.{name}", other=other) + body.replace(" -> None", "")
    sweep: Callable[..., None] = _module(f"sweep_{name}", text).sweep
    return sweep


def warm(names: Iterable[str] | None = None) -> None:
    """Compile the sweeps of these aggregates (all of them by default) or load them from disk.

    Example:
        >>> warm(["count"])
    """
    for name in names or catalogue():
        sweep_of(name)(*empty_arguments())


def empty_arguments() -> tuple[Any, ...]:
    """Return arguments of the right types without events or rows."""
    ints, bools = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    segments, out = np.zeros((0, 4), dtype=np.int64), np.zeros((0, 1), dtype=np.int64)
    events = (ints, ints, bools, ints, ints)
    rows = (ints, ints, ints, ints, bools)
    places = np.zeros((0, 1), dtype=np.int32)
    aggregate = (np.zeros(8, dtype=np.int64), 1, 1, 0, 0)
    return (segments, *events, *rows, places, places, *aggregate, out, np.zeros((0, 1), dtype=np.int16))


def _module(name: str, text: str) -> ModuleType:
    path = cache_folder() / f"{name}.py"
    if not path.exists() or path.read_text() != text:
        fresh = path.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(text)
        fresh.replace(path)
    spec = importlib.util.spec_from_file_location(f"headrace_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # compiled code that is loaded from disk looks for its module here
    spec.loader.exec_module(module)
    return module


@cache
def cache_folder() -> Path:
    """Return the folder of compiled code: below HEADRACE_CACHE, the user's cache, or a temporary folder."""
    base = os.environ.get("HEADRACE_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    for candidate in (Path(base) / "headrace", Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}"):
        folder = candidate / f"kernel-{_digest()}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="headrace-"))


def _digest() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {platform.python_version()}".encode())
    here = Path(__file__).parent
    for source in sorted(here.rglob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]
