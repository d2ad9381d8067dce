"""Tables in a bucket as Arrow datasets, which DuckDB reads without reaching there itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.lake.bucket import Address, system
from headrace.lake.within import ROUNDED_US, number

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
        least, most = (_bound(file.get(f"{end}.{column.name}"), column.type) for end in ("min", "max"))
        if least is not None and most is not None:
            field = pc.field(column.name)
            # Arrow sees through each of these alone, and not through both with one is_null.
            above, below = (field >= least) | field.is_null(), (field <= _rounded(most, column.type)) | field.is_null()
            found = found & above & below
    return found


def _bound(value: object, kind: pa.DataType) -> pa.Scalar | None:
    if pa.types.is_timestamp(kind) and (told := number(value)) is not None:
        return pa.scalar(told, pa.int64()).cast(pa.timestamp("us", kind.tz)).cast(kind)
    if isinstance(value, datetime.date | int) and (pa.types.is_date32(kind) or pa.types.is_integer(kind)):
        return pa.scalar(value, kind)
    return None


def _rounded(most: pa.Scalar, kind: pa.DataType) -> pa.Scalar:
    if not pa.types.is_timestamp(kind):
        return most
    return pa.scalar(most.cast(pa.timestamp("us", kind.tz)).value + ROUNDED_US).cast(most.type)
