"""Versions of tables that something on record names, and that must stay readable: sets, models, decisions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.declare.project import DECISIONS_OF
from headrace.errors import Fault, HeadraceError
from headrace.run.champions import registry
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.lake import Lake

Pins = dict[str, set[int]]


def pinned(loaded: LoadedProject) -> Pins:
    """Return by table the versions that training sets, registered models and decisions on record name.

    Raises:
        HeadraceError: HR-LAKE-016 for a manifest that cannot be read, HR-LEARN-019 for such a registry.
    """
    found: Pins = {}
    named = [_manifest(loaded, path) for path in sorted((loaded.state_dir / "sets").glob("*/*/manifest.json"))]
    named += [dict(record.origin.data) for record in registry(loaded).records()]
    for versions in named:
        for table, number in versions.items():
            found.setdefault(table, set()).add(number)
    lake = loaded.lake()
    whole = [name for name in readable(lake) if "_seq" not in lake.schema(name).names]
    for decisions in (name for name in whole if name.startswith("decisions_")):
        for table, numbers in _decided(lake, decisions, whole).items():
            found.setdefault(table, set()).update(numbers)
    return found


def is_named(loaded: LoadedProject, table: str) -> bool:
    """Return whether a training set, a registered model or a decision on record names a table: as it was, or at all.

    Raises:
        HeadraceError: as of ``pinned``.
    """
    import pyarrow.compute as pc

    lake = loaded.lake()
    if pinned(loaded).get(table):
        return True
    horizons = (
        batch.column("horizon")
        for decisions in readable(lake)
        if decisions.startswith("decisions_")
        for batch in lake.batches(decisions, columns=["horizon"])
    )
    return any(pc.any(pc.match_substring(horizon, f'"{table}":')).as_py() for horizon in horizons)


def readable(lake: Lake) -> list[str]:
    """Return the tables but for those of others that cannot be read; a record of decisions is ours, and must be.

    Raises:
        HeadraceError: HR-LAKE-016 for decisions that cannot be read, so that nobody knows what they name.
    """
    there = lake.readable()
    lost = [one for one in lake.tables() if one not in there and one.startswith(DECISIONS_OF.format(""))]
    if lost:
        found, cure = f"{lost[0]}, the record of decisions, which cannot be read", "restore it from a copy"
        raise HeadraceError(Fault("HR-LAKE-016", "", found, "a record that says what is needed", cure))
    return there


def _manifest(loaded: LoadedProject, path: Path) -> dict[str, int]:
    try:
        return {str(table): int(n) for table, n in json.loads(path.read_text(encoding="utf-8"))["versions"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        place = path.relative_to(loaded.state_dir).as_posix()
        cure = "remove the folder of this set, or restore it from a copy; nothing was removed"
        found = "a training set that does not say which versions it came from"
        raise HeadraceError(Fault("HR-LAKE-016", place, found, "a manifest that can be read", cure)) from error


def _decided(lake: Lake, decisions: str, whole: list[str]) -> Pins:
    """Tables without a sequence are replaced as a whole: a decision names the version of each that it saw."""
    import pyarrow.compute as pc

    found: Pins = {}
    for batch in lake.batches(decisions, columns=["horizon"]):
        for table in whole:
            seen = pc.extract_regex(batch.column("horizon"), rf'"{table}": ?(?P<version>\d+)').drop_null()
            numbers = pc.unique(pc.struct_field(seen, "version")).to_pylist()
            found.setdefault(table, set()).update(int(number) for number in numbers)
    return found
