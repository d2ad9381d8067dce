"""Versions of models that nothing needs any more, removed: what serves, what decided and what is declared stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.declare.project import DECISIONS_OF
from headrace.errors import Fault, HeadraceError
from headrace.run.checks import check
from headrace.run.lock import one_at_a_time
from headrace.run.pins import readable
from headrace.run.project import LoadedProject
from headrace.run.versions import version_named

if TYPE_CHECKING:
    from headrace.learn import Registry, Version


@dataclass(frozen=True)
class Cleaned:
    """What was removed, or would be, and what stays.

    Args:
        removed: versions.
        kept: versions, each with why it stays.
        files: that no version has any more.
        bytes: of these files.
        dry_run: whether nothing was done.
    """

    removed: tuple[Version, ...]
    kept: tuple[tuple[Version, str], ...]
    files: int
    bytes: int
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        return {
            "ok": True,
            "dry_run": self.dry_run,
            "removed": [{"model": one.name, "version": one.number} for one in self.removed],
            "kept": [{"model": one.name, "version": one.number, "why": why} for one, why in self.kept],
            "files": self.files,
            "bytes": self.bytes,
        }


def clean_models(loaded: LoadedProject, older_us: int, *, dry_run: bool = False) -> Cleaned:
    """Remove versions that are older than a time and that nothing needs, with their files.

    What stays, however old it is: a version with an alias, one that a decision on record names, the champion before
    the present one, and the one that was trained from what is declared now. A clean that was killed is finished by the
    next.

    Args:
        loaded: the project.
        older_us: how long a version stays after its registration, microseconds.
        dry_run: whether only to say what would be removed.

    Raises:
        HeadraceError: HR-LAKE-016 for decisions that cannot be read, HR-LEARN-019 and 030 for a registry that cannot;
            HR-RUN-001 when a run is going on.
    """
    registry = loaded.registry()
    with one_at_a_time(loaded.state_dir):
        before = clock.now_us() - older_us
        needed = _needed(loaded, registry)
        removed: list[Version] = []
        kept: list[tuple[Version, str]] = []
        for one in registry.versions():
            why = needed.get((one.name, one.number), "" if one.created_us < before else "is not old enough")
            if why:
                kept.append((one, why))
            else:
                removed.append(one)
        return _done(registry, removed, kept, dry_run=dry_run)


def remove_version(loaded: LoadedProject, model: str, version: str) -> Cleaned:
    """Remove one version, whatever its age.

    Args:
        loaded: the project.
        model: its name.
        version: number.

    Raises:
        HeadraceError: HR-LEARN-035 when it has an alias or decisions name it; as of ``clean_models``.
    """
    registry = loaded.registry()
    with one_at_a_time(loaded.state_dir):
        one = version_named(loaded, registry, model, version)
        digests = _decided(loaded)
        why = _of_itself(one, digests)
        if why:
            found = f"version {one.number} of {model}, which {why}"
            cure = "leave it: what it decided could not be explained" if one.digest in digests else "promote another"
            raise HeadraceError(Fault("HR-LEARN-035", "", found, "a version that nothing needs", cure))
        return _done(registry, [one], [], dry_run=False)


def _done(registry: Registry, removed: list[Version], kept: list[tuple[Version, str]], *, dry_run: bool) -> Cleaned:
    files = registry.unnamed(removed)
    size = sum(path.stat().st_size for path in files)
    if not dry_run and (removed or files):
        registry.remove(removed)
    return Cleaned(tuple(removed), tuple(kept), len(files), size, dry_run)


def _needed(loaded: LoadedProject, registry: Registry) -> dict[tuple[str, int], str]:
    """Versions that stay however old they are, with why."""
    versions, digests = registry.versions(), _decided(loaded)
    found = {(one.name, one.number): why for one in versions if (why := _of_itself(one, digests))}
    for one in versions:
        if "champion" in one.aliases and one.promotions and one.promotions[-1]["replaced"] is not None:
            found.setdefault((one.name, one.promotions[-1]["replaced"]), "was the champion before the present one")
    for one in _of_the_declaration(loaded, registry):
        found.setdefault((one.name, one.number), "was trained from what is declared now")
    return found


def _of_itself(version: Version, digests: Mapping[str, int]) -> str:
    if version.aliases:
        return f"is the {' and '.join(version.aliases)}"
    decisions = digests.get(version.digest, 0)
    return f"is named by {decisions:,} decisions on record" if decisions else ""


def _of_the_declaration(loaded: LoadedProject, registry: Registry) -> list[Version]:
    from headrace.learn.champion import version_of

    if any(fault.severity == "error" for fault in check(loaded.project)):
        return []
    found = (version_of(model, registry) for model in loaded.project.all_models.values())
    return [one for one in found if one is not None]


def _decided(loaded: LoadedProject) -> dict[str, int]:
    """Decisions on record by the digest of the model file that scored them, those that wait for the lake included.

    By digest and not by number: numbers of a server and of the folder's own database are others.
    """
    from headrace.serve.drain import drain

    if (loaded.state_dir / "spool").exists():
        drain(loaded)
    lake, found = loaded.lake(), dict[str, int]()
    for table in readable(lake):
        if not table.startswith(DECISIONS_OF.format("")) or "model_digest" not in lake.schema(table).names:
            continue
        counted = lake.sql(f'select model_digest, count(*) as n from "{table}" group by all', reads=[table])
        for digest, n in zip(counted["model_digest"].to_pylist(), counted["n"].to_pylist(), strict=True):
            found[digest] = found.get(digest, 0) + n
    return found
