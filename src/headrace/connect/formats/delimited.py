"""CSV and TSV as tables of text: strict about the number of fields, and no line lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from headrace.connect.formats.format import Format
from headrace.connect.formats.quotes import short_rows
from headrace.connect.formats.text import check_quoted
from headrace.connect.places import File
from headrace.contracts import MALFORMED, MALFORMED_TYPE
from headrace.contracts.problems import FIELDS
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError

_BLOCK_BYTES, _LEAST_BYTES = 4 << 20, 1 << 16


def _columns(separator: str, file: File, _: type[Contract]) -> pa.Schema:
    with file.stream() as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        header = next(filter(None, csv.reader(text, delimiter=separator)), [])  # blank lines stand before some
        return pa.schema([(name, pa.string()) for name in header])


def _batches(separator: str, file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    """Yield the columns of a contract as text.

    An empty field is null; a quoted empty one is an empty string. A line with too many or too few fields is a row of
    nulls with its text in the column ``MALFORMED``.
    """
    names = [name for name in _columns(separator, file, contract).names if name in contract.fields()]
    held: list[pa.Table] = []
    rows = 0
    for table in _merged(file, names, separator):
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


def _merged(file: File, names: Sequence[str], separator: str) -> Iterator[pa.Table]:
    """Put each malformed line back between its neighbours: the parser only tells their numbers."""
    odd: list[pacsv.InvalidRow] = []
    position = 1
    for batch in _parsed(file, names, separator, odd):
        # Numbers count the header; a line may be told of before the batch that it stands in.
        taken = 0
        while taken < len(odd) and odd[taken].number - 1 <= position + batch.num_rows + taken:
            taken += 1
        table = _with_lines(pa.Table.from_batches([batch]), odd[:taken], position)
        del odd[:taken]
        position += table.num_rows
        yield table


def _parsed(file: File, names: Sequence[str], separator: str, odd: list[pacsv.InvalidRow]) -> Iterator[pa.RecordBatch]:
    def note(row: pacsv.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    with file.stream() as stream, _of_length(file):
        yield from _opened(stream, names, separator, note, _block(file))
        if odd:
            yield pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in names})


def _through(separator: str, file: File, contract: type[Contract]) -> None:
    """Take lines apart to the end, and nothing else: what a field holds can no longer keep a file from its end.

    Only a row longer than what is parsed together could, and most files can be seen to have none.
    """
    with file.stream() as stream:
        if short_rows(stream, separator):
            return
    names = _columns(separator, file, contract).names[:1]
    with file.stream() as stream, _of_length(file):
        for _ in _opened(stream, names, separator, lambda _: "skip", _block(file)):
            pass


@contextmanager
def _of_length(file: File) -> Iterator[None]:
    """Tell a row that does not fit in what is parsed together, which the parser calls an object astride of blocks."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):
            raise
        found, expected = f"a row of more than {_BLOCK_BYTES >> 20} MB", "rows of less"
        cure = "see whether a quote opens that is never meant to; bring such long texts in JSON lines or Parquet"
        raise HeadraceError(Fault("HR-SOURCE-016", file.name, found, expected, cure)) from error


def _block(file: File) -> int:
    """Bytes that are parsed together: a buffer of that size is made for every file, however small it is."""
    return _BLOCK_BYTES if file.packed else min(_BLOCK_BYTES, max(_LEAST_BYTES, file.size))


class _Unsplit:
    """Bytes of a stream in pieces of which none ends in a carriage return.

    The parser takes a line feed that begins a piece for the rest of such a line end and drops it, within quotes, too.
    """

    closed = False

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream, self._held = stream, b""

    def read(self, count: int) -> bytes:
        piece: bytes = self._held + self._stream.read(count - len(self._held))
        self._held = b""
        if len(piece) == count > 1 and piece.endswith(b"\r"):
            piece, self._held = piece[:-1], b"\r"
        return piece

    def close(self) -> None:
        self.closed = True


def _opened(
    stream: pa.NativeFile, names: Sequence[str], separator: str, note: Callable[[pacsv.InvalidRow], str], block: int
) -> pacsv.CSVStreamingReader:
    return pacsv.open_csv(
        pa.PythonFile(_Unsplit(stream), mode="r"),
        # Line numbers are told only when one thread reads.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=block),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=note),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=list(names),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        ),
    )


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
        text = f"has {_fields(row.actual_columns)} where the header has {row.expected_columns}"
        lines[place] = {"text": row.text, "problems": [{"code": FIELDS, "field": "line", "text": text}]}
    return table.take(take).append_column(MALFORMED, pa.array(lines, MALFORMED_TYPE))


def _fields(number: int) -> str:
    return f"{number} field" if number == 1 else f"{number} fields"


FORMATS = tuple(
    Format(
        name,
        suffixes,
        partial(_columns, separator),
        partial(_batches, separator),
        check_quoted,
        through=partial(_through, separator),
    )
    for name, suffixes, separator in (("CSV", (".csv",), ","), ("TSV", (".tsv", ".tab"), "\t"))
)
