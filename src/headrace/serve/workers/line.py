"""The line between the supervisor and a process: what is to be done, and what became of it, as lines of JSON."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import msgspec

from headrace.errors import Fault, HeadraceError

UNASKED = ("damaged", "taken", "renewed", "outside")
"""What a process says when it is so."""


class Task(msgspec.Struct, kw_only=True):
    """What a process is to do.

    Args:
        folder, target: of the project.
        seat: its number.
        keeps: whether it keeps events and state; else it decides.
        beside: name of the state that others serve from; empty where none do.
        doubt: whether that is read as a whole first: what ended the one before may lie in it.
        trial: whether it tries what it loaded on recent requests before it is ready.
        keeper: path of the keeper's socket.
        listening: descriptor of the socket from which it accepts.
        shares: descriptor of the numbers of connections of those who accept from the same socket.
        entry: how one gets in, of ``Entry``; paths as text.
        limits: of ``Limits``.
        grpc_port: where the keeper answers for the bare models by gRPC; None for nowhere.
    """

    folder: str
    target: str | None
    seat: int
    keeps: bool
    beside: str
    doubt: bool
    trial: bool
    keeper: str
    listening: int
    shares: int
    entry: dict[str, Any]
    limits: dict[str, Any]
    grpc_port: int | None


class Said(msgspec.Struct, kw_only=True):
    """One message.

    Args:
        what: ``ready``, ``failed``, ``charged``, ``released`` of a process, and unasked ``damaged`` and ``taken`` of a
            worker, ``renewed`` and ``outside`` of the keeper; ``begin``, ``retire``, ``stop``, ``alone``, ``standing``,
            ``damaged`` and ``state`` of the supervisor.
        services: that it answers.
        faults: what is to be known, or why it failed.
        prints: fingerprint of what it serves.
        state, slots: name of a state, and what that holds: of the one that a process reads, that it found damaged, that
            was made anew, or that it is to read; to a new keeper, of the one of the processes before.
        standing: of all processes.
    """

    what: str
    services: list[str] = []
    faults: list[dict[str, str]] = []
    prints: str = ""
    state: str = ""
    slots: str = ""
    standing: dict[str, Any] = {}


class Line:
    """The end of a process.

    Args:
        connection: to the supervisor.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._file = connection, connection.makefile("rb")

    def task(self) -> Task:
        """Return what is to be done."""
        if not (line := self._file.readline()):
            raise SystemExit(1)  # the supervisor has ended
        return msgspec.json.decode(line, type=Task)

    def tell(self, said: Said) -> None:
        """Say something; where the supervisor is gone nobody hears it."""
        with contextlib.suppress(OSError):
            self._connection.sendall(msgspec.json.encode(said) + b"\n")

    def say(self, what: str, **more: Any) -> None:
        """Say something, as ``tell``."""
        self.tell(Said(what=what, **more))

    def hear(self) -> Said:
        """Return what the supervisor says next; that it has ended is said as ``stop``."""
        try:
            line = self._file.readline()
        except OSError:
            line = b""
        return msgspec.json.decode(line, type=Said) if line else Said(what="stop")


def failed(error: HeadraceError) -> Said:
    """Return the message of a process that cannot begin."""
    return Said(what="failed", faults=[fault.as_dict() for fault in error.faults])


def faults_of(said: Said) -> list[Fault]:
    """Return the faults of a message."""
    return [Fault(**one) for one in said.faults]
