"""JSON lines: one object on each line. Blocks of sound lines are read by Arrow, all others object by object."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from headrace.connect.formats.documents import document, keys_of, rows_of
from headrace.connect.formats.format import Format
from headrace.connect.formats.text import check_text
from headrace.connect.places import File
from headrace.contracts import AS_WRITTEN
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError

_BLOCK = 8 << 20
LONGEST = 64 << 20
"""Bytes of a line, far beyond any row."""
_SAMPLE = 1000
_BOM = b"\xef\xbb\xbf"
_EXACT = float(2**53)
_DIGITS = (38, 18)
_BEYOND = r":\s*-?(\d{20}|[\d.]+[eE](\+?\d|-0*[1-9]\d))"
"""Numbers of which Arrow makes other ones, without a word, where they are to be decimals of these digits."""
_FEW = 1 << 20
"""Bytes of lines that Python has looked at before a database has begun to."""
_CONSTANTS = "NaN|Infinity"
"""What Arrow and DuckDB take for numbers, and JSON does not."""


def columns_of(texts: Sequence[str], contract: type[Contract]) -> pa.Schema:
    """Return the fields that objects have; one that may be null need not be in any of them."""
    seen = keys_of(one for one, _ in map(document, texts) if one is not None)
    left_out = [name for name, one in contract.fields().items() if one.type.nullable and name not in seen]
    # of a file without a sound object nothing is known: each line is told by itself
    names = [*seen, *left_out] if seen else list(contract.fields())
    return pa.schema([(name, _told(contract, name)) for name in names])


def _told(contract: type[Contract], name: str) -> pa.DataType:
    """As which type a field is read; each value is judged by itself, and what holds others is no text."""
    field = contract.fields().get(name)
    return field.type.arrow() if field is not None and field.type.nested else pa.string()


def _columns(file: File, contract: type[Contract]) -> pa.Schema:
    first = next(lines_of(file), pa.array([], pa.binary()))
    return columns_of(pc.cast(first[:_SAMPLE], pa.string()).to_pylist(), contract)


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    names = list(contract.fields())
    for lines in lines_of(file):
        table = _table(lines, contract, names)
        for at in range(0, len(lines), batch_rows):
            yield table.slice(at, batch_rows)


def lines_of(file: File) -> Iterator[pa.Array]:
    """Yield the lines of a file that are not blank, some megabytes at a time."""
    with file.stream() as stream:
        rest, block = b"", stream.read(_BLOCK)
        first = True
        while block:
            rest += block.removeprefix(_BOM) if first else block
            first, block = False, stream.read(_BLOCK)
            whole, end, tail = rest.rpartition(b"\n")
            if not end and len(rest) > LONGEST:
                raise HeadraceError(_too_long(file))
            if end and block:
                yield _not_blank(whole)
                rest = tail
        yield _not_blank(rest)


def _not_blank(block: bytes) -> pa.Array:
    lines = [line for line in block.split(b"\n") if line and not line.isspace()]
    return pa.array(lines, pa.binary())


def _too_long(file: File) -> Fault:
    found = f"a line of more than {LONGEST >> 20} MB"
    return Fault(
        "HR-SOURCE-016", file.name, found, "one JSON object on each line", "write each object on a line of its own"
    )


def _table(lines: pa.Array, contract: type[Contract], names: Sequence[str]) -> pa.Table:
    text = pc.cast(lines, pa.string())
    fast = by_arrow(text, [contract.fields()[name] for name in names])
    read = rows_of(text.to_pylist(), contract, names) if fast is None else fast
    return read.append_column(AS_WRITTEN, text)


def by_arrow(lines: pa.Array, fields: Sequence[Field]) -> pa.Table | None:
    """Return a table of lines that are all sound; None where one may not be, or a value is not as Arrow takes it."""
    kinds = [_kind(field) for field in fields]
    if None in kinds or not _sound(lines):
        return None
    if (
        any(field.type.name == "decimal" for field in fields)
        and pc.any(pc.match_substring_regex(lines, _BEYOND)).as_py()
    ):
        return None
    schema = pa.schema([(field.name, kind) for field, kind in zip(fields, kinds, strict=True)])
    content = "\n".join(lines.to_pylist()).encode()
    how = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        made = pajson.read_json(io.BytesIO(content), pajson.ReadOptions(block_size=len(content) + 1), how)
    except pa.ArrowInvalid:
        return None
    exact = all(_is_exact(made.column(field.name)) for field in fields if field.type.name == "float")
    return made if exact and made.num_rows == len(lines) else None


def _sound(lines: pa.Array) -> bool:
    """Whether each line is one JSON object: Arrow's reader may crash on other documents, such as a bare null."""
    if not pc.all(pc.starts_with(lines, "{")).as_py():
        return False
    if lines.nbytes <= _FEW:
        return all(document(line)[0] is not None for line in lines.to_pylist())
    if pc.any(pc.match_substring_regex(lines, _CONSTANTS)).as_py():
        return False
    import duckdb

    given = pa.table({"line": lines})
    with duckdb.connect() as connection:
        connection.register("given", given)
        (valid,) = connection.execute("select bool_and(json_valid(line)) from given").fetchone() or (True,)
    return valid is not False


def _is_exact(column: pa.ChunkedArray) -> bool:
    """Whether no number lost a digit on its way to float64, or is none."""
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is None or (low > -_EXACT and high < _EXACT and not pc.any(pc.is_nan(column)).as_py())


def _kind(field: Field) -> pa.DataType | None:
    """As what Arrow is to read a field: never another value than was written, so texts and times stay text."""
    match field.type.name:
        case "int" | "float" | "bool" | "str":
            return field.type.arrow()
        case "timestamp" | "date":
            return pa.string()
        case "decimal":
            return pa.decimal128(*_DIGITS)
    return None


FORMATS = (Format("JSON lines", (".jsonl", ".ndjson"), _columns, _batches, check_text),)
