"""Everything of a project on one machine: a service, a worker of its streams, and where it is wanted a player."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError

_READY_S, _END_S, _REST_S = 90.0, 30.0, 0.2
_AGAIN_S, _MOST_ENDS = 60.0, 3
"""A worker that ends by itself more often than so in that time is not begun again."""
_PARENT_DIED = 1
"""PR_SET_PDEATHSIG of <linux/prctl.h>."""
_COMMAND = (sys.executable, "-P", "-m", "headrace.cli")


@dataclass
class Part:
    """A process that belongs to it.

    Args:
        name: of it, and of the file that has what it says.
        words: by which it is begun.
        log: that file.
        order: what it reads on stdin, if it does.
    """

    name: str
    words: Sequence[str]
    log: Path
    order: Mapping[str, Any] | None = None
    process: subprocess.Popen[bytes] | None = None
    ends: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Begin it, in a group of its own: Ctrl-C is for all of them together, in their order."""
        with self.log.open("ab") as log:
            pipe = subprocess.DEVNULL if self.order is None else subprocess.PIPE
            self.process = subprocess.Popen(  # noqa: S603 - our own words
                self.words, stdin=pipe, stdout=log, stderr=log, process_group=0, preexec_fn=_ends_with_us()
            )
        if self.order is not None:
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):
                self.process.stdin.write(json.dumps(self.order).encode() + b"\n")
                self.process.stdin.close()

    @property
    def ended(self) -> int | None:
        """The code with which it ended; None while it runs."""
        return None if self.process is None else self.process.poll()

    def end(self) -> None:
        """Let it finish what is under way; what does not end in time is ended."""
        if self.process is None:
            return
        if self.ended is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def last_words(self) -> str:
        """The code of what it said last, if it was an error of ours."""
        lines = self.log.read_bytes()[-4000:].decode(errors="replace").splitlines()
        return next((line.split()[1] for line in reversed(lines) if line.startswith("error HR-")), "")


class Up:
    """A project at work.

    Args:
        folder: of the project.
        state_dir: of its state; what the processes say is in the folder ``up`` there.
        target: name of the target, None for the usual one.
        port: of the service.
        play: what is played, see ``playing.orders``; None for nothing.
    """

    def __init__(
        self, folder: Path, state_dir: Path, target: str | None, port: int, play: Mapping[str, Any] | None = None
    ) -> None:
        logs = state_dir / "up"
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = ["--project", str(folder), *([] if target is None else ["--target", target])]
        self.url = f"http://127.0.0.1:{port}"
        self.service = Part("serve", [*_COMMAND, "serve", "--port", str(port), *about], logs / "serve.log")
        self.worker = Part("work", [*_COMMAND, "work", *about], logs / "work.log")
        words = [sys.executable, "-P", "-m", "headrace.cli.playing"]
        self.player = None if play is None else Part("play", words, logs / "play.log", play)
        for one in self.parts:
            one.log.write_bytes(b"")
            one.log.chmod(0o600)

    @property
    def parts(self) -> list[Part]:
        """All processes, in the order in which they begin."""
        return [one for one in (self.service, self.worker, self.player) if one is not None]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Begin all of it, and end it in order: nothing is played, then nothing decided, then nothing answered.

        Raises:
            HeadraceError: HR-UP-001 where one of them ends before it is ready.
        """
        try:
            self.service.begin()
            self._until_ready()
            self.worker.begin()
            if self.player is not None:
                self.player.begin()
            yield
        finally:
            for one in reversed(self.parts):
                one.end()

    def watch(self, stop: Event, told: Callable[[str], None]) -> None:
        """See to it that all go on, until told to stop.

        Args:
            stop: set from elsewhere.
            told: is called with what is to be known.

        Raises:
            HeadraceError: HR-UP-001 where one of them has ended for good.
        """
        while not stop.wait(_REST_S):
            for one in self.parts:
                code = one.ended
                if code is None:
                    continue
                if one is not self.worker or not self._may_begin_again(one):
                    raise HeadraceError(_ended(one, code))
                told(f"{one.name} ended with {code} and was begun again; see {one.log}")
                one.begin()

    @staticmethod
    def _may_begin_again(one: Part) -> bool:
        now = clock.monotonic_s()
        one.ends = [at for at in one.ends if now - at < _AGAIN_S] + [now]
        return len(one.ends) <= _MOST_ENDS

    def _until_ready(self) -> None:
        deadline, ready = clock.monotonic_s() + _READY_S, f"{self.url}/health/ready"
        while clock.monotonic_s() < deadline and self.service.ended is None:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(ready, timeout=2) as answer:  # noqa: S310
                if answer.status == 200:
                    return
            time.sleep(_REST_S / 4)
        raise HeadraceError(_ended(self.service, self.service.ended))


def _ends_with_us() -> Callable[[], None] | None:
    """Return what lets a process that begins hear SIGTERM when this one is killed; None where the system cannot."""
    if sys.platform != "linux":
        return None
    import ctypes

    tell = ctypes.CDLL(None).prctl
    return lambda: tell(_PARENT_DIED, signal.SIGTERM)


def _ended(one: Part, code: int | None) -> Fault:
    said = one.last_words()
    how = "is not ready in time" if code is None else f"ended with {code}"
    found = f"{one.name}, which {how}{f' ({said})' if said else ''}"
    return Fault("HR-UP-001", "", found, "one that goes on", f"see {os.path.relpath(one.log)}")
