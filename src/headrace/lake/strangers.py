"""What other programs wrote into the lake: taken as it is where it can be read right, else refused clearly."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

from headrace.errors import Fault, HeadraceError
from headrace.lake.bucket import Place, place, source
from headrace.lake.log import lifetimes, ordered
from headrace.lake.parts import OURS

_HARMLESS = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "variantType", "typeWidening"}
"""Features of a Delta table whose files still hold its rows and columns as they are."""
_KEPT = {
    "appendOnly",
    "invariants",
    "checkConstraints",
    "generatedColumns",
    "changeDataFeed",
    "timestampNtz",
    "v2Checkpoint",
    "variantType",
}
"""Features that ask nothing of a writer unless a setting or a column makes use of them, or that deltalake keeps."""
_ASKED = {"delta.invariants", "delta.generationExpression", "delta.identity.start"}
"""With a column, whose values its writer has to check or to make."""
_CURES = {
    "deletionVectors": "switch delta.enableDeletionVectors off there and run REORG TABLE … APPLY (PURGE), in Spark",
    "columnMapping": "switch column mapping off there, or write it as a new table",
}
_UNKNOWN = "Unsupported"
"""What deltalake says of a feature that is newer than itself; all else that it cannot open is damaged."""


def require_plain(name: str, table: deltalake.DeltaTable) -> None:
    """Refuse a table whose files alone do not say what its rows are (HR-LAKE-026)."""
    special = sorted({*(table.protocol().reader_features or ()), *_mapped(table)} - _HARMLESS)
    if columns := table.metadata().partition_columns:
        found, cure = f"{name}, partitioned by {', '.join(columns)}", "write it without partitions, or declare a source"
    elif special:
        found = f"{name}, with {', '.join(special)}"
        cure = next((_CURES[one] for one in special if one in _CURES), "write it as a plain table, or declare a source")
    else:
        return
    expected = "a Delta table whose files hold all of its columns and no other rows"
    raise HeadraceError(Fault("HR-LAKE-026", "", found, expected, cure))


def cannot_open(name: str, error: Exception) -> HeadraceError:
    """Return what is said of a table that cannot be opened: of a feature that is unknown here, or with a broken log."""
    found = f"{name}, of which is told: {str(error).strip().splitlines()[0]}"
    expected, cure = "a Delta table that can be opened", "write it as a plain table, or declare a source"
    if _UNKNOWN not in found:
        expected, cure = "a log that is whole, in its _delta_log", "restore the folder of the table from a copy"
    return HeadraceError(Fault("HR-LAKE-026", "", found, expected, cure))


def empty(name: str) -> Fault:
    """Return what is said of a table whose log has no commit, as one has whose drop was killed."""
    found, cure = f"{name} with an empty log: its drop was killed, or it is being made", f"headrace lake drop {name}"
    return Fault("HR-LAKE-001", "", found, "a table that has a version", cure)


def _mapped(table: deltalake.DeltaTable) -> set[str]:
    """Name the feature of tables that are older than names of features."""
    mode = table.metadata().configuration.get("delta.columnMapping.mode")
    return set() if mode in (None, "none") else {"columnMapping"}


def require_writable(name: str, table: deltalake.DeltaTable, *, removes: bool = False) -> None:
    """Refuse a table that asks of its writers what Headrace does not do (HR-LAKE-027), before anything is written.

    Args:
        name: of the table.
        table: the version that is to be written to.
        removes: whether rows are taken out of it.
    """
    require_plain(name, table)
    settings = table.metadata().configuration
    features = sorted({*(table.protocol().writer_features or ())} - _KEPT)
    rules = sorted(one.rpartition(".")[2] for one in settings if one.startswith("delta.constraints."))
    marked = [field.name for field in table.schema().fields if _ASKED & {*field.metadata}]
    if features:
        found = f"{name}, with {', '.join(features)}"
        cure = f"write to it in the program that made it, or there: ALTER TABLE … DROP FEATURE {features[0]}"
    elif rules:
        found = f"{name}, with the check constraint {', '.join(rules)}, which Headrace does not check"
        cure = f"write to it in a program that does, or there: ALTER TABLE … DROP CONSTRAINT {rules[0]}"
    elif marked:
        found = f"{name}, with {', '.join(marked)}, which is generated, numbered or checked by its writer"
        cure = "write to it in the program that made it"
    elif removes and str(settings.get("delta.appendOnly")).lower() == "true":
        found = f"{name}, with delta.appendOnly, of which rows would be taken out"
        cure = "append to it, or unset delta.appendOnly where the table was made"
    else:
        return
    expected = "a Delta table that asks nothing more of its writers"
    raise HeadraceError(Fault("HR-LAKE-027", "", found, expected, cure))


def require_sequence(path: Place, table: deltalake.DeltaTable) -> None:
    """Refuse rows of a table with a sequence that other programs appended without one (HR-LAKE-025).

    When they were known nobody can tell, and no window, training set or parity check could say whether it sees them.
    """
    columns = {field.name for field in table.schema().fields}
    if "_seq" not in columns:
        return
    bad = [one["path"] for one in ordered(table) if not OURS.fullmatch(one["path"]) and _lacks(path, one)]
    if not bad:
        return
    found = f"rows in {path.name} without _seq, which another program wrote: {', '.join(bad[:3])}"
    cure = f"headrace lake restore {path.name} --version {_before(path, table, bad)}, and a source for those rows"
    raise HeadraceError(Fault("HR-LAKE-025", "", found, "rows that a source, or the lake itself, has numbered", cure))


def alike(files: Sequence[str], schema: pa.Schema) -> list[tuple[tuple[str, ...], list[str]]]:
    """Return files that follow one another and are read alike, with the columns whose times lack their zone in them.

    Spark writes times as INT96 unless it is told otherwise: moments of UTC that do not say so.
    """
    zoned = [one.name for one in schema if pat.is_timestamp(one.type) and one.type.tz is not None]
    found = ((_naive(file, zoned), file) for file in files)
    return [(naive, [file for _, file in some]) for naive, some in itertools.groupby(found, key=lambda one: one[0])]


def _naive(file: str, zoned: Sequence[str]) -> tuple[str, ...]:
    if not zoned or OURS.fullmatch(place(file).name):
        return ()
    held = pq.read_schema(source(file))
    return tuple(one for one in zoned if one in held.names and held.field(one).type.tz is None)


def _lacks(path: Place, file: Mapping[str, Any]) -> bool:
    """Whether a file has rows without a sequence: as the log says, or, where it does not, as the file itself does."""
    nulls = file.get("null_count._seq")
    if nulls is not None:
        return bool(nulls)
    with pq.ParquetFile(source(path / file["path"])) as held:
        if "_seq" not in held.schema_arrow.names:
            return bool(held.metadata.num_rows)
        return bool(held.read(["_seq"])["_seq"].null_count > 0)


def _before(path: Place, table: deltalake.DeltaTable, files: Iterable[str]) -> int:
    """Return the newest version that has none of some files."""
    added = [one.added for one in lifetimes(path)[0] if one.path in set(files)]
    return max(min(added, default=int(table.version())) - 1, 0)
