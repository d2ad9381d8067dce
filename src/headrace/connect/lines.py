"""Lines of CSV as tables of text: strict about the number of fields, and no line lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from headrace.contracts import MALFORMED

_BLOCK_BYTES = 8 << 20
_LINE = pa.struct([("text", pa.string()), ("found", pa.int64()), ("expected", pa.int64())])


def csv_batches(path: Path, names: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
    """Yield the named columns of a CSV file as text, at most ``batch_rows`` lines at a time, in order.

    An empty field is null; a quoted empty one is an empty string. A line with too many or too few fields is a row of
    nulls with its text in the column ``MALFORMED``.
    """
    held: list[pa.Table] = []
    rows = 0
    for table in _merged(path, names):
        held.append(table)
        rows += table.num_rows
        while rows >= batch_rows:
            whole = _together(held)
            yield whole.slice(0, batch_rows)
            held, rows = [whole.slice(batch_rows)], rows - batch_rows
    if rows:
        yield _together(held)


def _together(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default")


def _merged(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """Put each malformed line back between its neighbours: the parser only tells their numbers."""
    odd: list[pacsv.InvalidRow] = []
    position = 1
    for batch in _parsed(path, names, odd):
        # Numbers count the header; a line may be told of before the batch that it stands in.
        taken = 0
        while taken < len(odd) and odd[taken].number - 1 <= position + batch.num_rows + taken:
            taken += 1
        table = _with_lines(pa.Table.from_batches([batch]), odd[:taken], position)
        del odd[:taken]
        position += table.num_rows
        yield table


def _parsed(path: Path, names: Sequence[str], odd: list[pacsv.InvalidRow]) -> Iterator[pa.RecordBatch]:
    def note(row: pacsv.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    text = pa.string()
    with pa.input_stream(str(path), compression="gzip" if path.name.endswith(".gz") else None) as stream:
        reader = pacsv.open_csv(
            stream,
            # Line numbers are told only when one thread reads.
            read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, text),
                include_columns=list(names),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
        yield from reader
        if odd:
            yield pa.RecordBatch.from_pydict({name: pa.array([], text) for name in names})


def _with_lines(table: pa.Table, odd: list[pacsv.InvalidRow], position: int) -> pa.Table:
    if not odd:
        return table
    total = table.num_rows + len(odd)
    places = np.array([row.number - 1 - position for row in odd])
    split = np.ones(total, np.bool_)
    split[places] = False
    take = pa.array(np.cumsum(split) - 1, mask=~split)
    lines: list[dict[str, object] | None] = [None] * total
    for place, row in zip(places.tolist(), odd, strict=True):
        lines[place] = {"text": row.text, "found": row.actual_columns, "expected": row.expected_columns}
    return table.take(take).append_column(MALFORMED, pa.array(lines, _LINE))
