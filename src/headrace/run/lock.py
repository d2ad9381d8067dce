"""One run at a time: a lock that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import time
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
    with held(state_dir, "run.lock", "HR-RUN-001", "run", "going on"):
        yield


@contextlib.contextmanager
def held(state_dir: Path, file: str, code: str, what: str, doing: str) -> Iterator[None]:
    """Hold one of the locks of a project's state for the length of a ``with`` block.

    Args:
        state_dir: folder of the project's state; made where it is absent.
        file: of the lock, in that folder.
        code: of the fault that says that another process holds it.
        what: that process is, a ``run``, and what it is ``doing``.

    Raises:
        HeadraceError: with that code when another process holds it, HR-RUN-008 when the folder cannot be written.
    """
    with _opened(state_dir, file) as handle:
        if not _taken(handle):
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            found = f"another {what} of this project is {doing} (process {holder})"
            cure = "wait for it, or end that process"
            raise HeadraceError(Fault(code, "", found, f"one {what} at a time", cure))
        with _told(state_dir):
            os.truncate(handle.fileno(), 0)
            os.write(handle.fileno(), str(os.getpid()).encode())
        yield


def _taken(handle: TextIO) -> bool:
    """Try to take a lock, a few times: whoever only looks whether it is held (``is_held``) holds it for a moment."""
    import fcntl

    for _ in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def is_held(state_dir: Path, file: str) -> bool:
    """Return whether a process that is alive holds a lock of a project's state."""
    import fcntl

    try:
        with (state_dir / file).open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _opened(state_dir: Path, file: str) -> TextIO:
    with _told(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
        return (state_dir / file).open("a+")


@contextlib.contextmanager
def _told(state_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = f"a state folder {state_dir.name!r} that cannot be written: {error.strerror}"
        cure = "free some space, make it writable, or name another with path = in [target.local] of headrace.toml"
        raise HeadraceError(Fault("HR-RUN-008", "", found, "room, and the right to write", cure)) from error
