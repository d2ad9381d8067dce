"""Single keys of a terminal, without the one for the end of the line."""

from __future__ import annotations

import contextlib
import select
import sys
import time
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def pressed() -> Iterator[Callable[[float], str]]:
    """Give a function that waits some seconds for a key, and returns it, or nothing where none was pressed."""
    if not sys.stdin.isatty():
        yield _nothing
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield _key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _nothing(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _key(seconds: float) -> str:
    return sys.stdin.read(1) if select.select([sys.stdin], [], [], seconds)[0] else ""
