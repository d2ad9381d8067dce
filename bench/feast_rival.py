"""Feast as a rival: in an environment of its own, made on first use, and in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

VERSION = "0.67.0"
HERE = Path(__file__).resolve().parent
PLACE = HERE.parent / ".cache" / "bench" / f"feast-{VERSION}"
TO_INSTALL, TO_ANSWER = 600, 900
"""Seconds after which we go on without it."""


class Absent(Exception):
    """Why there is no answer of Feast."""


@dataclass(frozen=True)
class Answer:
    """What Feast found: the rows it has a value for, their values, and median seconds of its join alone."""

    rows: np.ndarray
    levels: np.ndarray
    seconds: float
    peak_gb: float
    versions: str


def ask(folder: Path, rounds: int) -> Answer:
    """Join ``rows.parquet`` and ``states.parquet`` of a folder.

    Raises:
        Absent: when Feast cannot be installed here, fails, or takes too long.
    """
    # Releases before 0.40 reported their use to a server; this one has no such code, and is told so all the same.
    calm = {**os.environ, "FEAST_USAGE": "False"}
    command = [str(environment()), "-I", str(HERE / "feast_inside.py"), str(folder), str(rounds)]
    said = json.loads(_output(command, TO_ANSWER, "run", calm, folder).splitlines()[-1])
    found = pq.read_table(folder / "answer.parquet")
    return Answer(found.column("row").to_numpy(), found.column("level").to_numpy(), **said)


def environment() -> Path:
    """Return the Python of an environment that has Feast and nothing of ours."""
    python, stamp = PLACE / "bin" / "python", PLACE / "made"
    if not stamp.exists():
        print(f"Installing Feast {VERSION} into {PLACE} (once)", file=sys.stderr)
        _output([sys.executable, "-m", "venv", "--clear", str(PLACE)], TO_INSTALL, "be installed")
        _output([str(python), "-m", "pip", "install", "-qq", f"feast=={VERSION}"], TO_INSTALL, "be installed")
        stamp.touch()
    return python


def _output(
    command: list[str], seconds: int, what: str, environ: dict[str, str] | None = None, place: Path | None = None
) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environ, cwd=place)
    except subprocess.TimeoutExpired:
        raise Absent(f"could not {what} within {seconds} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Absent(f"could not {what} here: {last[0][:200]}")
    return done.stdout
