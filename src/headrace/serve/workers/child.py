"""A process as its supervisor holds it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence

import msgspec

from headrace.errors import Fault, HeadraceError
from headrace.serve.workers.line import Said, Task, faults_of

COMMAND = (sys.executable, "-m", "headrace.cli.worker")


class Child:
    """A process that was begun.

    Args:
        task: what it does.
        process: of the operating system.
        reader, writer: the line to it.
    """

    def __init__(
        self,
        task: Task,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.task, self._process, self._reader, self._writer = task, process, reader, writer
        self.ready: Said | None = None
        self.begun_at = asyncio.get_running_loop().time()

    @classmethod
    async def begin(cls, task: Task, files: Sequence[int]) -> Child:
        """Begin a process, which gets some open files."""
        ours, theirs = socket.socketpair()
        with theirs:
            # a group of its own: Ctrl-C of a terminal is for the supervisor, which ends all in their order
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(), *files),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,
                process_group=0,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 24)
        writer.write(msgspec.json.encode(task) + b"\n")
        return cls(task, process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def tell(self, what: str, **more: object) -> None:
        """Say what is to be done."""
        with contextlib.suppress(OSError):
            self._writer.write(msgspec.json.encode(Said(what=what, **more)) + b"\n")  # type: ignore[arg-type]

    async def until(self, *what: str) -> Said:
        """Return the next message of some kinds.

        Raises:
            HeadraceError: what the process failed with; HR-SERVE-023 where it ended without a word.
        """
        while line := await self._line():
            said = msgspec.json.decode(line, type=Said)
            if said.what == "failed":
                raise HeadraceError(faults_of(said))
            if said.what in what:
                return said
        found = f"a process that ended by itself ({ending(await self._process.wait())})"
        raise HeadraceError(Fault("HR-SERVE-023", "", found, "one that goes on", "look at what it wrote before"))

    async def ended(self) -> int:
        """Return with what the process ended."""
        code = await self._process.wait()
        self._writer.close()
        return code

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except OSError:
            return b""


def ending(code: int) -> str:
    """Return how a process ended, as people say it."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
