"""Rows of files that are one source: some of each; of many files some from the beginning, the middle and the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.files import read_batches, readable
from headrace.connect.formats import Format, format_of
from headrace.connect.formats.jsondocs import texts_of
from headrace.connect.formats.jsonlines import lines_of
from headrace.connect.places import File
from headrace.connect.survey.found import SAMPLE_ROWS, Sample, nothing, sample_of
from headrace.connect.survey.kinds import of_type
from headrace.connect.survey.objects import objects_of
from headrace.contracts import MALFORMED
from headrace.declare import Contract, Field, contract_of
from headrace.errors import Fault, HeadraceError
from headrace.types import STR

MOST_FILES, LEAST_FILES = 150, 3
"""Files that are looked at; where they are large, as few as can show a beginning, a middle and an end."""
_BYTES = 1 << 30
"""Of the files that are looked at together, as far as more than the fewest are: JSON is read through to be checked."""
_CHECKED = 64 << 20
"""Bytes up to which a file of any kind is read through to be checked."""
_NAMED = 5
"""Files that a note names."""
_TEXTUAL = ("CSV", "TSV")
_MARKS = set(";|\t,")
_OBJECTS: dict[str, Callable[[File], Iterator[str]]] = {
    "JSON lines": lambda file: (line for part in lines_of(file) for line in part.cast(pa.string()).to_pylist()),
    "JSON": texts_of,
}


@dataclass
class _Looked:
    """What was seen of some files.

    Args:
        of: how many there are.
        texts: objects of JSON.
        tables: rows of other kinds of files, with their own columns.
        files: that could be read.
        failed: the faults of the others.
        whole: whether all rows of those were seen.
        twice: columns that a file has twice.
        broken: lines that do not split into the fields of their header.
    """

    of: int
    texts: list[str] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    files: int = 0
    failed: list[HeadraceError] = field(default_factory=list)
    whole: bool = True
    twice: set[str] = field(default_factory=set)
    broken: int = 0

    @property
    def words(self) -> str:
        """How many files were looked at, of how many; empty for the only one."""
        if self.of == 1:
            return ""
        return f"{self.of:,} files" if self.files == self.of else f"{self.files:,} of {self.of:,} files"


def some_of(files: Sequence[File]) -> list[File]:
    """Return the files to look at: all, or as many from the beginning as from the middle and from the end."""
    mean = max(1, sum(one.size for one in files) // len(files))
    most = max(LEAST_FILES, min(MOST_FILES, _BYTES // mean))
    if len(files) <= most:
        return list(files)
    third = most // 3
    middle = (len(files) - third) // 2
    chosen = [*range(third), *range(middle, middle + third), *range(len(files) - third, len(files))]
    return [files[at] for at in dict.fromkeys(chosen)]


def sample_of_files(name: str, files: Sequence[File]) -> Sample:
    """Return rows of files of one kind: up to 100,000, as many of each as leaves room for the others.

    Columns are united by name; what some files lack is null in their rows. A file that cannot be read is told, as long
    as another can.

    Raises:
        HeadraceError: HR-SOURCE-036 for a kind that is not known, and of files of which none can be read what the first
            one is told.
    """
    looked, chosen = _Looked(len(files)), some_of(files)
    kind = format_of(chosen[0])
    if kind is None:
        raise HeadraceError(nothing(chosen[0].name, "a file of an unknown kind"))
    seen = 0
    for left, file in zip(range(len(chosen), 0, -1), chosen, strict=True):
        try:
            seen += _look_at(file, kind, -(-(SAMPLE_ROWS - seen) // left), looked)
            looked.files += 1
        except HeadraceError as error:
            looked.failed.append(error)
    if not looked.files:
        raise looked.failed[0]
    made = _of_objects(name, looked) if kind.name in _OBJECTS else _of_tables(name, kind, looked)
    notes = [_unread([fault for error in looked.failed for fault in error.faults[:1]])] if looked.failed else []
    return replace(
        made, whole=looked.whole and looked.files == looked.of, looked=looked.words, notes=(*made.notes, *notes)
    )


def _unread(faults: Sequence[Fault]) -> str:
    told = ", ".join(f"{one.place} ({one.code})" for one in faults[:_NAMED])
    more = f" and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
    return f"Not looked at, since they cannot be read: {told}{more}."


def _look_at(file: File, kind: Format, most: int, looked: _Looked) -> int:
    with readable(file, kind):
        if kind.name in _OBJECTS or file.size <= _CHECKED:
            kind.check(file)
        if kind.name in _OBJECTS:
            texts = list(islice(_OBJECTS[kind.name](file), most + 1))
            looked.whole &= len(texts) <= most
            looked.texts += texts[:most]
            return min(len(texts), most)
        try:
            rows, whole = _rows(file, kind, most, looked)
        except Exception:
            kind.check(file)  # it says better than a parser what is wrong, such as of another encoding
            raise
    looked.whole &= whole
    looked.tables.append(rows)
    return len(rows)


def _rows(file: File, kind: Format, most: int, looked: _Looked) -> tuple[pa.Table, bool]:
    schema = kind.columns(file, Contract)
    twice = {name for name, times in Counter(schema.names).items() if times > 1}
    looked.twice |= twice
    schema = pa.schema([one for one in schema if one.name not in twice])
    textual = kind.name in _TEXTUAL  # of a sheet, that cells are texts must not be asked for
    told = {one.name: STR if textual else of_type(one.type) or STR for one in schema}
    contract = contract_of("Sample", {name: Field(type=one | None) for name, one in told.items()})
    parts: list[pa.Table] = []
    count = 0
    for batch in read_batches(file, contract, most):
        if MALFORMED in batch.column_names:
            sound = batch.filter(pc.is_null(batch[MALFORMED]))
            looked.broken += len(batch) - len(sound)
            batch = sound  # of the other lines nothing is known
        parts.append(batch.select(schema.names))
        count += batch.num_rows
        if count > most:
            break
    rows = pa.concat_tables(parts) if parts else schema.empty_table()
    return rows.slice(0, most), count <= most


def _of_objects(name: str, looked: _Looked) -> Sample:
    return sample_of(name, objects_of(looked.texts), looked.whole)


def _of_tables(name: str, kind: Format, looked: _Looked) -> Sample:
    columns = dict.fromkeys(name for table in looked.tables for name in table.column_names)
    arrays: dict[str, pa.ChunkedArray] = {}
    mixed: set[str] = set()
    for column in columns:
        arrays[column], agree = _united([_column(table, column) for table in looked.tables])
        mixed |= set() if agree else {column}
    loose = frozenset(columns if kind.name in _TEXTUAL else ())
    lacking = {one: sum(one not in table.column_names for table in looked.tables) for one in columns}
    some = {one: times for one, times in lacking.items() if times}
    notes = [f"{one}: not in {times:,} of {looked.files:,} files, and so null there." for one, times in some.items()]
    notes += [f"Left out, {one}: a file has it twice." for one in sorted(looked.twice - columns.keys())]
    if looked.broken:
        notes.append(f"{looked.broken:,} lines have more or fewer fields than the header: quarantined.")
    if kind.name in _TEXTUAL and len(columns) == 1 and (marks := _MARKS & set("".join(columns))):
        notes.append(f"One column, with {min(marks)!r} in its name: if that parts columns, export it with commas.")
    rows = pa.table(arrays)
    within, listed = _nested(name, rows, looked.whole)
    return Sample(
        name,
        rows,
        {},
        looked.whole,
        loose,
        mixed=frozenset(mixed),
        lacking=frozenset(some),
        within=within,
        listed=listed,
        notes=tuple(notes),
    )


def _nested(name: str, rows: pa.Table, whole: bool) -> tuple[dict[str, Sample], frozenset[str]]:
    """Return what columns of structs, and of lists of them, hold; and which of them are lists."""
    within: dict[str, Sample] = {}
    listed: set[str] = set()
    for column in rows.column_names:
        values = rows[column].combine_chunks()
        is_list = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
        values = values.flatten() if is_list else values
        if pa.types.is_struct(values.type) and values.type.num_fields:
            names = [values.type.field(at).name for at in range(values.type.num_fields)]
            inner = pa.table(values.filter(values.is_valid()).flatten(), names)
            called = f"{name}.{column}"
            deeper, lists = _nested(called, inner, whole)
            within[column] = Sample(called, inner, {}, whole, within=deeper, listed=lists)
            listed |= {column} if is_list else set()
    return within, frozenset(listed)


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows)])
    values = table[name]
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _united(parts: Sequence[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, bool]:
    """The values of a column of all files in one type, and whether there is one; else as texts, if they can be."""
    tables = [pa.table({"x": one}) for one in parts]
    try:
        return pa.concat_tables(tables, promote_options="permissive")["x"], True
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [[None if one is None else str(one) for one in part.to_pylist()] for part in parts]
        return pa.chunked_array([pa.array(one, pa.string()) for one in texts]), False
