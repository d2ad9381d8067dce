"""A fingerprint of a function changes with its meaning, wherever in the project that is, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from headrace.plan.code import meaning

UTIL = "FACTOR = 3\n\n\ndef outside(x):\n    return x * FACTOR\n"
HEAD = "import dataclasses, datetime, decimal, functools\nimport util\nfrom util import FACTOR, outside\n"
DECORATED = """
def d(f):
    @functools.wraps(f)
    def w(*a): return f(*a) + 1
    return w

@d
def h(): return 1

def fit(t): return h()
"""
CONSTANTS = {
    "pattern": ("re.compile('aaa')", "re.compile('aaaa')"),
    "flags of a pattern": ("re.compile('a')", "re.compile('a', re.I)"),
    "time": ("datetime.datetime(2020, 1, 1)", "datetime.datetime(2020, 1, 2)"),
    "time in a zone": (
        "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
        "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))",
    ),
    "fraction": ("fractions.Fraction(1, 3)", "fractions.Fraction(2, 3)"),
    "path": ("pathlib.Path('a')", "pathlib.Path('b')"),
    "slice": ("slice(None, 3)", "slice(None, 4)"),
    "array": ("array.array('d', [1])", "array.array('d', [2])"),
    "bytes": ("bytes(100)", "bytes(101)"),
    "bytearray": ("bytearray(b'a')", "bytearray(b'b')"),
    "memoryview": ("memoryview(b'a')", "memoryview(b'b')"),
    "mapping": ("types.MappingProxyType({'a': 1})", "types.MappingProxyType({'a': 2})"),
    "values of a dict": ("{'a': 1}.values()", "{'a': 2}.values()"),
    "what a defaultdict makes": ("collections.defaultdict(int)", "collections.defaultdict(list)"),
    "union": ("int | str", "int | None"),
    "layout": ("struct.Struct('i')", "struct.Struct('d')"),
    "identifier": ("uuid.UUID(int=1)", "uuid.UUID(int=2)"),
    "zone": ("zoneinfo.ZoneInfo('UTC')", "zoneinfo.ZoneInfo('Europe/Berlin')"),
    "function of a library": ("math.sqrt", "cmath.sqrt"),
    "key": ("operator.itemgetter(1)", "operator.itemgetter(2)"),
    "dtype": ("np.dtype('i4')", "np.dtype('i8')"),
    "numpy array": ("np.array([1.0, 2.0])", "np.array([1.0, 3.0])"),
    "array of objects": ("np.array(['a', None])", "np.array(['b', None])"),
    "function of numpy": ("np.log", "np.exp"),
    "random state": ("np.random.RandomState(1)", "np.random.RandomState(2)"),
    "generator": ("np.random.default_rng(1)", "np.random.default_rng(2)"),
    "frame": ("pd.DataFrame({'a': ['x', 'y']})", "pd.DataFrame({'a': ['x', 'z']})"),
    "name of a column": ("pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})"),
    "series": ("pd.Series([1])", "pd.Series([1.0])"),
    "index": ("pd.Index([1])", "pd.Index([2])"),
    "timestamp": ("pd.Timestamp('2020-01-01')", "pd.Timestamp('2020-01-02')"),
    "shared randomness": ("random.random", "np.random.random"),
}
LIBRARIES = """
import array, cmath, collections, datetime, fractions, math, operator, pathlib, random, re, struct, types, uuid
import zoneinfo
import numpy as np
import pandas as pd
"""
CHANGES = {
    "set": ("L = {1, 2}\ndef fit(t): return len(L)", "{1, 2}", "{1, 3}"),
    "decimal": ("L = decimal.Decimal('1.5')\ndef fit(t): return L", "1.5", "2.5"),
    "duration": ("L = datetime.timedelta(days=1)\ndef fit(t): return L", "days=1", "days=2"),
    "range": ("L = range(5)\ndef fit(t): return L", "5", "6"),
    "instance": ("class P:\n    def __init__(self, c): self.c = c\nL = P(1)\ndef fit(t): return L.c", "P(1)", "P(2)"),
    "argument bound": ("def f(t, c): return c\nfit = functools.partial(f, c=3)", "c=3", "c=4"),
    "function bound": ("def f(t, c): return c\nfit = functools.partial(f, c=3)", "return c", "return -c"),
    "callable": ("class F:\n    def __call__(self, t): return 1\nfit = F()", "return 1", "return 2"),
    "method": ("class F:\n    c = 3\n    def go(self, t): return self.c\nfit = F().go", "c = 3", "c = 4"),
    "methods swapped": (
        "class F:\n    def a(self): return 1\n    def b(self): return 2\ndef fit(t): return F().a()",
        "def a(self): return 1\n    def b",
        "def b(self): return 1\n    def a",
    ),
    "closure": ("def make(c):\n    def f(t): return c\n    return f\nfit = make(3)", "make(3)", "make(4)"),
    "base class": ("class A:\n    v = 1\nclass B(A): pass\ndef fit(t): return B.v", "v = 1", "v = 2"),
    "helper of a class": (
        "def h(): return 1\nclass B:\n    def go(self): return h()\ndef fit(t): return B().go()",
        "return 1",
        "return 2",
    ),
    "decorator": (DECORATED, "+ 1", "+ 2"),
    "decorated": (DECORATED, "return 1", "return 2"),
    "cached": ("@functools.lru_cache\ndef h(): return 1\ndef fit(t): return h()", "return 1", "return 2"),
    "within a comprehension": ("L = 1\ndef fit(t): return [L for _ in t]", "L = 1", "L = 2"),
    "of two functions in a dict": (
        "def h(): return 1\nD = {'a': h}\ndef fit(t): return D['a']()",
        "return 1",
        "return 2",
    ),
    "the second of two on a line": (
        "fits = {'quick': lambda t: max(t, 10), 'slow': lambda t: max(t, 50)}\nfit = fits['slow']",
        "50",
        "100",
    ),
    "of two on a line, a number within": (
        "fits = [lambda t: [x + 1 for x in t], lambda t: [x + 1.0 for x in t]]\nfit = fits[1]",
        "1.0",
        "1.5",
    ),
    "within a lambda with a closure": (
        "def make(c): return lambda t: [x + 1 for x in range(c)]\nfit = make(3)",
        "+ 1",
        "+ 2",
    ),
    "default": ("def fit(t, c=1): return c", "c=1", "c=2"),
    "keywords swapped": (
        "def h(a, b): return a - b\ndef fit(t): return h(a=1, b=2)",
        "h(a, b): return a - b",
        "h(b, a): return b - a",
    ),
}
SAME = {
    "helper": ("def h(): return 1\ndef fit(t): return h()", "h()", "other()"),
    "constant": ("LIMIT = 3\ndef fit(t): return LIMIT", "LIMIT", "LIM"),
    "local function": ("def fit(t):\n    def inner(z): return z\n    return inner(1)", "inner", "within"),
    "import": ("def fit(t):\n    import math as mm\n    return mm.floor(2.5)", "mm", "m2"),
    "exception": ("def fit(t):\n    try: return 1\n    except ValueError as oops: raise oops", "oops", "err"),
    "loop": ("def fit(t): return [i for i in t]", "i ", "j "),
    "the other of two on a line": (
        "fits = {'quick': lambda t: max(t, 10), 'slow': lambda t: max(t, 50)}\nfit = fits['slow']",
        "10",
        "9",
    ),
    "comment": ("def fit(t): return 1", "1", "1  # one"),
    "docstring": ("def fit(t):\n    return 1", "    return", "    'said'\n    return"),
    "annotation": ("def fit(t):\n    a: int = 1\n    return a", "int", "float"),
    "nothing, with a set of text": ("L = ({'b', 'a', 'c', 'dd'},)\ndef fit(t): return L", "", ""),
    "nothing, with objects": ("class O: pass\nL = [O(), O]\ndef fit(t): return L", "", ""),
}  # fmt: skip


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that gives the meaning of ``fit`` of a project, anew from its files."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def of(text: str, util: str = UTIL) -> str:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(folder)
        monkeypatch.syspath_prepend(folder)
        (folder / "util.py").write_text(util)
        (folder / "declared.py").write_text(HEAD + text)
        for name in ("util", "declared"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return meaning(importlib.import_module("declared").fit)

    yield of
    for name in ("util", "declared"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("what", list(CHANGES))
def test_another_meaning(said, what: str) -> None:
    text, old, new = CHANGES[what]
    assert old in text
    assert said(text) != said(text.replace(old, new))


@pytest.mark.parametrize("what", list(SAME))
def test_the_same_meaning(said, what: str) -> None:
    text, old, new = SAME[what]
    assert said(text) == said("\n\n" + (text.replace(old, new) if old else text))


@pytest.mark.parametrize(
    "text",
    [
        "def fit(t): return outside(1)",
        "def fit(t): return util.outside(1)",
        "def fit(t):\n    from util import outside\n    return outside(1)",
        "def fit(t):\n    import util as u\n    return u.outside(1)",
        "def fit(t): return getattr(util, 'out' + 'side')(1)",
    ],
)
def test_another_file_of_the_project_counts(said, text: str) -> None:
    assert said(text) != said(text, UTIL.replace("x * F", "x + F"))
    assert said(text) != said(text, UTIL.replace("= 3", "= 4"))
    assert said(text) == said(text, "# moved\n" + UTIL)


def test_a_library_counts_by_name(said) -> None:
    text = "import statistics\ndef fit(t): return statistics.mean(t)"
    assert len(said(text)) < 500


@pytest.mark.parametrize("what", list(CONSTANTS))
def test_a_constant_counts_by_its_value(said, what: str) -> None:
    one, other = (f"{LIBRARIES}\nL = {value}\ndef fit(t): return L" for value in CONSTANTS[what])
    assert said(one) == said(one) != said(other)
    assert " at 0x" not in said(one)


def test_where_shared_randomness_stands_is_no_part_of_a_meaning(said) -> None:
    text = f"{LIBRARIES}\nL = [random.random, np.random.mtrand._rand]\ndef fit(t): return L"
    drawn = text.replace("\nL", "\nrandom.random()\nnp.random.random()\nL")
    assert said(text) == said(drawn)
