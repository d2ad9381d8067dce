"""The first moments of the ``headrace`` command, before there is anybody to tell an interruption to."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def is_command(called: list[str], argv: list[str]) -> bool:
    """Return whether this process is the command, not a program that imports Headrace.

    Args:
        called: ``sys.orig_argv``, the words that Python was called with.
        argv: ``sys.argv``, whose first is ``-m`` while Python looks for what to run.

    Example:
        >>> is_command(["python", "-m", "headrace", "run"], ["-m", "run"])
        True
        >>> is_command(["python", "train.py"], ["train.py"])
        False
    """
    if argv[:1] == ["-m"]:
        return "-m headrace " in " ".join([*called, ""])
    return bool(argv) and os.path.basename(argv[0]).removesuffix(".exe") == "headrace"  # noqa: PTH119 - pathlib is late


def leave_quietly(_number: int, _frame: FrameType | None) -> None:
    """End at once: while modules are imported nothing is held that would have to be put back."""
    os._exit(INTERRUPTED)


_NOBODYS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _NOBODYS and is_command(sys.orig_argv, sys.argv):
    signal.signal(signal.SIGINT, leave_quietly)
