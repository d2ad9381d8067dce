"""Rows of one load that wait for its end: a load that may be refused must not have any of its rows in before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from headrace.contracts import Validated
from headrace.errors import Fault, HeadraceError

Part = tuple[int, int, pa.Table, pa.Table]
"""Rows received, the last one's position, the accepted and the quarantined among them."""


class Holding:
    """Validated batches in their order; the first lies in memory, those behind it in a temporary folder."""

    def __init__(self) -> None:
        self._first: list[Part] = []
        self._later: list[tuple[int, int, Path]] = []
        self._stack = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> Holding:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, received: int, last: int, result: Validated) -> None:
        """Keep a batch.

        Raises:
            HeadraceError: HR-QUALITY-014 when the temporary folder has no room for it.
        """
        if not self._first:
            self._first.append((received, last, result.accepted, result.quarantined))
            return
        with waiting():
            if self._folder is None:
                self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-")))
            at = self._folder / f"{len(self._later)}"
            for name, rows in (("accepted", result.accepted), ("quarantined", result.quarantined)):
                with pyarrow.ipc.new_file(at.with_suffix(f".{name}"), rows.schema) as sink:
                    sink.write_table(rows)
        self._later.append((received, last, at))

    def parts(self) -> Iterator[Part]:
        """Yield what was kept, batch by batch."""
        yield from self._first
        for received, last, at in self._later:
            accepted, quarantined = (_read(at.with_suffix(f".{name}")) for name in ("accepted", "quarantined"))
            yield received, last, accepted, quarantined


@contextmanager
def waiting() -> Iterator[None]:
    """Tell by HR-QUALITY-014 where what is written within, to the folder of temporary files, does not fit."""
    try:
        yield
    except OSError as error:
        found = f"no room for the rows of a load that wait for its end: {error.strerror or 'cannot write'}"
        cure = "make room in the folder for temporary files, or name another one by TMPDIR; then run again"
        raise HeadraceError(Fault("HR-QUALITY-014", "", found, "room for one load", cure)) from error


def _read(path: Path) -> pa.Table:
    with pyarrow.ipc.open_file(path) as source:
        return source.read_all()
