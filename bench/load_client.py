"""A load client with the speed of C: plain sockets in one compiled loop, as fast as a server answers or at a rate.

Each connection has one request under way. Without a rate the next one leaves as soon as the answer is there, as wrk
does it. With a rate a request waits from when it was due, so that a server that falls behind cannot hide it.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numba import njit

ID, DIGITS = b"@" * 15, 15
"""What is another number in each request."""
_PATIENCE_S = 10
_ROOM = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


def _function(name: str, *types: Any) -> Any:
    found = getattr(_libc, name)
    found.argtypes, found.restype = types, ctypes.c_ssize_t
    return found


_send = _function("send", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_recv = _function("recv", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_poll = _function("poll", ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
_clock = _function("clock_gettime", ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Requests:
    """Requests as the bytes that are sent, one behind the other.

    Args:
        content: uint8, of all of them.
        begins: where each begins, and where the last ends.
        ids: where the number of each begins, -1 where it has none.
    """

    content: np.ndarray[Any, Any]
    begins: np.ndarray[Any, Any]
    ids: np.ndarray[Any, Any]

    @classmethod
    def of(cls, url: str, bodies: Sequence[bytes]) -> Requests:
        """Return what posts bodies of JSON to a URL; ``ID`` in them becomes a number."""
        where = urlsplit(url)
        head = f"POST {where.path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json\r\n"
        whole = [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        begins = np.cumsum([0, *map(len, whole)])
        ids = [begin + one.find(ID) if ID in one else -1 for begin, one in zip(begins[:-1], whole, strict=True)]
        return cls(np.frombuffer(b"".join(whole), np.uint8).copy(), begins, np.array(ids))


@dataclass(frozen=True)
class Load:
    """What came of a load.

    Args:
        seconds: how long it took, to the last answer.
        status: of each answer; 0 of a connection that was lost.
        waited: seconds of each, from when it was due.
        begun: when each was due, seconds after the first.
    """

    seconds: float
    status: np.ndarray[Any, Any]
    waited: np.ndarray[Any, Any]
    begun: np.ndarray[Any, Any]

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return float((self.status == 200).sum() / self.seconds)

    @property
    def failed(self) -> int:
        """How many requests got no answer or another status than 200 and 429."""
        return int(((self.status != 200) & (self.status != 429)).sum())

    def percentile(self, share: float, since: float = 0.0, until: float = np.inf) -> float:
        """Return the seconds within which a share of the accepted requests of a span of time was answered."""
        taken = self.waited[(self.status == 200) & (self.begun >= since) & (self.begun < until)]
        return float(np.quantile(taken, share)) if len(taken) else float("nan")


def load(
    url: str, bodies: Sequence[bytes], connections: int, seconds: float, rate: float = 0.0, most: int = 20_000_000
) -> Load:
    """Post bodies in turn over connections that are kept; those under way at the end are waited for.

    Args:
        url: where they are posted to.
        bodies: JSON; ``ID`` in them becomes another number in each request.
        connections: how many, open all the time.
        seconds: for how long.
        rate: requests a second; 0 for as fast as they are answered. All that are due are sent, unless that takes more
            than three times as long and ten seconds.
        most: how many at most.
    """
    where, asked = urlsplit(url), Requests.of(url, bodies)
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((where.hostname, where.port))) for _ in range(connections)
        ]
        for one in sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        files = np.array([one.fileno() for one in sockets], np.int32)
        room = most if not rate else min(most, int(rate * seconds))
        room = min(room, int(seconds * 100_000) + 1)
        found = [np.zeros(room, kind) for kind in (np.int16, np.int64, np.int64)]
        first = int(np.random.default_rng().integers(10**DIGITS // 2))  # two loads never meet
        spent, count = _drive(
            asked.content, asked.begins, asked.ids, files, int(seconds * 1e9), rate / 1e9, first, *found
        )
    status, due, waited = (one[:count] for one in found)
    return Load(spent / 1e9, status, np.divide(waited, 1e9), np.divide(due, 1e9))


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _now(time: np.ndarray[Any, Any]) -> int:
    _clock(1, time.ctypes.data)
    return int(time[0] * 1_000_000_000 + time[1])


@njit(nogil=True)
def _drive(content, begins, ids, files, span, rate, number, status, due, waited):  # type: ignore[no-untyped-def]
    """Carry it out; return nanoseconds and how many requests there were. One loop: all of it is on the hot path."""
    many, kinds, room = len(files), len(begins) - 1, len(status)
    # struct pollfd: an int, and two shorts in the next four bytes
    polled = np.zeros((many, 2), np.int32)
    polled[:, 0], polled[:, 1] = files, 1
    under, found = np.full(many, -1, np.int64), np.zeros(many, np.int16)
    idle, idles = np.arange(many), many
    time, answer = np.zeros(2, np.int64), np.empty(_ROOM, np.uint8)
    begun = _now(time)
    now, heard, sent, got = begun, begun, 0, 0
    if rate != 0.0:  # what is due is sent, late as it may be
        span = 3 * span + _PATIENCE_S * 1_000_000_000
    while True:
        open_ = now - begun < span and sent < room
        while open_ and idles and (rate == 0.0 or sent / rate <= now - begun):
            idles -= 1
            at, one = idle[idles], sent % kinds
            place, rest = ids[one], number + sent
            for digit in range(place + DIGITS - 1, place - 1 if place >= 0 else place + DIGITS - 1, -1):
                content[digit] = 48 + rest % 10
                rest //= 10
            under[at], found[at] = sent, 0
            due[sent] = now - begun if rate == 0.0 else int(sent / rate)
            sent += 1
            size = begins[one + 1] - begins[one]
            if _send(polled[at, 0], content[begins[one] :].ctypes.data, size, 0x4000) != size:
                polled[at, 0] = -1  # lost: poll passes over it
                got += 1
                waited[under[at]] = now - begun - due[under[at]]
            now = _now(time)
            open_ = now - begun < span and sent < room
        if (not open_ and got == sent) or now - heard > _PATIENCE_S * 1_000_000_000:
            break
        wait = 0 if rate != 0.0 and open_ and idles else 100
        ready = _poll(polled.ctypes.data, many, wait)
        now = _now(time)
        for at in range(many if ready > 0 else 0):
            if polled[at, 1] >> 16 == 0 or polled[at, 0] < 0:
                continue
            polled[at, 1] = 1
            size = _recv(polled[at, 0], answer.ctypes.data, _ROOM, 0)
            now = heard = _now(time)
            if size <= 0:
                polled[at, 0] = -1
                found[at] = 0
            else:
                if found[at] == 0:
                    found[at] = (answer[9] - 48) * 100 + (answer[10] - 48) * 10 + answer[11] - 48
                if answer[size - 1] not in (10, 93, 125):  # an answer ends with } or ], or a line
                    continue
            if under[at] >= 0:
                got += 1
                status[under[at]], waited[under[at]] = found[at], now - begun - due[under[at]]
                under[at] = -1
            if size > 0:
                idle[idles] = at
                idles += 1
    return now - begun, sent
