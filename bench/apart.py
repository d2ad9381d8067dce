"""Programs that run apart: in an environment and a process of their own, watched for the memory that they use."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parent.parent / ".cache" / "bench"
TO_INSTALL, TO_ANSWER = 600, 1800
"""Seconds after which we go on without it."""
_EVERY = 0.05


class Absent(Exception):
    """Why there is no answer of a program."""


@dataclass(frozen=True)
class Answer:
    """What a program printed last, as JSON, and its peak memory with that of all that it started, in GB."""

    said: dict[str, Any]
    peak_gb: float


def environment(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment that has some packages and nothing of ours; it is made on first use.

    Args:
        name: of the environment, with the version of what it is for.
        packages: as pip knows them.

    Raises:
        Absent: it cannot be made here.
    """
    place = PLACE / name
    python, stamp = place / "bin" / "python", place / "made"
    if not stamp.exists():
        print(f"Installing {', '.join(packages)} into {place} (once)", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(place))
        _run(str(python), "-m", "pip", "install", "-qq", *packages)
        stamp.touch()
    return python


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TO_INSTALL)
    except subprocess.TimeoutExpired:
        raise Absent(f"could not be installed within {TO_INSTALL} s") from None
    if done.returncode:
        raise Absent(f"could not be installed here: {_last(done.stderr)}")


def answer(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Answer:
    """Run a program in a folder to its end.

    Raises:
        Absent: it failed, or took too long.
    """
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=said, stderr=errors, text=True, cwd=folder, env=env)
        ended, peak = threading.Event(), [0]
        watch = threading.Thread(target=_watch, args=(process.pid, ended, peak), daemon=True)
        watch.start()
        try:
            code = process.wait(TO_ANSWER)
        except subprocess.TimeoutExpired:
            raise Absent(f"no answer within {TO_ANSWER} s") from None
        finally:
            process.kill()
            process.wait()
            ended.set()
            watch.join()
        said.seek(0)
        errors.seek(0)
        if code:
            raise Absent(f"could not run here: {_last(errors.read())}")
        return Answer(json.loads(said.read().strip().splitlines()[-1]), peak[0] / 1e9)


def _watch(pid: int, ended: threading.Event, peak: list[int]) -> None:
    while not ended.wait(_EVERY):
        peak[0] = max(peak[0], sum(map(resident, tree(pid))))


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for one in found:
        for listed in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, listed.read_text().split())
            except OSError:
                continue
    return found


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds now, with the pages of files that it has looked at."""
    return _memory(pid, "VmRSS:")


def own(pid: int) -> int:
    """Return the bytes of memory that a process holds now and that no file has."""
    return _memory(pid, "RssAnon:")


def _memory(pid: int, kind: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition(kind)[2].split()[0]) * 1024 if kind in status else 0


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason told"])[-1][:200]
