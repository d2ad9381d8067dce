"""Rows that a stream has already, where all rows of its origin are read each time: by their keys, or refused before."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa

from headrace.connect.boundary import digests
from headrace.connect.formats.documents import rows_of
from headrace.connect.naming import named
from headrace.contracts import KeyIndex, read_column
from headrace.declare import Contract
from headrace.lake import Lake


class Known:
    """What there is of a stream.

    Args:
        lake: with its table, if there is one yet.
        name: of the stream.
        contract: with a key, of rows as they arrive.
        refused: digests of the rows that are in quarantine.
    """

    def __init__(self, lake: Lake, name: str, contract: type[Contract], refused: Collection[str]) -> None:
        self._lake, self._name, self._contract, self._refused = lake, name, contract, refused
        self._index = KeyIndex(contract.key_fields(), self._keys)

    def news(self, rows: pa.Table | pa.StringArray) -> pa.Table | pa.StringArray:
        """Return the rows that were neither accepted nor refused."""
        keys = named(keys_of(rows, self._contract.outside), self._contract)
        fresh = ~self._index.holds(keys)
        if self._refused:
            left = np.flatnonzero(fresh)
            fresh[left] = [digest not in self._refused for digest in digests(rows, left, self._contract.outside)]
        return rows if fresh.all() else rows.filter(pa.array(fresh))

    def _keys(self) -> Iterator[pa.RecordBatch]:
        if self._lake.exists(self._name):
            yield from self._lake.batches(self._name, columns=list(self._contract.key_fields()))


def keys_of(rows: pa.Table | pa.StringArray, contract: type[Contract]) -> pa.Table:
    """Return the key of each row in the contract's types, null where it cannot be read."""
    fields, names = contract.fields(), contract.key_fields()
    table = rows if isinstance(rows, pa.Table) else rows_of(rows.to_pylist(), contract, names)
    columns = {name: table[name] for name in names}
    whole = {name: one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for name, one in columns.items()}
    return pa.table({name: read_column(fields[name], one)[0] for name, one in whole.items()})
