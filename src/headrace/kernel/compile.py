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
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np

from headrace.kernel import differences, growing, merging, program, queueing, running
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.aggregates import catalogue

_HEADER = '''"""Written by headrace.kernel.compile; may be deleted at any time."""

import numpy as np
from numba import njit

from headrace.kernel.placing import NULL
from headrace.kernel.registers import difference
from {module} import AGGREGATE as aggregate

{constants}
{functions}


@njit(cache=True, nogil=True, error_model="numpy")
'''
_OF = re.compile(r"^# of: (.*)$", re.MULTILINE)
_TYPES = re.compile(r": (Ints|Bools|Counts|Places|int)\b| -> (None|int)")


@cache
def sweep_of(name: str, late: bool) -> Callable[..., None]:
    """Return the compiled sweep of an aggregate; the first call with arguments compiles it or loads it from disk.

    Args:
        name: of the aggregate.
        late: whether events may become known after they happened; decides which arguments the sweep takes.
    """
    aggregate = catalogue()[name]
    template = _template(aggregate, late)
    body = inspect.getsource(template.sweep)
    fixed = _fixed(aggregate)
    for constant in fixed:
        body = body.replace(f"    {constant}: int,\n", "")
    constants = "\n".join(f"{constant} = {value}" for constant, value in fixed.items())
    used = [one for one in ("update", "remove", "merge", "finalize") if f"{one}(" in body]
    functions = "\n".join(f"{one} = njit(forceinline=True)(aggregate.{one})" for one in used)
    text = _HEADER.format(
        module=f"headrace.kernel.aggregates.{name}", constants=constants, functions=functions
    ) + _TYPES.sub("", body)
    sweep: Callable[..., None] = _module(f"{template.__name__.rpartition('.')[2]}_{name}", text).sweep
    return sweep


_RUNNER = '''"""Written by headrace.kernel.compile; may be deleted at any time."""
# of: {names}

import numpy as np
from numba import njit

from headrace.kernel.edges import edges
from headrace.kernel.layout import side_by_side
from headrace.kernel.placing import scatter
from headrace.kernel.program import AS_IS, GIVEN, LIVE, PREPARED, SETTING, SWEEP, part, prepare
{imports}


@njit
def call({parameters}):
{called}


@njit(cache=True, nogil=True, error_model="numpy")
'''


def runner(names: Sequence[str]) -> tuple[tuple[str, ...], Callable[..., Any]]:
    """Return ``program.run`` for programs whose sweeps are of these aggregates, or of more.

    Args:
        names: of the aggregates.

    Returns:
        The aggregates for which it is made, by whose places programs name them, and the function. It takes longer to
        compile than all their sweeps together: one that was compiled before for others too is as good.
    """
    wanted = set(names)
    made = [one for one in _runners() if wanted <= set(one)]
    chosen = min(made, key=len) if made else tuple(sorted(wanted))
    return chosen, _runner(chosen)


def _runners() -> list[tuple[str, ...]]:
    """The aggregates of runners whose code is there."""
    there = (path for path in cache_folder().glob("__pycache__/run_*.nbi"))
    texts = (cache_folder() / f"{path.name.partition('.')[0]}.py" for path in there)
    found = (_OF.search(path.read_text()) for path in texts if path.exists())
    return [tuple(one[1].split()) for one in found if one is not None]


@cache
def _runner(names: tuple[str, ...]) -> Callable[..., Any]:
    imports, called = [], []
    for at, name in enumerate(names):
        module = sweep_of(name, False).__module__
        imports.append(f"from {module} import sweep as sweep_{at}")
        given = ", ".join(arguments(name, False))
        called.append(f"    {'elif' if at else 'if'} code == {at}:\n        sweep_{at}({given})")
    head = _RUNNER.format(
        names=" ".join(names),
        imports="\n".join(imports),
        parameters=", ".join(("code", *inspect.signature(running.sweep).parameters, "additive")),
        called="\n".join(called) or "    pass",
    )
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    run: Callable[..., Any] = _module(f"run_{digest}", head + _TYPES.sub("", inspect.getsource(program.run))).run
    return run


_GROWER = '''"""Written by headrace.kernel.compile; may be deleted at any time."""

import numpy as np
from numba import njit

from headrace.kernel.growing import (
    BEGIN, BIT, CODE, DELAY, END, HOP, ITEMS, KEYS, OWN, RESULT, SPAN, SUMS, VALUE, WIDTH, WORD, _inside
)
from headrace.kernel.placing import NULL
from headrace.kernel.trees import (
    AT, FIRST, FRESH, LAST, LENGTH, LEVEL, LIVE, TALLEST, TIME, UP, first_from, has_room, put
)
{imports}

{functions}


@njit(forceinline=True)
def scan(code, store, begin, end, value, bit, state, table, setting, reals):
{scanned}


@njit(forceinline=True)
def update(code, state, table, value, time, setting, reals):
{updated}


@njit(forceinline=True)
def merge(code, state, table, other, other_table, setting):
{merged}


@njit(forceinline=True)
def finalize(code, state, table, setting, reals, moment, ints, floats):
    found = 0
{finalized}
    return found


@njit(cache=True, nogil=True, error_model="numpy")
{freshen}

@njit(cache=True, nogil=True, error_model="numpy")
{advance}'''
_SCANNED = """for i in range(begin, end):
            if bit < 0 or (store[i, LIVE] >> bit) & 1:
                update_{at}(state, table, store[i, value], store[i, TIME], setting, reals)"""


@cache
def grower(names: tuple[str, ...]) -> Callable[..., int]:
    """Return ``growing.advance`` for sweeps of these aggregates, whose codes are their places."""

    def chosen(call: str) -> str:
        return "\n".join(
            f"    {'elif' if at else 'if'} code == {at}:\n        {call.format(at=at)}" for at in range(len(names))
        )

    parts = ("update", "merge", "finalize")
    text = _GROWER.format(
        imports="\n".join(
            f"from headrace.kernel.aggregates.{name} import AGGREGATE as aggregate_{at}"
            for at, name in enumerate(names)
        ),
        functions="\n".join(
            f"{part}_{at} = njit(forceinline=True)(aggregate_{at}.{part})" for at in range(len(names)) for part in parts
        ),
        scanned=chosen(_SCANNED),
        updated=chosen("update_{at}(state, table, value, time, setting, reals)"),
        merged=chosen("merge_{at}(state, table, other, other_table, setting)"),
        finalized=chosen("found = finalize_{at}(state, table, setting, reals, moment, ints, floats)"),
        freshen=inspect.getsource(growing.freshen),
        advance=inspect.getsource(growing.advance),
    )
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    grown: Callable[..., int] = _module(f"grow_{digest}", _TYPES.sub("", text)).advance
    return grown


def _template(aggregate: Aggregate, late: bool) -> ModuleType:
    if not late and aggregate.additive:
        return differences
    if aggregate.remove is not None:
        return running
    return merging if late else queueing


@cache
def arguments(name: str, late: bool) -> tuple[str, ...]:
    """Return the names of the arguments that the sweep of an aggregate takes."""
    aggregate = catalogue()[name]
    fixed = _fixed(aggregate)
    return tuple(one for one in inspect.signature(_template(aggregate, late).sweep).parameters if one not in fixed)


def _fixed(aggregate: Aggregate) -> dict[str, int]:
    """Return what is the same in all uses of an aggregate: constants, by which the compiler unrolls its loops."""
    sizes = {"width": aggregate.width, "items": aggregate.items}
    sizes |= {"table_keys": aggregate.table_keys, "additive": aggregate.additive}
    return {name: size for name, size in sizes.items() if isinstance(size, int)}


def warm(names: Iterable[str] | None = None, late: bool = False) -> None:
    """Compile the sweeps of these aggregates (all of them by default) or load them from disk.

    Example:
        >>> warm(["count"])
    """
    empty = empty_arguments()
    for name in names or catalogue():
        sweep_of(name, late)(*(empty[one] for one in arguments(name, late)))


def empty_arguments() -> dict[str, Any]:
    """Return arguments of the right types without events or rows."""
    ints, bools = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    places = np.zeros((0, 0), dtype=np.int32)
    given: dict[str, Any] = dict.fromkeys(("time", "value", "rank", "by_rank", "moment", "row_rank", "own_value"), ints)
    given |= dict.fromkeys(("live", "own_live"), bools) | dict.fromkeys(("tails", "heads"), places)
    given |= dict.fromkeys(("tail_of", "head_of"), ints) | dict.fromkeys(("items", "width"), 1)
    given |= dict.fromkeys(("table_keys", "additive", "word", "result"), 0)
    counts = np.zeros((1, 0), dtype=np.int16)
    tables = {"segments": np.zeros((0, 4), dtype=np.int64), "words": np.zeros((1, 0), dtype=np.int64), "counts": counts}
    return given | tables | {"setting": np.zeros(8, dtype=np.int64)}


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
