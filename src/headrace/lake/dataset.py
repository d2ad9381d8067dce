"""Tables in a bucket as Arrow datasets, which DuckDB reads without reaching there itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.lake.bounds import scalar
from headrace.lake.bucket import Address, system

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def dataset(path: Address, held: Sequence[Mapping[str, Any]], schema: pa.Schema) -> ds.Dataset:
    """Return a table's files in their order, each with what the log says of it, so that a query passes over others.

    Args:
        path: of the table.
        held: files with their statistics, as ``log.ordered`` gives them.
        schema: of the table.
    """
    import pyarrow.dataset as ds

    form = ds.ParquetFileFormat()
    fragments = [
        form.make_fragment(f"{path.key}/{one['path']}", system(), partition_expression=_known(one, schema))
        for one in held
    ]
    return ds.FileSystemDataset(fragments, schema, form, system())


def _known(file: Mapping[str, Any], schema: pa.Schema) -> pc.Expression:
    """Return what holds of all rows of a file."""
    found = pc.scalar(True)
    for column in schema:
        least, most = (scalar(file.get(f"{end}.{column.name}"), column.type) for end in ("min", "max"))
        if least is not None and most is not None:
            field = pc.field(column.name)
            # Arrow sees through each of these alone, and not through both with one is_null.
            above, below = (field >= least) | field.is_null(), (field <= most) | field.is_null()
            found = found & above & below
    return found
