"""Training sets: exactly the spine's rows, in order, each as serving would have seen it, stored with all versions."""

from __future__ import annotations

import html
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.declare import TrainingSet
from headrace.engines.frame import KNOWN
from headrace.engines.job import LABEL, Job, Progress, lake_batches
from headrace.engines.sets import pieces
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake, exclusive
from headrace.lake.disk import FULL, sync
from headrace.plan import compile_set, set_fingerprint
from headrace.plan.meaning import Plan
from headrace.plan.snapshot import digest

if TYPE_CHECKING:
    import pandas as pd

MEMORY = 3_000_000_000
"""Bytes that building may use, about, before it spills to disk; the estimate errs on the safe side by about a half."""


@dataclass(frozen=True)
class BuiltSet:
    """A training set on disk: Parquet parts and a manifest that says what they are and what they came from.

    Args:
        path: folder of the parts.
        manifest: name, fingerprint, versions of all sources, columns, rows, what was excluded and why.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.manifest["rows"])

    @property
    def excluded(self) -> dict[str, int]:
        """Rows of the spine that are no cases, by reason."""
        return dict(self.manifest["excluded"])

    @property
    def files(self) -> list[Path]:
        """The Parquet parts, in the order of the spine."""
        return [self.path / part for part in self.manifest["parts"]]

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows in the order of the spine."""
        tables = [pq.read_table(file, columns=None if columns is None else list(columns)) for file in self.files]
        return pa.concat_tables(tables)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame; event times are UTC."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def __repr__(self) -> str:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in self.excluded.items()) or "none"
        features = len(self.manifest["features"])
        return f"BuiltSet({self.manifest['name']}: {self.rows:,} rows, {features} features; excluded: {left_out})"

    def _repr_html_(self) -> str:
        first = self.to_arrow().slice(0, 10).to_pandas().to_html(index=False)
        return f"<p>{html.escape(repr(self))}</p>{first}"


def _silent(what: str, done: int, total: int) -> None:
    pass


def build(
    cases: TrainingSet, lake: Lake, folder: Path, progress: Progress = _silent, *, memory: int = MEMORY
) -> BuiltSet:
    """Build a training set from the lake, or return it where the same was built before.

    Args:
        cases: the declaration.
        lake: with the tables of all streams that it uses.
        folder: the project's state folder; the set is stored below ``sets/``.
        progress: called with what is done, how many, and of how many.
        memory: bytes to use, about; more is spilled to disk by partitions of keys.

    Returns:
        The set. Same declaration and same versions of the sources give the same bytes.

    Raises:
        HeadraceError: when the declaration has faults, a table is missing, or the disk is full.
    """
    plan = compile_set(cases)
    versions = _versions(plan, lake)
    declaration, fingerprint = set_fingerprint(cases), _fingerprint(cases, versions)
    path = folder / "sets" / cases.name / fingerprint[:16]
    said = {"name": cases.name, "fingerprint": fingerprint, "declaration": declaration, "versions": versions}
    if (path / "manifest.json").exists() and not any(path.parent.glob("*.*")):
        return open_set(path)
    with _told(cases.name), exclusive(folder / "sets" / ".locks" / f"{cases.name}.lock"):
        if not (path / "manifest.json").exists():
            _written(_job(plan, lake, versions), path, said, memory, progress)
        _sweep(path)
        return open_set(path)


def fingerprint_now(cases: TrainingSet, lake: Lake) -> str:
    """Return the fingerprint that a set would have if it were built from the lake as it is.

    Raises:
        HeadraceError: when the declaration has faults, or a table is missing.
    """
    return _fingerprint(cases, _versions(compile_set(cases), lake))


def _fingerprint(cases: TrainingSet, versions: Mapping[str, int]) -> str:
    return digest({"declaration": set_fingerprint(cases), "versions": versions})


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what the disk refuses into a fault."""
    try:
        yield
    except OSError as error:
        full = error.errno in FULL
        found = f"{'a full disk' if full else error.strerror or 'an error of the disk'} while building {name}"
        cure = f"{'free some space' if full else 'make the state folder writable'} and run again: what was done is kept"
        raise HeadraceError(Fault("HR-SET-002", "", found, "room, and the right to write", cure)) from error


def _sweep(path: Path) -> None:
    """Remove what building this set needed, and what killed builds of other versions left behind."""
    for one in path.parent.glob("*.*"):
        # Renamed first: what is half removed must not be taken for work to go on with.
        gone = one.with_suffix(".gone")
        if one != gone:
            shutil.rmtree(gone, ignore_errors=True)
            one.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)


def open_set(path: Path) -> BuiltSet:
    """Return a set that was built before."""
    return BuiltSet(path, json.loads((path / "manifest.json").read_text()))


def _written(job: Job, path: Path, said: Mapping[str, Any], memory: int, progress: Progress) -> None:
    """Write the parts beside, then move the folder into place: a set is there as a whole or not at all."""
    fresh, work = path.with_suffix(".new"), path.with_suffix(".work")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        manifest = {**said, **_parts(job, fresh, work, memory, progress)}
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1))
        sync(*fresh.iterdir(), fresh)
        fresh.replace(path)
        sync(path.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _parts(job: Job, fresh: Path, work: Path, memory: int, progress: Progress) -> dict[str, Any]:
    """Write the pieces as Parquet parts and return what the manifest says of them."""
    parts: list[str] = []
    rows, excluded = 0, Counter[str]()
    schema = None
    for number, piece in enumerate(pieces(job, work, memory, progress)):
        parts.append(f"part-{number:05}.parquet")
        pq.write_table(piece.table, fresh / parts[-1], compression="zstd", row_group_size=250_000)
        rows += piece.table.num_rows
        schema = piece.table.schema
        excluded.update(piece.excluded)
    if schema is None:
        found = f"no rows in {job.spine}"
        cure = f"bring rows that keep its contract: those that do not are in quarantine_{job.spine}, with their reasons"
        raise HeadraceError(Fault("HR-SET-003", "", found, "a spine with rows", cure))
    return {
        "rows": rows,
        "spine": job.spine,
        "spine_rows": job.spine_rows,
        "excluded": dict(excluded),
        "features": [output.name for output in job.plan.features],
        "lineage": {output.name: list(output.lineage) for output in job.plan.features},
        "keys": [name for name in job.identity if name != job.moment],
        "event_time": job.moment,
        "label": _label(job.plan),
        "columns": {field.name: str(field.type) for field in schema},
        "parts": parts,
    }


def _label(plan: Plan) -> dict[str, Any] | None:
    if plan.label is None:
        return None
    label = plan.label.label
    said = {"source": label.source.name, "value": label.value, "on": list(label.on), "matures_us": label.matures_us}
    return {**said, "default": label.default, "column": LABEL}


def _versions(plan: Plan, lake: Lake) -> dict[str, int]:
    """Return the version of each table that the set reads."""
    names = [plan.spine.name] if plan.spine is not None else []
    names += plan.sources
    if plan.label is not None:
        names.append(plan.label.label.source.name)
    missing = [name for name in dict.fromkeys(names) if not lake.exists(name)]
    if missing:
        found = f"no table {', '.join(missing)} in the lake"
        raise HeadraceError(Fault("HR-SET-001", "", found, "loaded data", "run 'headrace run' to load it"))
    return {name: lake.version(name) for name in dict.fromkeys(names)}


def _job(plan: Plan, lake: Lake, versions: Mapping[str, int]) -> Job:
    assert plan.spine is not None
    batches = lake_batches(lake, versions)
    rows = {name: lake.rows(name, version) for name, version in versions.items()}
    horizon = None
    if plan.label is not None:
        horizon = _newest(batches(plan.label.label.source.name, []))
    return Job(plan, plan.identity, plan.spine.event_time, horizon, rows[plan.spine.name], rows, batches)


def _newest(batches: Iterator[pa.Table]) -> int:
    """Return the newest moment at which something became known: truth up to there has arrived."""
    import pyarrow.compute as pc

    newest = -(2**62)
    for batch in batches:
        if batch.num_rows:
            newest = max(newest, pc.max(batch.column(KNOWN).cast(pa.int64())).as_py())
    return newest
