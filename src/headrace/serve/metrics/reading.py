"""Reading figures back from their text, as ``headrace top`` does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.errors import Fault, HeadraceError

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Sample:
    """One line of figures."""

    name: str
    labels: Mapping[str, str]
    value: float


def read(text: str) -> list[Sample]:
    r"""Return the samples of a text in Prometheus' format 0.0.4.

    Raises:
        HeadraceError: HR-CLIENT-003 for another text.

    Example:
        >>> read('# HELP x One.\nx{a="b"} 2')
        [Sample(name='x', labels={'a': 'b'}, value=2.0)]
    """
    return [_sample(line) for line in text.splitlines() if line and not line.startswith("#")]


def _sample(line: str) -> Sample:
    found = _LINE.fullmatch(line)
    try:
        if found is not None:
            labels = {name: _ESCAPED.sub(_plain, said) for name, said in _LABEL.findall(found[2] or "")}
            return Sample(found[1], labels, float(found[3]))
    except ValueError:
        pass
    cure = "compare the address with what 'headrace serve' printed; a proxy between may have answered"
    raise HeadraceError(Fault("HR-CLIENT-003", "/metrics", "another text", "figures in Prometheus' format", cure))


def _plain(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]
