"""Rows that cannot be scored, aside with all their reasons: on disk, in the form of a quarantine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.contracts import QUARANTINE
from headrace.contracts.aside import plain_rows
from headrace.lake.disk import sync


class Aside:
    """Rows that are aside, in numbered files of a folder.

    Args:
        folder: there already.
        kind: begins the names of the files; two kinds do not know of one another.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self.counts = Counter[str]()

    def clear(self) -> None:
        """Remove all of it."""
        for path in self._files():
            path.unlink()
        self.counts.clear()

    def add(self, rows: pa.Table) -> None:
        """Put rows of a quarantine aside."""
        if not rows.num_rows:
            return
        path = self._folder / f"{self._kind}-{len(self._files()):06}.arrow"
        with pa.ipc.new_file(path, QUARANTINE) as out:
            out.write_table(rows.cast(QUARANTINE))
        sync(path)

    def refuse(self, source: str, rows: pa.Table, places: Sequence[int], code: str, what: str, text: str) -> None:
        """Put rows aside that no rule of the contract refuses.

        Args:
            source: of the rows.
            rows: as far as they were read.
            places: of them in the source.
            code, what, text: the reason; it holds no values.
        """
        if not rows.num_rows:
            return
        self.counts[f"{code} {what}"] += rows.num_rows
        said = [json.dumps(one, ensure_ascii=False) for one in plain_rows(rows)]
        columns = [[source] * len(said), list(places), [[f"{code} {what}: {text}"]] * len(said), said]
        self.add(pa.table([pa.array(one, kind.type) for one, kind in zip(columns, QUARANTINE, strict=True)],
                          schema=QUARANTINE))  # fmt: skip

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order in which they came."""
        for path in self._files():
            with pa.memory_map(str(path)) as source:
                yield from pa.ipc.open_file(source).read_all().to_batches()

    @property
    def rows(self) -> int:
        """How many they are."""
        return sum(batch.num_rows for batch in self.batches())

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._kind}-*.arrow"))
