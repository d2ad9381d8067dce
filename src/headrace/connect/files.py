"""Files of CSV and Parquet: which there are, whether they can be read whole, and their rows in bounded memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.connect.lines import csv_batches
from headrace.contracts import check_columns
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_BLOCK = 1 << 20
_SMALL = 16 << 20
"""CSV up to this size is parsed whole before any of it is validated."""
BATCH_ROWS = 1_000_000


def find_files(folder: Path, source: str) -> list[Path]:
    """Return the files that a source names, in the order of their names.

    Args:
        folder: of the project.
        source: file, folder (searched through) or glob, relative to ``folder``.

    Raises:
        HeadraceError: HR-SOURCE-001 when there is none.
    """
    named = folder / source
    if named.is_dir():
        found = [path for path in named.rglob("*") if path.is_file() and path.name.endswith(SUFFIXES)]
    elif named.is_file():
        found = [named]
    else:
        pattern = Path(source)
        base = Path(pattern.anchor) if pattern.anchor else folder
        found = [path for path in base.glob(str(pattern.relative_to(pattern.anchor))) if path.is_file()]
    if not found:
        cure = "put files there, or change source in the declaration"
        raise HeadraceError(Fault("HR-SOURCE-001", source, "no file", "a file, a folder or a glob of files", cure))
    return sorted(found, key=lambda path: path.as_posix())


def read_batches(path: Path, contract: type[Contract], batch_rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """Yield a file's rows as received, in order, in memory bounded by ``batch_rows``.

    Args:
        path: of a ``.csv``, ``.csv.gz`` or ``.parquet`` file.
        contract: whose fields are read; other columns are passed over.
        batch_rows: rows of a batch at most.

    Yields:
        Tables of the contract's columns: text for CSV, the file's own types for Parquet. Lines of CSV that could not
        be split into fields are rows of nulls, with the line in the column ``contracts.MALFORMED``.

    Raises:
        HeadraceError: HR-SOURCE-002 damaged, 008 of an unknown kind.
    """
    names = [name for name in schema_of(path).names if name in contract.fields()]
    with readable(path):
        if path.name.endswith(".parquet"):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows, columns=names):
                    yield pa.Table.from_batches([batch])
        else:
            yield from csv_batches(path, names, batch_rows)


def check_file(path: Path, contract: type[Contract], name: str, batch_rows: int) -> list[Fault]:
    """Refuse a file that could not be loaded to its end, before its first row is; return warnings about it.

    Files of several batches are read through once for this, since a part of a file in the lake helps nobody.

    Raises:
        HeadraceError: HR-SOURCE-002 damaged, 004 not UTF-8, 008 unknown kind; HR-DATA-1xx other columns.
    """
    if not path.name.endswith(".parquet"):
        _check_text(path)
    warnings = check_columns(contract, schema_of(path), name)
    with readable(path):
        if path.name.endswith(".parquet"):
            large = pq.read_metadata(path).num_rows > batch_rows
        else:
            large = path.name.endswith(".gz") or path.stat().st_size > _SMALL
    if large:
        for _ in read_batches(path, contract, batch_rows):
            pass
    return warnings


def digest(path: Path, size: int | None = None) -> str:
    """Return the SHA-256 of a file's bytes, or of its first ``size`` bytes, in hex.

    Raises:
        HeadraceError: HR-SOURCE-002 when it cannot be read.
    """
    with readable(path), path.open("rb") as file:
        if size is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        found = hashlib.sha256()
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            size -= len(block)
            found.update(block)
        return found.hexdigest()


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of a file; those of CSV are all text."""
    with readable(path):
        if path.name.endswith(".parquet"):
            return pq.read_schema(path)
        if path.name.endswith(SUFFIXES):
            with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
                return pa.schema([(name, pa.string()) for name in next(csv.reader(text), [])])
    found, expected = f"a file of an unknown kind: {path.name}", f"one of {', '.join(SUFFIXES)}"
    raise HeadraceError(Fault("HR-SOURCE-008", path.name, found, expected, "rename it, or narrow the source's glob"))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell a damaged file by its name only: what a parser says of it may quote a person's data."""
    try:
        yield
    except (pa.ArrowException, EOFError, zlib.error, gzip.BadGzipFile, csv.Error, UnicodeDecodeError) as error:
        raise HeadraceError(_damaged(path)) from error
    except OSError as error:
        cure = "make the file readable" if isinstance(error, PermissionError) else _damaged(path).cure
        raise HeadraceError(Fault("HR-SOURCE-002", path.name, *_damage(path), cure)) from error


def _damaged(path: Path) -> Fault:
    return Fault("HR-SOURCE-002", path.name, *_damage(path), "export or copy the file again")


def _damage(path: Path) -> tuple[str, str]:
    kind = "Parquet" if path.name.endswith(".parquet") else "CSV"
    return f"a file that cannot be read to its end as {kind}", "a whole file"


def _open(path: Path) -> IO[bytes]:
    opened: object = gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # noqa: SIM115
    return cast("IO[bytes]", opened)


def _check_text(path: Path) -> None:
    """Read a text file through: it must be UTF-8, and each quote that opens must close."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = 0
    with readable(path), _open(path) as file:
        while block := file.read(_BLOCK):
            _decode(decoder, block, path)
            quotes += block.count(b'"')
        _decode(decoder, b"", path)
    if quotes % 2:
        expected = "every quoted field closed, and quotes inside it doubled"
        raise HeadraceError(Fault("HR-SOURCE-009", path.name, "a quote that is never closed", expected, "close it"))


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, path: Path) -> None:
    try:
        decoder.decode(block, final=not block)
        if b"\0" not in block:
            return
    except UnicodeDecodeError:
        pass
    found = "bytes that are not text in UTF-8"
    raise HeadraceError(Fault("HR-SOURCE-004", path.name, found, "UTF-8, with or without BOM", "save it as UTF-8"))
