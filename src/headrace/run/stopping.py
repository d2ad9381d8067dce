"""Ending a run between two commits, when it is asked to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from headrace.run.progress import Progress, StepReport

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):  # as one that is interrupted, a run that is asked to end is taken up by the next
    """A run was asked to end, and did, behind its last commit."""


class Stop:
    """Whether a run is asked to end; what waits for something wakes up when it is.

    Example:
        >>> stop = Stop()
        >>> stop.wait(0.01), stop.asked
        (False, False)
        >>> stop.ask()
        >>> stop.wait(60), stop.asked
        (True, True)
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def ask(self) -> None:
        """Ask the run to end."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait; return at once, and True, when the run is asked to end."""
        return self._event.wait(seconds)

    def heed(self) -> None:
        """End the run if it is asked to.

        Raises:
            Stopped: if so.
        """
        if self.asked:
            raise Stopped


class Heeding:
    """Progress that ends a run when it is asked to: whoever tells how far a step is, is between two commits.

    Args:
        progress: which is told, too.
        stop: by which the run is asked to end.
    """

    def __init__(self, progress: Progress, stop: Stop) -> None:
        self._progress, self._stop = progress, stop

    def begins(self, step: str, why: tuple[str, ...]) -> None:
        self._progress.begins(step, why)

    def moves(self, what: str, done: int, total: int) -> None:
        self._progress.moves(what, done, total)
        self._stop.heed()

    def ends(self, report: StepReport) -> None:
        self._progress.ends(report)


@contextlib.contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask for the end within a ``with`` block; the second one ends at once.

    To be called from the main thread, which alone may say what signals do.
    """

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.ask()

    before = {one: signal.signal(one, asked) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
