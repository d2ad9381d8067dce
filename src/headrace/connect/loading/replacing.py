"""Rows that replace all that there were, of a table without a key: one commit for all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc

from headrace.connect.loading.holding import waiting
from headrace.connect.loading.repeatable import Repeatable
from headrace.connect.loading.work import Job
from headrace.connect.loads import Past
from headrace.declare.kept import loaded
from headrace.types import arrow_schema


class Replacing(Repeatable):
    """Rows on their way into a table that becomes what they are; accepted ones wait in a file for the last.

    Args:
        job: what loading is about.
        superseded: loads of which nothing counts any more once this is done.
    """

    def __init__(self, job: Job, superseded: Sequence[Past]) -> None:
        super().__init__(job, superseded)
        self._folder = tempfile.TemporaryDirectory(prefix="headrace-")
        self._schema = arrow_schema(loaded(self.job.contract))
        self._path = Path(self._folder.name) / "rows.arrow"
        self._sink = pa.OSFile(str(self._path), "wb")
        self._rows_so_far = ipc.new_stream(self._sink, self._schema)

    def _become(self) -> None:
        with waiting():
            self._rows_so_far.close()
            self._sink.close()
        with pa.memory_map(str(self._path)) as raw, ipc.open_stream(raw) as rows:
            self.lake.overwrite(self.name, rows)
        self._folder.cleanup()

    def _commit(self, rows: pa.Table) -> None:
        with waiting():
            self._rows_so_far.write_table(rows.cast(self._schema))
