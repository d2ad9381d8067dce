"""How long it takes until one can work: importing, and asking for help."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench.measure import Result, in_turn


def suite(small: bool) -> list[Result]:
    """Time whole processes beside an empty one of Python."""
    commands = {
        "import headrace": [sys.executable, "-c", "import headrace"],
        "import headrace.learn": [sys.executable, "-c", "import headrace.learn"],
        "import headrace.learn, all of its names": [sys.executable, "-c", "from headrace.learn import *"],
        "headrace --help": [sys.executable, "-m", "headrace.cli", "--help"],
        "an empty Python process": [sys.executable, "-c", ""],
    }
    rivals = {
        name: partial(subprocess.run, command, check=True, capture_output=True) for name, command in commands.items()
    }
    seconds, _ = in_turn(rivals, 2 if small else 9)
    return [Result("start", "whole processes", seconds, "exit 0", "below 0.3 s, 0.5 s and 0.5 s", rivals=False)]
