"""One writer at a time where a write depends on what was read: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from headrace.clock import monotonic_s
from headrace.errors import Fault, HeadraceError
from headrace.lake.commit import clear_errors


@contextmanager
def exclusive(path: Path, wait_s: float = 600.0) -> Iterator[None]:
    """Hold a lock file for the length of a ``with`` block; it needs no cleaning up after a kill.

    Args:
        path: of the lock file; made where it is absent, never deleted.
        wait_s: longest wait for another holder, in seconds.

    Raises:
        HeadraceError: HR-LAKE-009 when another process held it for all of that time; HR-LAKE-002 or 010 when the
            file cannot be made.

    Example:
        >>> import tempfile
        >>> with exclusive(Path(tempfile.mkdtemp()) / "payments.lock"):
        ...     print("alone")
        alone
    """
    import fcntl

    with _opened(path) as handle:
        deadline = monotonic_s() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic_s() >= deadline:
                    found = f"{path.stem} has been worked on by another process for more than {wait_s:g} s"
                    raise HeadraceError(
                        Fault("HR-LAKE-009", "", found, "one at a time", "wait for it, or end it, and run again")
                    ) from None
                time.sleep(0.02)
        yield


def _opened(path: Path) -> TextIO:
    with clear_errors(path.stem):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
