"""The keys of live events that were taken: read once, and from then on brought up with what came to lake and spool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from headrace.contracts import KeyIndex
from headrace.contracts.json import array
from headrace.declare import Stream
from headrace.lake import Lake, Within
from headrace.serve.drain import event_table
from headrace.serve.spool import Spool


class TakenKeys:
    """The keys of one stream, in the lake and in the spool.

    Args:
        stream: whose contract has a key.
        lake, spool: where its events lie.
    """

    def __init__(self, stream: Stream, lake: Lake, spool: Spool) -> None:
        self._stream, self._lake, self._spool = stream, lake, spool
        self.names = list(stream.contract.key_fields())
        self._index: KeyIndex | None = None
        self._version, self._last, self._sure = -1, 0, False

    def read(self) -> None:
        """Read what there is while others may still write; what they write then is made up for later."""
        name = self._stream.name
        if not self.names:
            return
        self._begin(self._lake.version(name) if self._lake.exists(name) else -1, sure=False)

    def index(self, version: int) -> KeyIndex:
        """Return the index of all keys.

        Args:
            version: of the table in the lake, -1 for none; the caller keeps others from writing to it.
        """
        if self._index is None or (version != self._version and not self._grew()):
            self._begin(version, sure=True)
        elif version != self._version or not self._sure:
            last = self._newest()
            for part in self._rows(self._last):
                self._index.repeated(pa.table(part), np.ones(part.num_rows, dtype=np.bool_))
            self._index.settle()
            self._version, self._last, self._sure = version, last, True
        assert self._index is not None
        return self._index

    def stored(self, last: int) -> None:
        """Know that all keys that were looked at are stored, up to a sequence, or never will be."""
        self._last = last
        if self._index is not None:
            self._index.settle()

    def moved(self, before: int, version: int) -> None:
        """Know that a commit to the lake brought only keys that are known."""
        if self._version == before:
            self._version = version

    def forget(self) -> None:
        """Read all of them anew when they are needed next."""
        self._index = None

    def _begin(self, version: int, sure: bool) -> None:
        last, fields = self._newest(), self._stream.contract.fields()
        index = KeyIndex(self.names, lambda: self._rows(0))
        index.holds(pa.table({name: array(fields[name].type, []) for name in self.names}))  # which reads them
        self._index = index
        self._version, self._last, self._sure = version, last, sure

    def _rows(self, after: int) -> Iterator[pa.Table | pa.RecordBatch]:
        """Yield the keys of rows behind a sequence: of the spool first, from which rows only move on into the lake."""
        name = self._stream.name
        if waiting := self._spool.events(name, after or None):
            yield event_table(self._stream, waiting).select(self.names)
        if self._lake.exists(name):
            behind = Within("_seq", low=after + 1) if after else None
            for part in self._lake.batches(name, columns=[*self.names, *(["_seq"] if after else [])], within=behind):
                yield part.select(self.names)

    def _newest(self) -> int:
        return max(self._lake.sequence(self._stream.name), self._spool.log.last(self._stream.name))

    def _grew(self) -> bool:
        return self._version >= 0 and self._lake.only_grew(self._stream.name, self._version)


def keys_of(streams: Mapping[str, Stream], lake: Lake, spool: Spool) -> dict[str, TakenKeys]:
    """Return the keys of the events of each stream; they are read when they are needed."""
    return {name: TakenKeys(stream, lake, spool) for name, stream in streams.items()}
