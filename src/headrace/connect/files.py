"""Files of a source: whether they can be read whole, and their rows in bounded memory."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect import places
from headrace.connect.ahead import ahead
from headrace.connect.formats import SUFFIXES, Format, format_of
from headrace.connect.naming import named, read_as
from headrace.connect.places import File
from headrace.contracts import check_columns
from headrace.declare import Contract, Stream, Table
from headrace.errors import Fault, HeadraceError

_SMALL = 16 << 20
"""Text up to this size is parsed whole before any of it is validated."""
BATCH_ROWS = 1_000_000
"""Rows that are committed together."""
READ_ROWS = 250_000
"""Rows that are read and validated together: as text they take much more memory than typed ones on their way."""
_ERRORS = (pa.ArrowException, EOFError, zlib.error, csv.Error, UnicodeDecodeError)


def find_files(folder: Path, source: str) -> list[File]:
    """Return the files that a source names, in the order of their names; a folder is searched for what can be read.

    Raises:
        HeadraceError: HR-SOURCE-001 when there is none, 015 when a bucket cannot be read.
    """
    return places.find_files(folder, source, SUFFIXES)


def read_batches(file: File, contract: type[Contract], batch_rows: int = BATCH_ROWS) -> Generator[pa.Table]:
    """Yield a file's rows as received, in order, in memory bounded by ``batch_rows``.

    Args:
        file: of a kind that is known, see ``formats``.
        contract: whose fields are read, from the columns of its ``outside``; others are passed over.
        batch_rows: rows of a batch at most.

    Yields:
        Tables of the contract's fields: text, or the file's own types. What could not be read of a row is told in the
        column ``contracts.MALFORMED``.

    Raises:
        HeadraceError: HR-SOURCE-002 damaged, 008 of an unknown kind, 015 withheld by its bucket, 017 no library.
    """
    kind = _kind(file)
    with readable(file, kind):
        received = kind.batches(file, contract.outside, batch_rows)
        batches = received if contract.outside is contract else (named(one, contract) for one in received)
        yield from ahead(batches) if file.size > _SMALL else batches


def check_file(file: File, contract: type[Contract], batch_rows: int) -> list[Fault]:
    """Refuse a file that could not be loaded to its end, before its first row is; return warnings about it.

    Files of several batches are read through once for this, since a part of a file in the lake helps nobody.

    Raises:
        HeadraceError: HR-SOURCE-002 damaged, 004 not UTF-8, 008 unknown kind; HR-DATA-1xx other columns.
    """
    kind, contract = _kind(file), contract.outside
    with readable(file, kind):
        kind.check(file)
        warnings = check_columns(contract, kind.columns(file, contract), file.name)
        rows = kind.rows(file)
        large = (file.packed is not None or file.size > _SMALL) if rows is None else rows > batch_rows
        if large and kind.through is not None:
            kind.through(file, contract)
        elif large:
            for _ in kind.batches(file, contract, batch_rows):
                pass
    return warnings


def digest(file: File, size: int | None = None, *, unpacked: bool = False) -> str:
    """Return the SHA-256 of a file's bytes, of its first ``size`` bytes, or of all that it holds unpacked, in hex.

    Raises:
        HeadraceError: HR-SOURCE-002 when it cannot be read.
    """
    with readable(file, format_of(file)):
        return file.digest(size, unpacked=unpacked)


def beginnings(file: File, sizes: npt.NDArray[np.int64], *, unpacked: bool) -> dict[str, int]:
    """Return the SHA-256 of a file's first bytes, for each of some sizes; and these.

    Args:
        file: of a kind that is known.
        sizes: in order.
        unpacked: whether also those of what it holds unpacked, as of a log that is packed when it is rotated.

    Raises:
        HeadraceError: HR-SOURCE-002 when it cannot be read.
    """
    with readable(file, format_of(file)):
        found = file.beginnings(sizes)
        return found | file.beginnings(sizes, unpacked=True) if unpacked else found


def require_same(file: File, sha256: str, contract: type[Contract]) -> None:
    """Refuse a file that is not what it was when a run looked at it, before it reads it or while it does.

    Args:
        file: as it was found; one without a mark is ours and never changes.
        sha256: of what it was, see ``content_of``.
        contract: by which it is read.

    Raises:
        HeadraceError: HR-SOURCE-018 when it changed or is gone.
    """
    if not file.mark:
        return
    with readable(file, format_of(file)):
        rests = file.rests()
        if rests or (rests is None and sha256 in (now := file.digest(), read_as(now, contract))):
            return
    found = "a file that changed, or went, while it was loaded"
    cure = "run again once it is written; write files elsewhere, and move them here when they are whole"
    raise HeadraceError(Fault("HR-SOURCE-018", file.name, found, "files that stay as they are", cure))


def content_of(file: File, source: Stream | Table) -> str:
    """Return the digest by which a loaded file is known: of a table that is replaced also of the names it is read by.

    Raises:
        HeadraceError: HR-SOURCE-002 when it cannot be read.
    """
    found, received = digest(file), source.received
    replaced = source.mode == "replace"
    return read_as(found, received) if replaced and received is not None else found


def _kind(file: File) -> Format:
    kind = format_of(file)
    if kind is None:
        found, expected = f"a file of an unknown kind: {Path(file.name).name}", f"one of {', '.join(SUFFIXES)}"
        cure = "rename it, or narrow the source's glob"
        raise HeadraceError(Fault("HR-SOURCE-008", file.name, found, expected, cure))
    return kind


@contextmanager
def readable(file: File, kind: Format | None) -> Iterator[None]:
    """Tell a damaged file (HR-SOURCE-002) by its name only: what a parser says of it may quote a person's data."""
    name = "" if kind is None else f" as {kind.name}"
    found = f"a file that cannot be read to its end{name}"
    errors = (*_ERRORS, OSError, *(() if kind is None else kind.errors))
    try:
        yield
    except HeadraceError:
        raise
    except errors as error:
        if (fault := places.withheld(file.name, error)) is not None:
            raise HeadraceError(fault) from error
        cure = "make the file readable" if isinstance(error, PermissionError) else "export or copy the file again"
        raise HeadraceError(Fault("HR-SOURCE-002", file.name, found, "a whole file", cure)) from error
