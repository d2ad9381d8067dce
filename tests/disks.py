"""A disk of a few megabytes, and how to fill it; where a disk cannot be mounted, tests that need one are skipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of a size such as ``"1m"`` at a folder that is made for it."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs root and the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled_up(disk: Path, left: int = 0) -> Iterator[None]:
    """Leave only so many bytes free on a disk, within a ``with`` block."""
    fill(disk, left)
    try:
        yield
    finally:
        (disk / "filler").unlink()


def fill(disk: Path, left: int = 0) -> None:
    """Leave only so many bytes free on a disk, until its file ``filler`` is removed."""
    usage = os.statvfs(disk)
    size = usage.f_bavail * usage.f_frsize - left
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while size > 0:
            size -= file.write(b"x" * min(size, 4096))
