"""Timing of rivals in turn, their peak memory, and the table of results."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """What was done, and the seconds of each rival, Headrace's first; or seconds of several things without rivals."""

    name: str
    what: str
    seconds: dict[str, float]
    agreed: str
    aim: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    rivals: bool = True

    def ratios(self) -> dict[str, float]:
        """How many times longer each rival took."""
        if not self.rivals:
            return {}
        ours = next(iter(self.seconds.values()))
        return {rival: taken / ours for rival, taken in list(self.seconds.items())[1:]}

    def line(self) -> str:
        """One line for the terminal."""
        times = ", ".join(f"{name} {taken:.3g} s" for name, taken in self.seconds.items())
        ratios = ", ".join(f"{ratio:.1f}x {rival}" for rival, ratio in self.ratios().items())
        notes = "; ".join(f"{key} {value}" for key, value in self.notes.items())
        return f"{self.name}: {times} -> {ratios or 'alone'} (aim {self.aim or 'none'}; {self.agreed}) {notes}"


def in_turn(
    rivals: Mapping[str, Callable[[], Any]], rounds: int = 3, memory: int = 0
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run rivals in turn, round by round; return the least seconds and the last result of each.

    On a machine that others use, too, the least is what a run takes by itself. Before each run, ``memory`` bytes are
    used once and given back.
    """
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    results: dict[str, Any] = {}
    for _ in range(rounds):
        for name, run in rivals.items():
            results.pop(name, None)
            gc.collect()
            _use(memory)
            begun = time.perf_counter()
            results[name] = run()
            taken[name].append(time.perf_counter() - begun)
    return {name: min(each) for name, each in taken.items()}, results


def _use(memory: int) -> None:
    """Use memory in another process, so that the run after it finds it at hand.

    A virtual machine gives idle memory back to its host, and getting it again can cost more than the run itself:
    whose turn it is would decide, not who is fast.
    """
    if memory:
        piece = 1 << 27
        code = f"held = [b'1' * {piece} for _ in range({memory // piece})]"
        subprocess.run([sys.executable, "-c", code], check=True)
