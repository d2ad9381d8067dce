"""JSON documents: a list of objects, one object, or objects one after the other; read in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.formats.documents import rows_of
from headrace.connect.formats.format import Format
from headrace.connect.formats.jsonlines import by_arrow, columns_of
from headrace.connect.formats.text import check_text
from headrace.connect.formats.window import Window
from headrace.connect.places import File
from headrace.contracts import AS_WRITTEN
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError

_SAMPLE = 1000
_ROWS = 50_000


def _columns(file: File, contract: type[Contract]) -> pa.Schema:
    return columns_of(list(islice(texts_of(file), _SAMPLE)), contract)


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    names, texts = list(contract.fields()), texts_of(file)
    while some := list(islice(texts, min(batch_rows, _ROWS))):
        # A line each: within a text ends of lines are escaped, else it would not have been taken for JSON.
        written = pa.array(some, pa.string())
        lines = pc.replace_substring_regex(written, "[\\r\\n]", " ")
        fast = by_arrow(lines, [contract.fields()[name] for name in names])
        read = rows_of(some, contract, names) if fast is None else fast
        yield read.append_column(AS_WRITTEN, written)


def _through(file: File, contract: type[Contract]) -> None:
    """Take the document apart to its end: what an object holds can no longer keep it from that."""
    for _ in texts_of(file):
        pass


def texts_of(file: File) -> Iterator[str]:
    """Yield the text of each object of a document."""
    window = Window(file.stream(), lambda: HeadraceError(_torn(file)))
    if not window.begins():
        return
    listed = window.take_if("[")
    if listed and window.take_if("]"):
        return window.ends()
    while True:
        yield window.value()[1]
        if listed and window.take_if("]"):
            return window.ends()
        if listed:
            window.take(",")
        elif not window.begins():
            return


def _torn(file: File) -> Fault:
    found, expected = "a document that is not JSON to its end", "a list of objects, or objects one after the other"
    return Fault("HR-SOURCE-002", file.name, found, expected, "export or copy the file again")


FORMATS = (Format("JSON", (".json",), _columns, _batches, check_text, through=_through),)
