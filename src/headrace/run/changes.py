"""``plan``: what would change against the last run, in which parts, and what that invalidates downstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.declare import Node, Stream, Table, kind_of, node_id
from headrace.errors import HeadraceError
from headrace.run.checks import require_sound
from headrace.run.declared import Declared, closure, sources_of
from headrace.run.differences import differences
from headrace.run.journal import Journal
from headrace.run.project import LoadedProject
from headrace.run.reasons import reasons
from headrace.run.steps import as_loaded, settled, source_files
from headrace.run.training import training_inputs


@dataclass(frozen=True)
class Change:
    """One node that is ``added``, ``changed`` or ``removed``; ``parts`` says what in it, as ``path: old -> new``."""

    node: str
    action: str
    parts: tuple[str, ...] = ()
    place: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the change as plain values for ``--json``."""
        return {"node": self.node, "action": self.action, "parts": list(self.parts), "place": self.place}


@dataclass(frozen=True)
class Invalidated:
    """A node that must be redone: because of what, and whose data and answers it touches."""

    node: str
    because: tuple[str, ...]
    owners: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the node as plain values for ``--json``."""
        return {"node": self.node, "because": list(self.because), "owners": list(self.owners)}


@dataclass(frozen=True)
class Changes:
    """What the next run would find changed.

    Args:
        first: whether there was no completed run yet.
        changes: of declarations.
        files: source name to reasons such as ``new file data/payments-2026-06.csv``.
        invalidated: what is downstream of all that.
        training: model name to why it is to be trained, as far as the next run can be foreseen.
    """

    first: bool
    changes: tuple[Change, ...]
    files: Mapping[str, tuple[str, ...]]
    invalidated: tuple[Invalidated, ...]
    training: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        return bool(self.changes or self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the changes as plain values for ``--json``."""
        return {
            "ok": True,
            "first_run": self.first,
            "anything": self.any,
            "changes": [one.as_dict() for one in self.changes],
            "files": {name: list(why) for name, why in self.files.items()},
            "invalidated": [one.as_dict() for one in self.invalidated],
            "training": {name: list(why) for name, why in self.training.items()},
        }

    def __repr__(self) -> str:
        if not self.any and not self.training:
            return "nothing would change"
        lines = [f"{one.action} {one.node}" + "".join(f"\n    {part}" for part in one.parts) for one in self.changes]
        lines += [f"{name}: {', '.join(why)}" for name, why in self.files.items()]
        lines += [f"invalidates {one.node} (because of {', '.join(one.because)})" for one in self.invalidated]
        lines += [f"* train {name}: {', '.join(why)}" for name, why in self.training.items()]
        return "\n".join(lines)


def plan_changes(loaded: LoadedProject) -> Changes:
    """Return what would change if the project ran now; nothing is done.

    Raises:
        HeadraceError: when the declarations have faults.
    """
    require_sound(loaded.project)
    declared = Declared(loaded.project)
    path = loaded.state_dir / "run.db"
    with Journal(path) if path.exists() else nullcontext(None) as journal:
        before = None if journal is None else journal.snapshot()
        files, training = _files(loaded, journal), _training(loaded, declared, journal)
    changes = tuple(
        _rechecked(one, loaded) for one in _changes(before or {}, declared.snapshot, loaded.project.nodes())
    )
    invalidated = _invalidated(changes, files, before or {}, declared, loaded)
    return Changes(before is None, changes, files, invalidated, training)


def _training(loaded: LoadedProject, declared: Declared, journal: Journal | None) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, model in loaded.project.all_models.items():
        done = None if journal is None else journal.step(f"model:{name}")
        why = ("not trained yet",) if done is None else reasons(done.inputs, training_inputs(model, declared, journal))
        if why:
            found[name] = why
    return found


def _files(loaded: LoadedProject, journal: Journal | None) -> dict[str, tuple[str, ...]]:
    """New, changed and missing files of each source; a source that was never loaded shows all of its files."""
    found = {}
    for source in sources_of(loaded.project):
        if source.source is None:
            continue
        done = None if journal is None else journal.step(f"ingest:{source.name}")
        before = {} if done is None else {k: v for k, v in done.inputs.items() if k.startswith("file ")}
        try:
            now = source_files(source, loaded.folder)
        except HeadraceError:
            continue  # no file yet: the run says so
        why = reasons(before, settled(before, now, as_loaded(source, loaded.folder, loaded.lake())))
        if why:
            found[source.name] = why
    return found


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], nodes: Mapping[str, Node]) -> Iterator[Change]:
    old, new = before.get("nodes", {}), now["nodes"]
    for name in nodes:
        if name not in old:
            yield Change(name, "added", (), nodes[name].place)
        elif old[name] != new[name]:
            yield Change(name, "changed", tuple(differences(old[name], new[name])), nodes[name].place)
    for name in old:
        if name not in new:
            yield Change(name, "removed")


def _rechecked(change: Change, loaded: LoadedProject) -> Change:
    """Say that rows in the lake were accepted under another contract: the next run holds them against this one."""
    kind, _, name = change.node.partition(":")
    if kind not in ("stream", "table") or not any(part.startswith("contract") for part in change.parts):
        return change
    lake = loaded.lake()
    rows = lake.rows(name) if lake.exists(name) else 0
    said = f"the next run checks the {rows:,} rows in the lake against this contract, and fails if any breaks it"
    return replace(change, parts=(*change.parts, said)) if rows else change


def _invalidated(
    changes: tuple[Change, ...],
    files: Mapping[str, tuple[str, ...]],
    before: Mapping[str, Any],
    declared: Declared,
    loaded: LoadedProject,
) -> tuple[Invalidated, ...]:
    """Everything that was there before and is downstream of a change of meaning, or of new rows."""
    nodes, old = loaded.project.nodes(), before.get("nodes", {})
    touched = {name for name in nodes if name in old and old[name]["fingerprint"] != declared.fingerprints[name]}
    touched |= {name for name, node in nodes.items() if node.name in files and _is_source(node)}
    touched |= {one.node for one in changes if one.action in ("added", "removed")}
    found = []
    for name, node in nodes.items():
        used = [node_id(one) for one in closure(node) if node_id(one) != name]
        used += [one for one in old.get(name, {}).get("uses", ()) if one not in used]
        because = tuple(one for one in used if one in touched)
        if because and name in old:
            found.append(Invalidated(name, because, owners(node, loaded)))
    return tuple(found)


def _is_source(node: Node) -> bool:
    return kind_of(node) in ("stream", "table")


def owners(node: Node, loaded: LoadedProject) -> tuple[str, ...]:
    """Return who answers for a node: the owners of the data that it is made from, and the charter's."""
    found = [one.owner for one in closure(node) if isinstance(one, Stream | Table) and one.owner]
    charter = loaded.project.charter
    if charter is not None and charter.owner and kind_of(node) in ("model", "service"):
        found.append(charter.owner)
    return tuple(dict.fromkeys(found))
