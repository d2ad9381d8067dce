"""Spilling by key: rows and events too many for memory are cut into partitions that hold all of a key, on disk."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import Fault, HeadraceError
from headrace.kernel.texts import coded
from headrace.kernel.typing import Ints
from headrace.lake.disk import sync

_SCATTER = np.uint64(0x9E3779B97F4A7C15)


def partition_of(keys: Sequence[pa.Array | pa.ChunkedArray], partitions: int) -> Ints:
    """Return for each row a partition below ``partitions`` that depends on the values of its key alone."""
    length = len(keys[0])
    mixed = np.zeros(length, dtype=np.uint64)
    for key in keys:
        mixed = (mixed ^ _scattered(key)) * _SCATTER
        mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(partitions)).astype(np.int64)


def _scattered(key: pa.Array | pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    if pa.types.is_string(key.type) or pa.types.is_decimal(key.type):
        codes, texts = coded(key.cast(pa.string()))
        hashes = np.array([zlib.crc32(text.encode()) for text in texts.to_pylist()] or [0], dtype=np.uint64)
        found: np.ndarray[tuple[int], np.dtype[np.uint64]] = hashes[codes]
        return found
    if pa.types.is_date32(key.type):
        key = key.cast(pa.int32())
    whole = pc.fill_null(key.cast(pa.int64()), 0)
    return np.asarray(whole.to_numpy(), dtype=np.int64).view(np.uint64)


class Spill:
    """Partition files of one kind of row, written batch by batch and read back partition by partition.

    Args:
        folder: made anew; what an interrupted writing left there is thrown away.
        partitions: how many files.
    """

    def __init__(self, folder: Path, partitions: int) -> None:
        self.folder, self.partitions = folder, partitions
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}

    @property
    def complete(self) -> bool:
        """Whether everything was written, in this process or an earlier one."""
        return (self.folder / "complete").exists()

    def __enter__(self) -> Spill:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def add(self, batch: pa.Table, partition: Ints) -> None:
        """Append rows, each to its partition."""
        order = np.argsort(partition, kind="stable")
        cuts = np.searchsorted(partition[order], np.arange(self.partitions + 1))
        arranged = batch.take(pa.array(order)).combine_chunks()
        for number in range(self.partitions):
            if cuts[number + 1] > cuts[number]:
                self._writer(number, batch.schema).write_table(
                    arranged.slice(cuts[number], cuts[number + 1] - cuts[number])
                )

    def _writer(self, number: int, schema: pa.Schema) -> pa.RecordBatchFileWriter:
        if number not in self._writers:
            self._writers[number] = pa.ipc.new_file(self._path(number), schema)
        return self._writers[number]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError) if kind is not None else nullcontext(), ExitStack() as stack:
            for writer in self._writers.values():
                stack.callback(writer.close)
        if kind is None:
            sync(*(self._path(number) for number in self._writers))
            (self.folder / "complete").touch()
            sync(self.folder)

    def remove(self) -> None:
        """Delete all partitions."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, number: int) -> pa.Table | None:
        """Return the rows of a partition in the order in which they were added, None where there are none."""
        path = self._path(number)
        if not path.exists():
            return None
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}.arrow"


def write_pieces(path: Path, pieces: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables so that each can be read back alone; the file appears only when it is whole."""
    fresh = path.with_suffix(".new")
    with pa.ipc.new_file(fresh, schema) as writer:
        for piece in pieces:
            batches = piece.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema))
    sync(fresh)
    fresh.replace(path)


def read_piece(path: Path, number: int) -> pa.RecordBatch | None:
    """Return one of the tables that ``write_pieces`` wrote, None where it wrote none."""
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        return file.get_batch(number) if number < file.num_record_batches else None


def free_or_fault(folder: Path, bytes_needed: int) -> None:
    """Refuse to begin what the disk cannot hold; what an interrupted beginning left in ``folder`` counts as free.

    Raises:
        HeadraceError: HR-SPILL-001 with what is free and what is needed.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(there).free + held
    if free < bytes_needed:
        found = f"{_size(free)} free on the disk of the project's state"
        cure = "free some space, or set the state folder of the target in headrace.toml to a larger disk"
        raise HeadraceError(Fault("HR-SPILL-001", "", found, f"about {_size(bytes_needed)}", cure))


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
