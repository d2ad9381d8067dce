"""Moving records into the lake beside what answers, by a process of its own: no request waits for its interpreter.

The parent says on its stdin when it is to move what there is, and reads on its stdout what came of it. It may be killed
at any time; who moves next goes on where it was.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import subprocess
import sys
from pathlib import Path

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.serve.drain import drain_records
from headrace.serve.spool import opened

_NICE = 10
"""Where there is one core, a tenth of it while answers want all: about as much as it takes to keep up with them. With
less it would keep others waiting who write to the spool."""
_RESTS_S = 60.0
"""When a process that has had nothing to do ends, and gives its memory back; when one that died is begun anew."""
_PATIENCE_S = 5.0
"""How long the end of a service waits for it."""
_log = logging.getLogger("headrace.serve")


class Mover:
    """Moves the records of a spool when it is told to; its process begins when there is something to do.

    Args:
        folder: of the spool, which several processes may use.
        map_bytes: upper bound of its size.
        lake: of the project.
    """

    def __init__(self, folder: Path, map_bytes: int, lake: Lake) -> None:
        self._order = {"folder": str(folder), "map_bytes": map_bytes, "lake": lake.address}
        self._child: subprocess.Popen[bytes] | None = None
        self._under_way = False
        self._since_s = self._rests_until = 0.0

    def look(self, wanted: bool) -> bool:
        """Return whether records were moved since the last look; begin where it is wanted, and wait for nothing.

        Raises:
            HeadraceError: HR-LAKE-… when the lake could not be written; then the spool keeps everything.
        """
        now = clock.monotonic_s()
        if self._under_way:
            return self._moved(now)
        if wanted and now >= self._rests_until:
            self._begin(now)
        elif self._child is not None and now - self._since_s > _RESTS_S:
            self.close()
        return False

    @property
    def process(self) -> int | None:
        """Number of the process, None where there is none."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """Let it finish what it does, and end."""
        child, self._child, self._under_way = self._child, None, False
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _begin(self, now: float) -> None:
        if self._child is None:
            self._child = _begun(self._order)
        _say(self._child, {})
        self._under_way, self._since_s = True, now

    def _moved(self, now: float) -> bool:
        assert self._child is not None
        assert self._child.stdout is not None
        if not select.select([self._child.stdout], [], [], 0)[0]:
            return False
        line = self._child.stdout.readline()
        self._under_way, self._since_s = False, now
        if not line:
            self.close()
            self._rests_until = now + _RESTS_S
            _log.error("the process that moves records into the lake has ended; it begins anew in %g s", _RESTS_S)
            return False
        said = json.loads(line)
        if said["failed"]:
            _log.error("%s while records were moved into the lake; they are kept", said["failed"])
            return False
        if said["faults"]:
            raise HeadraceError([Fault(**one) for one in said["faults"]])
        return True


def _begun(order: dict[str, object]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "headrace.serve.mover"]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    # a session of its own: Ctrl-C is for the service, which then ends it
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, start_new_session=True)  # noqa: S603
    _say(child, order)
    return child


def _say(child: subprocess.Popen[bytes], what: dict[str, object]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # one that has ended is met when it is listened to
        child.stdin.write(json.dumps(what).encode() + b"\n")
        child.stdin.flush()


def _main() -> None:
    os.nice(_NICE)
    order = json.loads(sys.stdin.buffer.readline())
    folder, lake = Path(order["folder"]), Lake(order["lake"])
    gc.disable()  # a batch has millions of objects and no cycle: to walk them again and again doubled what it cost
    with opened(folder, order["map_bytes"]) as spool:
        while sys.stdin.buffer.readline():
            failed, faults = "", list[dict[str, str]]()
            try:
                drain_records(spool, folder, lake)
            except HeadraceError as error:
                faults = [fault.as_dict() for fault in error.faults]
            except Exception as error:  # noqa: BLE001 - its kind says enough; its words may hold values of rows
                failed = type(error).__name__
            sys.stdout.write(json.dumps({"faults": faults, "failed": failed}) + "\n")
            sys.stdout.flush()
            gc.collect()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        _main()
