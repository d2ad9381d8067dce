"""What a look at data finds: values that a first project is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from headrace.connect.survey.objects import Objects
from headrace.declare import Field
from headrace.errors import Fault

SAMPLE_ROWS = 100_000
"""Rows that are looked at."""


@dataclass(frozen=True)
class Known:
    """What a catalogue knows of a column.

    Args:
        declared: its type, in the database's words.
        nullable: whether it may be null.
        unique: whether the catalogue keeps it unique.
        comment: of its owner.
        values: of an enumeration.
        refers: ``table.column`` that it refers to.
        changes: whether the database sets it whenever a row changes.
    """

    declared: str = ""
    nullable: bool = True
    unique: bool = False
    comment: str = ""
    values: tuple[str, ...] = ()
    refers: str = ""
    changes: bool = False


@dataclass(frozen=True)
class Catalogue:
    """What a database knows of a table: its columns, its key, and checks as SQL."""

    columns: Mapping[str, Known] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    comment: str = ""
    dialect: str = ""


@dataclass(frozen=True)
class Sample:
    """Rows that were looked at.

    Args:
        name: of the stream or table to be.
        rows: in the types of the origin.
        kinds: type of each column where it is more than its rows tell, such as times that arrive as text.
        whole: whether these are all rows.
        loose: columns whose text may be of any type, as in a file of text; of other text only times are guessed.
        timed: whether other text may be times.
        mixed: columns of values of several types.
        lacking: columns that some of the files do not have.
        catalogue: of a database.
        within: of columns that nest objects, these objects.
        listed: those of them that hold lists.
        columns: what columns are called in the source whose names here are made, by these.
        looked: at how many files of how many, or which part of an answer; empty where there is but one thing.
        notes: for whoever corrects the contract.
    """

    name: str
    rows: pa.Table
    kinds: Mapping[str, pa.DataType]
    whole: bool
    loose: frozenset[str] = frozenset()
    timed: bool = True
    mixed: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    catalogue: Catalogue = Catalogue()
    within: Mapping[str, Sample] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    columns: Mapping[str, str] = field(default_factory=dict)
    looked: str = ""
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """Return what the source calls a column."""
        return self.columns.get(name, name)


@dataclass(frozen=True)
class Guess:
    """A field, and what its reader should know of how it was guessed."""

    field: Field
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A stream or table as it was found.

    Args:
        name: of the stream or table.
        stream: whether its rows are events.
        doc: one sentence for the contract.
        fields: guessed, in the order of the columns.
        left_out: columns that no contract can have, and why.
        notes: for whoever corrects it.
        rows: looked at.
        whole: whether these are all.
        address: as it is declared, without secrets.
        table: in a database, or collection, where it is another than the name, else empty; of an API, where its rows
            are.
        cursor: by which new rows are known, or empty.
        columns: field to what its column is called in the source, where that is not the field's own name.
        pages: of an API, how the next page is found, where its answer shows that.
        params: of its query, where counting begins at another page than the first.
    """

    name: str
    stream: bool
    doc: str
    fields: tuple[Guess, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    whole: bool
    address: str
    table: str = ""
    cursor: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    pages: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """All that was found at an address.

    Args:
        found: streams and tables.
        kind: of origin: ``files``, ``Database``, ``Collection`` or ``Api``.
        secrets: names of the environment that have to be set before a run.
        unread: warnings about what was looked at and is of no source: files that cannot be read, rows without a column
            that a contract can have.
    """

    found: tuple[Found, ...]
    kind: str
    secrets: tuple[str, ...] = ()
    unread: tuple[Fault, ...] = ()


def sample_of(name: str, objects: Objects, whole: bool) -> Sample:
    """Return objects as a sample, with those that they nest."""
    within = {column: sample_of(f"{name}.{column}", inner, whole) for column, inner in objects.within.items()}
    seen = Sample(name, objects.rows, {}, whole, objects.loose, mixed=objects.mixed)
    return replace(seen, within=within, listed=objects.listed)


def nothing(place: str, found: str) -> Fault:
    """Return what is said of an address where nothing can be looked at."""
    cure = "name a file, a folder, a glob, or a database or an API that has rows"
    return Fault("HR-SOURCE-036", place, found, "data that can be looked at", cure)
