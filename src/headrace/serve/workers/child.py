"""A process as its supervisor holds it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Sequence

import msgspec

from headrace.errors import Fault, HeadraceError
from headrace.serve.workers.line import UNASKED, Said, Task, faults_of

COMMAND = (sys.executable, "-P", "-m", "headrace.cli.worker")


class Child:
    """A process that was begun.

    Args:
        task: what it does.
        process: of the operating system.
        reader, writer: the line to it.
        heard: is called with what it says without being asked.

    ``answers`` is whether it was told to begin and has not ended, ``state`` the name of the state that it reads.
    """

    def __init__(
        self,
        task: Task,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        heard: Callable[[Child, Said], None],
    ) -> None:
        self.task, self._process, self._reader, self._writer = task, process, reader, writer
        self._ready: Said | None = None
        self._begun, self.state = False, ""
        self.begun_at = asyncio.get_running_loop().time()
        self._said: asyncio.Queue[Said | None] = asyncio.Queue()
        self._listening = asyncio.get_running_loop().create_task(self._listen(heard))

    @classmethod
    async def begin(cls, task: Task, files: Sequence[int], heard: Callable[[Child, Said], None]) -> Child:
        """Begin a process, which gets some open files.

        Raises:
            HeadraceError: HR-SERVE-023 where the system begins no other one.
        """
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    # a group of its own: Ctrl-C of a terminal is for the supervisor, which ends all in their order
                    process = await asyncio.create_subprocess_exec(
                        *COMMAND,
                        str(theirs.fileno()),
                        pass_fds=(theirs.fileno(), *files),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=sys.stderr,
                        process_group=0,
                    )
                except BaseException:
                    ours.close()
                    raise
        except OSError as error:
            found, cure = f"a system that begins no process ({error.strerror})", "free memory, or raise its limits"
            raise HeadraceError(Fault("HR-SERVE-023", "", found, "room for one more", cure)) from None
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 24)
        writer.write(msgspec.json.encode(task) + b"\n")
        return cls(task, process, reader, writer, heard)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def begun(self) -> bool:
        """Whether it was told to begin."""
        return self._begun

    @property
    def answers(self) -> bool:
        return self._begun and self.alive

    def tell(self, what: str, **more: object) -> None:
        """Say what is to be done; one that has ended does not hear it."""
        self._begun |= what == "begin"
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(Said(what=what, **more)) + b"\n")  # type: ignore[arg-type]

    async def made_ready(self, patience_s: float | None = None) -> Said:
        """Return what it says when it has loaded everything; a process that does not in time is ended.

        Raises:
            HeadraceError: as ``until``.
        """
        if self._ready is None:
            self._ready = await self.until("ready", patience_s)
            self.state = self._ready.state
        return self._ready

    async def until(self, what: str, patience_s: float | None = None) -> Said:
        """Return the next message of a kind; a process that does not say it in time is ended.

        Raises:
            HeadraceError: what the process failed with; HR-SERVE-023 where it ended without a word.
        """
        if patience_s is not None:
            killing = asyncio.get_running_loop().call_later(patience_s, self.kill)
            try:
                return await self.until(what)
            finally:
                killing.cancel()
        while (said := await self._said.get()) is not None:
            if said.what == "failed":
                raise HeadraceError(faults_of(said))
            if said.what == what:
                return said
        self._said.put_nowait(None)  # whoever asks again is told the same
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

    async def _listen(self, heard: Callable[[Child, Said], None]) -> None:
        with contextlib.suppress(OSError):
            while line := await self._reader.readline():
                said = msgspec.json.decode(line, type=Said)
                if said.what in UNASKED:
                    heard(self, said)
                else:
                    self._said.put_nowait(said)
        self._said.put_nowait(None)


def ending(code: int) -> str:
    """Return how a process ended, as people say it."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
