"""Making a state anew beside what answers: a process of its own with low priority, which ends with its parent.

The parent says on its stdin what is to be made, and reads on its stdout how far it is. A state that was not finished
has another name, so that nobody takes it for whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.online.build import refresh_one
from headrace.online.slots import Slot
from headrace.online.state import State
from headrace.types import type_of

_NICE = 10
_UNFINISHED = ".unfinished"


class Beside:
    """A state that is being made anew.

    Args:
        slots: that it holds.
        lake: from which.
        folder: that it has when it is finished; there must be none.
        map_bytes: upper bound of its size.
    """

    def __init__(self, slots: Sequence[Slot], lake: Lake, folder: Path, map_bytes: int) -> None:
        self.folder, self.failed, self.done = folder, "", 0
        self.rows = sum(lake.rows(name) for name in dict.fromkeys(one.source for one in slots) if lake.exists(name))
        self.began_s = clock.monotonic_s()
        command = [sys.executable, "-P", "-m", "headrace.online.beside"]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - fixed words
            command, stdin=pipe, stdout=pipe, stderr=nowhere, start_new_session=True
        )
        order = {"slots": [asdict(one) for one in slots], "lake": lake.address, "folder": str(folder)}
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order | {"map_bytes": map_bytes}).encode() + b"\n")
            self._process.stdin.flush()
        self._listening = threading.Thread(target=self._listen, name="headrace-rebuilding", daemon=True)
        self._listening.start()

    @property
    def ended(self) -> bool:
        """Whether it has come to an end; ``failed`` says how, if not well."""
        return not self._listening.is_alive()

    def close(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._listening.join()
        shutil.rmtree(_unfinished(self.folder), ignore_errors=True)

    def _listen(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin, self._process.stdout:
            for line in self._process.stdout:
                said = json.loads(line)
                self.done, self.failed = said["done"], said["failed"]
        if self._process.wait() and not self.failed:
            self.failed = f"it ended with {self._process.returncode}"


def make(slots: Sequence[Slot], lake: Lake, folder: Path, map_bytes: int, tell: Any = lambda done: None) -> None:
    """Make a state from the lake; it has its name when it is whole.

    Args:
        slots: that it holds.
        lake: from which.
        folder: of it.
        map_bytes: upper bound of its size.
        tell: how many rows were read, after each source.

    Raises:
        HeadraceError: HR-ONLINE-002 when the disk is full.
    """
    fresh, done = _unfinished(folder), 0
    shutil.rmtree(fresh, ignore_errors=True)
    state = State(fresh, slots, map_bytes)
    try:
        for source in state.sources:
            if lake.exists(source):
                refresh_one(state, lake, source)
                done += lake.rows(source)
                tell(done)
    finally:
        state.close()
    fresh.rename(folder)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(folder.name + _UNFINISHED)


def _slot(said: dict[str, Any]) -> Slot:
    kinds = tuple(type_of(one) for one in said["key_types"])
    columns = tuple((name, type_of(kind)) for name, kind in said["columns"])
    return Slot(said["source"], tuple(said["keys"]), kinds, said["time"], columns, said["reach"])


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _main() -> int:
    os.nice(_NICE)
    order, done = json.loads(sys.stdin.buffer.readline()), 0
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(now: int, failed: str = "") -> None:
        nonlocal done
        done = now
        sys.stdout.write(json.dumps({"done": done, "failed": failed}) + "\n")
        sys.stdout.flush()

    try:
        slots = [_slot(one) for one in order["slots"]]
        make(slots, Lake(order["lake"]), Path(order["folder"]), order["map_bytes"], tell)
    except HeadraceError as error:
        tell(done, ", ".join(one.code for one in error.faults))
        return 1
    except Exception as error:  # noqa: BLE001 - its kind says enough; its words may hold values of rows
        tell(done, type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    code = _main()
    sys.stdout.flush()
    os._exit(code)  # the thread that waits for the parent holds stdin
