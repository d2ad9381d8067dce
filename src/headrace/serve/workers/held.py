"""What a supervisor holds for all of its processes: the lock of the service, its sockets, and what those share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.lake.commit import clear_errors
from headrace.serve.metrics import clear
from headrace.serve.workers.part import in_use, workers_of
from headrace.serve.workers.shares import made

BACKLOG = 2_048
_KEEPER = "keeper"


@dataclass(frozen=True)
class Held:
    """Descriptors that each process inherits under the same numbers.

    Args:
        lock: of the service; a process that outlives its supervisor keeps the next one away.
        room: folder of the keeper's socket.
        bound, keeper: sockets of the services, and of the keeper, which takes events.
        shares, alone: numbers of connections of those who accept from the one, and from the other.
    """

    lock: int
    room: int
    bound: socket.socket
    keeper: socket.socket
    shares: int
    alone: int

    @property
    def way_to_keeper(self) -> str:
        """Path of its socket: by the open folder, since a path of a socket has 107 bytes at most."""
        return _within(self.room)


@contextlib.contextmanager
def held(state_dir: Path, bound: socket.socket) -> Iterator[Held]:
    """Hold a service for the length of a ``with`` block.

    Args:
        state_dir: of the project.
        bound: the socket of the services, which from now on listens.

    Raises:
        HeadraceError: HR-SERVE-011 where one runs already, HR-SERVE-004 where the folder takes no socket.
    """
    with _locked(state_dir / "serving.lock") as lock, _room(workers_of(state_dir)) as room, _listening(room) as keeper:
        shutil.rmtree(workers_of(state_dir) / "cases", ignore_errors=True)
        if (workers_of(state_dir) / "figures").exists():
            clear(workers_of(state_dir) / "figures")
        bound.listen(BACKLOG)
        yield Held(lock, room, bound, keeper, made(), made())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    with clear_errors(path.stem):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use() from None
        yield handle.fileno()


@contextlib.contextmanager
def _room(folder: Path) -> Iterator[int]:
    """The folder, which lasts: what a killed supervisor leaves in it the next one takes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    room = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield room
    finally:
        os.close(room)


@contextlib.contextmanager
def _listening(room: int) -> Iterator[socket.socket]:
    path = Path(_within(room))
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        try:
            path.unlink(missing_ok=True)
            bound.bind(str(path))
        except OSError as error:
            found = f"a socket in the folder of the project's state, which cannot be had ({error.strerror})"
            cure = "keep the state on a file system of this machine"
            raise HeadraceError(Fault("HR-SERVE-004", "", found, "a folder that takes sockets", cure)) from None
        path.chmod(0o600)
        bound.listen(BACKLOG)
        try:
            yield bound
        finally:
            path.unlink(missing_ok=True)


def _within(room: int) -> str:
    return f"/proc/self/fd/{room}/{_KEEPER}"
