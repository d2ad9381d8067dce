"""Feast as a rival: in an environment of its own, made on first use, and in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from threading import Timer
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench import apart
from bench.apart import Absent

VERSION = "0.67.0"
HERE = Path(__file__).resolve().parent
SAYS = "feast_inside: "
TO_ANSWER = 900
"""Seconds after which we go on without it."""


class Feast:
    """Feast's process over a folder with ``rows.parquet`` and ``states.parquet``; it joins when it is told to.

    Raises:
        Absent: anywhere, when Feast cannot be installed here, fails, or takes too long.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = [str(environment()), "-I", str(HERE / "feast_inside.py"), str(folder)]
        # Releases before 0.40 reported their use to a server; this one has no such code, and is told so all the same.
        calm = {**os.environ, "FEAST_USAGE": "False"}
        self._errors = (folder / "errors.txt").open("w+")
        self._process = subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=self._errors, text=True, env=calm, cwd=folder
        )
        self._late = Timer(TO_ANSWER, self._process.kill)
        self._late.start()

    def __enter__(self) -> Feast:
        return self

    def __exit__(self, *_: object) -> None:
        self._late.cancel()
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def join(self) -> Callable[[], np.ndarray]:
        """Join; return what fetches the levels, null where Feast leaves a row out."""
        self._ask("join")
        return self.levels

    def levels(self) -> np.ndarray:
        """Return what the last join found."""
        self._ask("write")
        found = pq.read_table(self._folder / "answer.parquet")
        levels = np.full(pq.read_metadata(self._folder / "rows.parquet").num_rows, np.nan)
        levels[found.column("row").to_numpy()] = found.column("level").to_numpy()
        return levels

    def notes(self) -> dict[str, str]:
        """Return what a reader should know of the run."""
        return dict(self._ask("notes"))

    def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(SAYS):
                return json.loads(line.removeprefix(SAYS))
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:] or [f"no answer within {TO_ANSWER} s"]
        raise Absent(f"could not run here: {last[0][:200]}")


def environment() -> Path:
    """Return the Python of an environment that has Feast and nothing of ours."""
    return apart.environment(f"feast-{VERSION}", [f"feast=={VERSION}"])
