"""One run at a time: a lock that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from headrace.errors import Fault, HeadraceError


@contextlib.contextmanager
def one_at_a_time(state_dir: Path) -> Iterator[None]:
    """Hold a project's state for the length of a ``with`` block.

    The lock is the operating system's, not the file: what a killed process left behind binds nobody.

    Args:
        state_dir: folder of the project's state; made where it is absent.

    Raises:
        HeadraceError: HR-RUN-001 when another run holds it, 008 when the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with one_at_a_time(Path(tempfile.mkdtemp())):
        ...     print("alone")
        alone
    """
    import fcntl

    with _opened(state_dir) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            found = f"another run of this project is going on (process {holder})"
            cure = "wait for it, or end that process"
            raise HeadraceError(Fault("HR-RUN-001", "", found, "one run at a time", cure)) from None
        with _told(state_dir):
            os.truncate(handle.fileno(), 0)
            os.write(handle.fileno(), str(os.getpid()).encode())
        yield


def _opened(state_dir: Path) -> TextIO:
    with _told(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
        return (state_dir / "run.lock").open("a+")


@contextlib.contextmanager
def _told(state_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = f"a state folder {state_dir.name!r} that cannot be written: {error.strerror}"
        cure = "free some space, make it writable, or name another with path = in [target.local] of headrace.toml"
        raise HeadraceError(Fault("HR-RUN-008", "", found, "room, and the right to write", cure)) from error
