"""Where scores go: a table of the lake, a file, or memory; whole, or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pyarrow.types as pat

from headrace.declare import Project, sources_of
from headrace.declare.kept import beside
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.lake.disk import FULL, sync
from headrace.lake.writing import check_name

SCORES_OF = "scores_{}"
"""The table of the lake with the scores of a service, by its name."""
REFUSED_OF = "quarantine_{}"
"""The table beside scores with the rows that could not be scored."""
_MARK = "scores of"
"""What a commit of scores says of itself: a table of something else is never replaced."""
_GROUP_ROWS = 250_000

Batches = Iterable[pa.RecordBatch]
Record = dict[str, Any]


class Target(Protocol):
    """Where scores go."""

    @property
    def name(self) -> str:
        """What people call it."""

    def write(self, schema: pa.Schema, batches: Batches, record: Record) -> Target:
        """Write scores in the place of what was there before, and return what reads just these.

        Args:
            schema: of the batches.
            batches: the scores.
            record: of what made them; it is whole once the batches are at their end.
        """

    def put_aside(self, schema: pa.Schema, batches: Batches, rows: int, record: Record) -> None:
        """Write the rows that could not be scored; without any, what was there before goes."""

    def read(self) -> pa.Table:
        """Return the scores."""


@dataclass(frozen=True)
class InLake:
    """A table of the lake, and one beside it for what was refused; each writing is one version."""

    lake: Lake
    name: str
    version: int | None = None

    def write(self, schema: pa.Schema, batches: Batches, record: Record) -> Target:
        rows = pa.RecordBatchReader.from_batches(schema, batches)
        return replace(self, version=self.lake.overwrite(self.name, rows, message=record))

    def put_aside(self, schema: pa.Schema, batches: Batches, rows: int, record: Record) -> None:
        aside = REFUSED_OF.format(self.name)
        if rows or self.lake.exists(aside):
            self.lake.overwrite(aside, pa.RecordBatchReader.from_batches(schema, batches), message=record)

    def read(self) -> pa.Table:
        return self.lake.read(self.name, version=self.version)


@dataclass(frozen=True)
class InFile:
    """A file, Parquet or CSV, and one beside it for what was refused."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def aside(self) -> Path:
        """The file of what was refused: ``scores.quarantine.parquet`` beside ``scores.parquet``."""
        return self.path.with_suffix(f".quarantine{self.path.suffix}")

    def write(self, schema: pa.Schema, batches: Batches, record: Record) -> Target:
        _WRITERS[self.path.suffix.lower()](self.path, schema, batches, record)
        return self

    def put_aside(self, schema: pa.Schema, batches: Batches, rows: int, record: Record) -> None:
        if rows:
            _WRITERS[self.path.suffix.lower()](self.aside, schema, batches, record)
        else:
            self.aside.unlink(missing_ok=True)

    def read(self) -> pa.Table:
        if self.path.suffix.lower() == ".csv":
            return pcsv.read_csv(self.path)
        return pq.read_table(self.path)


class InMemory:
    """Nowhere else: what a notebook asked for."""

    name = ""

    def __init__(self) -> None:
        self._found: pa.Table | None = None
        self.refused: pa.Table | None = None

    def write(self, schema: pa.Schema, batches: Batches, record: Record) -> Target:
        self._found = pa.Table.from_batches(list(batches), schema)
        return self

    def put_aside(self, schema: pa.Schema, batches: Batches, rows: int, record: Record) -> None:
        self.refused = pa.Table.from_batches(list(batches), schema)

    def read(self) -> pa.Table:
        assert self._found is not None
        return self._found


def target_of(to: str, service: str, project: Project, lake: Lake) -> InLake | InFile:
    """Return where scores of a service go.

    Args:
        to: name of a table, or a file that ends in ``.parquet`` or ``.csv``; empty for the table of the service.
        service: its name.
        project, lake: whose tables are no place for scores.

    Raises:
        HeadraceError: HR-SCORE-002 for a file of another kind, 003 for a table that holds something else.
    """
    name = to or SCORES_OF.format(service)
    path = Path(name)
    if path.suffix or "/" in name:
        return _file(path)
    check_name(name)
    taken = {source.name for source in sources_of(project)} | {one for one, _ in beside(project)}
    if name in taken or _another(lake, name):
        found, expected = f"the table {name}, which holds something else", "a table of scores, or a new one"
        cure = f"leave --to out for {SCORES_OF.format(service)}, or name another one"
        raise HeadraceError(Fault("HR-SCORE-003", "--to", found, expected, cure))
    return InLake(lake, name)


def _another(lake: Lake, name: str) -> bool:
    if not lake.exists(name):
        return False
    message = lake.history(name)[0].get("message") or {}
    return _MARK not in message


def message_of(service: str) -> Record:
    """Return what a commit of scores says first."""
    return {_MARK: service}


def _file(path: Path) -> InFile:
    if path.suffix.lower() not in _WRITERS:
        found, expected = f"the file {path.name}", f"one that ends in {' or '.join(_WRITERS)}"
        raise HeadraceError(Fault("HR-SCORE-002", "--to", found, expected, f"--to {path.stem or 'scores'}.parquet"))
    if not path.parent.is_dir() or path.is_dir():
        found = f"{path}, which is a folder" if path.is_dir() else f"{path.name} in a folder that is not there"
        raise HeadraceError(Fault("HR-SCORE-004", "--to", found, "a file in a folder", "make the folder first"))
    return InFile(path.absolute())


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a file beside another one, which it becomes when the block ends well and it is on the disk."""
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            yield half
            sync(half)
            half.replace(path)
            sync(path.parent)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in FULL
        found = (
            f"{path.name} could not be written: {'a full disk' if full else error.strerror or 'an error of the disk'}"
        )
        cure = "free some space and score again" if full else "name a file that can be written"
        raise HeadraceError(Fault("HR-SCORE-004", "--to", found, "a file that can be written", cure)) from error


def _parquet(path: Path, schema: pa.Schema, batches: Batches, record: Record) -> None:
    with _whole(path) as half, pq.ParquetWriter(half, schema, compression="zstd") as out:
        for table in _grouped(schema, batches):
            out.write_table(table, row_group_size=_GROUP_ROWS)
        out.add_key_value_metadata({"headrace": json.dumps(record)})


def _grouped(schema: pa.Schema, batches: Batches) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _GROUP_ROWS:
            yield pa.Table.from_batches(waiting, schema)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _csv(path: Path, schema: pa.Schema, batches: Batches, record: Record) -> None:
    flat = pa.schema([(one.name, pa.string() if pat.is_nested(one.type) else one.type) for one in schema])
    with _whole(path) as half, pcsv.CSVWriter(half, flat) as out:
        for batch in batches:
            out.write_batch(pa.RecordBatch.from_arrays([_cell(one) for one in batch.columns], schema=flat))


def _cell(values: pa.Array) -> pa.Array:
    """Of lists the JSON, as a source of CSV may have it."""
    if not pat.is_nested(values.type):
        return values
    return pa.array([None if one is None else json.dumps(one, default=str) for one in values.to_pylist()], pa.string())


_WRITERS: Mapping[str, Callable[[Path, pa.Schema, Batches, Record], None]] = {".parquet": _parquet, ".csv": _csv}
