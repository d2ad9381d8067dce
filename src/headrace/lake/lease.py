"""One writer at a time in a bucket: a lease that its holder renews, and that ends when the holder does.

A bucket has no locks, but a commit to a Delta table succeeds for one writer only. So a lease is a table without rows,
whose newest commit says who holds it. No two clocks are compared: whoever waits takes a lease over when it saw no new
commit for a while by its own clock (as the lock client of DynamoDB does), or when the holder was a process of the same
machine that is no more.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import deltalake
import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError

from headrace.clock import monotonic_s
from headrace.errors import Fault, HeadraceError
from headrace.lake.bucket import Place
from headrace.lake.commit import clear_errors, ensure, open_table

LASTS_S = 60.0
"""How long a lease lasts that is not renewed, seconds."""
_NOBODY = ""
_SETTINGS: dict[str, str | None] = {"delta.logRetentionDuration": "interval 1 hours"}
"""What is over is of no use: the log is cut with every checkpoint."""


@dataclass(frozen=True)
class _Holder:
    """Who holds a lease; ``own`` tells several leases of one process apart."""

    machine: str
    process: int
    own: str

    def told(self) -> str:
        return json.dumps([self.machine, self.process, self.own])

    @staticmethod
    def is_gone(told: str) -> bool:
        """Whether a holder was a process of this machine that has ended."""
        machine, process, _ = json.loads(told)
        if machine != socket.gethostname():
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


@contextmanager
def leased(path: Place, wait_s: float = 600.0, lasts_s: float = LASTS_S) -> Iterator[None]:
    """Hold a lease for the length of a ``with`` block.

    Args:
        path: of the lease; made where it is absent.
        wait_s: longest wait for another holder, in seconds.
        lasts_s: how long the lease of a holder lasts that cannot renew it, in seconds.

    Raises:
        HeadraceError: HR-LAKE-009 when another held it for all of that time; 022 when it was lost meanwhile, since the
            bucket could not be reached; 010 when the bucket cannot be written.
    """
    me = _Holder(socket.gethostname(), os.getpid(), uuid.uuid4().hex).told()
    ensure(path, pa.schema([("lease", pa.int64())]), _SETTINGS)
    _take(path, me, wait_s, lasts_s)
    over, lost = threading.Event(), threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, me, lasts_s, over, lost), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        with suppress(HeadraceError, CommitFailedError, DeltaError, OSError):
            table = open_table(path)
            if _holder(table) == me:
                _say(table, _NOBODY)
    if lost.is_set():
        found = f"{path.name} was held by this process, which could not renew that for {lasts_s:g} s"
        raise HeadraceError(Fault("HR-LAKE-022", "", found, "a bucket that answers", "run again: it goes on"))


def _take(path: Place, me: str, wait_s: float, lasts_s: float) -> None:
    deadline = monotonic_s() + wait_s
    seen, since = -1, monotonic_s()
    while True:
        with clear_errors(path.name):
            table = open_table(path)
            if table.version() != seen:
                seen, since = int(table.version()), monotonic_s()
            holder = _holder(table)
            if holder == _NOBODY or _Holder.is_gone(holder) or monotonic_s() - since > lasts_s:
                with suppress(CommitFailedError):
                    _say(table, me)
                    return
        if monotonic_s() >= deadline:
            found = f"{path.name} has been worked on by another process for more than {wait_s:g} s"
            machine, process, _ = json.loads(holder)
            cure = f"wait for it, or end it (process {process} of {machine}), and run again"
            raise HeadraceError(Fault("HR-LAKE-009", "", found, "one at a time", cure))
        time.sleep(0.1)


def _renew(path: Place, me: str, lasts_s: float, over: threading.Event, lost: threading.Event) -> None:
    renewed = monotonic_s()
    while not over.wait(lasts_s / 4):
        with suppress(HeadraceError, CommitFailedError, DeltaError, OSError):
            table = open_table(path)
            if _holder(table) != me:
                lost.set()
                return
            _say(table, me)
            renewed = monotonic_s()
        if monotonic_s() - renewed > lasts_s:
            lost.set()
            return


def _holder(table: deltalake.DeltaTable) -> str:
    return str(table.history(1)[0].get("holder", _NOBODY))


def _say(table: deltalake.DeltaTable, holder: str) -> None:
    """Commit who holds the lease, behind the version that was read and no other."""
    properties = deltalake.CommitProperties(custom_metadata={"holder": holder}, max_commit_retries=0)
    table.create_write_transaction([], "append", table.schema(), [], commit_properties=properties)
