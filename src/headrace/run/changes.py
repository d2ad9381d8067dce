"""``plan``: what would change against the last run, in which parts, and what that invalidates downstream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.declare import Model, Node, Stream, Table, kind_of, node_id, sources_of
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError
from headrace.run.champions import champion_warnings, without_registry
from headrace.run.declared import Declared, closure, is_source, upstream
from headrace.run.differences import differences
from headrace.run.evolving import Verdict, only_adds, require_sound_evolution, verdicts
from headrace.run.gone import gone_files, kept_out
from headrace.run.journal import Journal
from headrace.run.outdated import left_behind
from headrace.run.planned import planned
from headrace.run.project import LoadedProject
from headrace.run.reasons import BY_HAND, UNTRAINED, reasons
from headrace.run.sheets import html_of
from headrace.run.steps import as_loaded, by_hand, settled, source_files, steps_of
from headrace.run.tagged import Tags, tags_touched
from headrace.run.training import trained_before, training_inputs
from headrace.run.unread import unread_files


@dataclass(frozen=True)
class Change:
    """One node that is ``added``, ``changed`` or ``removed``.

    ``parts`` says what in it, as ``path: old -> new``; ``tags`` the privacy tags and units of columns and features that
    it touches.
    """

    node: str
    action: str
    parts: tuple[str, ...] = ()
    place: str = ""
    tags: Tags = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the change as plain values for ``--json``."""
        said = {"node": self.node, "action": self.action, "parts": list(self.parts), "place": self.place}
        return said | {"tags": {name: list(tags) for name, tags in self.tags.items()}}

    @property
    def lines(self) -> tuple[str, ...]:
        """What in it changes, and the tags that this touches, a line for each."""
        return (*self.parts, *([f"touches {self.tagged}"] if self.tags else []))

    @property
    def tagged(self) -> str:
        """The tags that it touches, as one reads them; empty where there are none."""
        return "; ".join(f"{name}: {', '.join(tags)}" for name, tags in self.tags.items())


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
        queries: table by query that is to be brought up to date, to how, and what that can read at most.
        warnings: what is to be known, such as a champion that was trained from another declaration.
        evolution: node to what its changed contract is for the rows in the lake and for what reads them.
        asked: source to the address that a run asks for what is new: whether there is anything, is not looked up.
        outdated: table by query or set to why it is not up to date with what is in the lake already.
    """

    first: bool
    changes: tuple[Change, ...]
    files: Mapping[str, tuple[str, ...]]
    invalidated: tuple[Invalidated, ...]
    training: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()
    evolution: Mapping[str, Verdict] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    outdated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        return bool(self.changes or self.files or self.outdated)

    @property
    def refused(self) -> tuple[Fault, ...]:
        """Changes that the next run refuses, each with what it would break."""
        return tuple(fault for one in self.evolution.values() for fault in one.faults)

    def as_dict(self) -> dict[str, Any]:
        """Return the changes as plain values for ``--json``."""
        return {
            "ok": True,
            "first_run": self.first,
            "anything": self.any,
            "changes": [one.as_dict() for one in self.changes],
            "files": {name: list(why) for name, why in self.files.items()},
            "outdated": {name: list(why) for name, why in self.outdated.items()},
            "invalidated": [one.as_dict() for one in self.invalidated],
            "training": {name: list(why) for name, why in self.training.items()},
            "evolution": [one.as_dict() for one in self.evolution.values()],
            "queries": dict(self.queries),
            "asked": dict(self.asked),
            "faults": [fault.as_dict() for fault in (*self.refused, *self.warnings)],
        }

    def __repr__(self) -> str:
        if not self.any and not self.training:
            return "\n".join(["nothing would change", *map(str, self.warnings)])
        lines = [f"{one.action} {one.node}" + "".join(f"\n    {part}" for part in one.lines) for one in self.changes]
        lines += [f"{name}: {', '.join(why)}" for name, why in {**self.files, **self.outdated}.items()]
        lines += [f"invalidates {one.node} (because of {', '.join(one.because)})" for one in self.invalidated]
        lines += [f"{name}: {how}" for name, how in self.queries.items()]
        lines += [f"* train {name}: {', '.join(why)}" for name, why in self.training.items()]
        lines += map(str, (*self.refused, *self.warnings))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(one.node, one.action, "; ".join(one.lines)) for one in self.changes]
        rows += [(name, "files", ", ".join(why)) for name, why in self.files.items()]
        rows += [(name, "outdated", ", ".join(why)) for name, why in self.outdated.items()]
        rows += [(one.node, "invalidated", f"because of {', '.join(one.because)}") for one in self.invalidated]
        rows += [(name, "by query", how) for name, how in self.queries.items()]
        rows += [(name, "to train", ", ".join(why)) for name, why in self.training.items()]
        title = "What the next run would change" if rows else "Nothing would change"
        line = "no completed run yet" if self.first else f"{len(rows):,} in all"
        return html_of(Sheet(title, line, ("what", "how", "why"), tuple(rows)), faults=(*self.refused, *self.warnings))


def plan_changes(loaded: LoadedProject) -> Changes:
    """Return what would change if the project ran now; nothing is done.

    Raises:
        HeadraceError: when the declarations have faults; of contracts that broke what reads them first.
    """
    require_sound_evolution(loaded)
    declared = Declared(loaded.project, sound=True)
    path = loaded.state_dir / "run.db"
    with Journal(path) if path.exists() else nullcontext(None) as journal:
        before = None if journal is None else journal.snapshot()
        files, growing = _files(loaded, journal)
        left = left_behind(steps_of(loaded, declared), journal)
        outdated = _outdated(left, loaded.project.nodes(), growing)
        made = _queries(loaded, declared, journal, growing, left)
        growing |= made
        training = _training(loaded, declared, journal, growing)
    evolution = verdicts(loaded)
    changes = tuple(
        _judged(one, evolution) for one in _changes(before or {}, declared.snapshot, loaded.project.nodes())
    )
    if before is not None:
        changes = _with_tags(changes, before, declared.snapshot, loaded)
    invalidated = _invalidated(changes, growing, left, before or {}, declared, loaded)
    gone = (
        told(source, loaded.folder, loaded.lake())
        for source in sources_of(loaded.project)
        if source.name in files
        for told in (gone_files, kept_out)
    )
    unread = unread_files(sources_of(loaded.project), loaded.folder)
    warnings = (*gone, unread, *champion_warnings(loaded, loaded.project.all_models.values()))
    known = tuple(fault for fault in warnings if fault is not None)
    how = {} if before is None else planned(loaded, declared, made)
    asked = {one.name: one.origin.address for one in sources_of(loaded.project) if one.origin is not None}
    return Changes(before is None, changes, files, invalidated, training, known, evolution, how, asked, outdated)


def _outdated(
    left: Mapping[str, tuple[str, ...]], nodes: Mapping[str, Node], growing: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """What earlier runs left behind, but for what follows from new rows, or from others that are left behind."""
    found = {}
    for name, why in left.items():
        above = {node_id(one): one for one in upstream(nodes[name], nodes) if is_source(one)}
        if not any(one.name in growing or (other != name and other in left) for other, one in above.items()):
            found[name] = why
    return found


def _training(
    loaded: LoadedProject, declared: Declared, journal: Journal | None, growing: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Why each model is to be trained, by what it was trained from and by the set that the next run will build."""
    found = {}
    for name, model in loaded.project.all_models.items():
        done = None if journal is None else journal.step(f"model:{name}")
        why = UNTRAINED
        if done is not None:
            cases = _cases_to_come(model, loaded, growing)
            if cases is not None and _is_trained(model, cases, loaded):
                continue
            inputs = training_inputs(model, declared, journal)
            why = reasons(done.inputs, inputs | {f"cases {model.cases.name}": cases or "of rows to come"})
        if why:
            found[name] = why
    return found


def _is_trained(model: Model, cases: str, loaded: LoadedProject) -> bool:
    """Whether a version of this declaration and set is there, as far as that can be known: a warning tells of more."""
    with without_registry():
        return trained_before(model, cases, loaded) is not None
    return False


def _cases_to_come(model: Model, loaded: LoadedProject, growing: Collection[str]) -> str | None:
    """The fingerprint that the model's set will have after the next run; None where new rows will decide that."""
    from headrace.learn.trainingset import fingerprint_now

    read = upstream(model.cases, loaded.project.nodes())
    if any(one.name in growing for one in read if is_source(one)):
        return None
    try:
        return fingerprint_now(model.cases, loaded.lake())
    except HeadraceError:  # a table that is not loaded yet
        return None


def _files(loaded: LoadedProject, journal: Journal | None) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """New, changed and missing files of each source, and the sources to which rows will come of them.

    A source that was never loaded shows all of its files. A file that is gone takes no rows out of the lake.
    """
    found, growing = dict[str, tuple[str, ...]](), set[str]()
    for source in sources_of(loaded.project):
        if source.source is None:
            continue
        done = None if journal is None else journal.step(f"ingest:{source.name}")
        if source.origin is not None:  # what is new there, only a run asks
            if done is None:
                found[source.name] = (f"reads {source.origin.address}",)
                growing.add(source.name)
            continue
        before = {} if done is None else {k: v for k, v in done.inputs.items() if k.startswith(("file ", *BY_HAND))}
        now = by_hand(source, loaded.lake())
        with suppress(HeadraceError):  # none yet, or none any more: the run says so
            now |= source_files(source, loaded.folder)
        same = as_loaded(source, loaded.folder, loaded.lake())
        now = settled(before, now, same)
        why = reasons(before, now)
        since = None if done is None else done.figures.get("version")
        if not why and since is not None and loaded.lake().exists(source.name):
            why = () if loaded.lake().version(source.name) == since else ("rows that came since the last run",)
            growing |= {source.name} if why else set()
        if why:
            found[source.name] = why
        files = {key: value for key, value in now.items() if key.startswith(("file ", *BY_HAND))}
        if any(before.get(key) != value and not same(key, True) for key, value in files.items()):
            growing.add(source.name)
    return found, growing


def _queries(
    loaded: LoadedProject,
    declared: Declared,
    journal: Journal | None,
    growing: Collection[str],
    left: Collection[str],
) -> set[str]:
    """Tables by query that the next run will make anew: from rows to come, or from those that they do not have yet."""
    nodes, stirred = loaded.project.nodes(), {*growing, *(name.removeprefix("table:") for name in left)}
    tables = [one for one in loaded.project.tables.values() if one.query is not None]
    for table in tables:
        done = None if journal is None else journal.step(f"query:{table.name}")
        if done is None or not declared.own(node_id(table)).items() <= done.inputs.items():
            stirred.add(table.name)
    return {one.name for one in tables if any(is_source(up) and up.name in stirred for up in upstream(one, nodes))}


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], nodes: Mapping[str, Node]) -> Iterator[Change]:
    old, new = before.get("nodes", {}), now["nodes"]
    for name in nodes:
        if name not in old:
            yield Change(name, "added", (), nodes[name].place)
        elif _compared(old[name]) != _compared(new[name]):
            yield Change(name, "changed", tuple(differences(old[name], new[name])), nodes[name].place)
    for name in old:
        if name not in new:
            yield Change(name, "removed")


def _compared(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node without its words: another spelling is no change."""
    return {key: value for key, value in node.items() if key != "words"}


def _with_tags(
    changes: tuple[Change, ...], before: Mapping[str, Any], now: Mapping[str, Any], loaded: LoadedProject
) -> tuple[Change, ...]:
    names = [one.node for one in changes]
    found = tags_touched(names, before.get("nodes", {}), now["nodes"], loaded.project)
    return tuple(replace(one, tags=found.get(one.node, {})) for one in changes)


def _judged(change: Change, evolution: Mapping[str, Verdict]) -> Change:
    """Say what a changed contract is for the rows in the lake, which were accepted under another one."""
    verdict = evolution.get(change.node)
    return change if verdict is None else replace(change, parts=(*change.parts, *verdict.lines()))


def _invalidated(
    changes: tuple[Change, ...],
    growing: Collection[str],
    left: Collection[str],
    before: Mapping[str, Any],
    declared: Declared,
    loaded: LoadedProject,
) -> tuple[Invalidated, ...]:
    """Everything that was there before and is downstream of a change of meaning, or of new rows."""
    nodes, old = loaded.project.nodes(), before.get("nodes", {})
    touched = {
        name
        for name in nodes
        if name in old
        and old[name]["fingerprint"] != declared.fingerprints[name]
        and not only_adds(old[name]["meaning"], declared.snapshot["nodes"][name]["meaning"])
    }
    touched |= {name for name, node in nodes.items() if node.name in growing and is_source(node)} | {*left}
    touched |= {one.node for one in changes if one.action in ("added", "removed")}
    found = []
    for name, node in nodes.items():
        used = [node_id(one) for one in upstream(node, nodes) if node_id(one) != name]
        used += [one for one in old.get(name, {}).get("uses", ()) if one not in used]
        because = tuple(one for one in used if one in touched)
        if because and name in old:
            found.append(Invalidated(name, because, owners(node, loaded)))
    return tuple(found)


def owners(node: Node, loaded: LoadedProject) -> tuple[str, ...]:
    """Return who answers for a node: the owners of the data that it is made from, and the charter's."""
    found = [one.owner for one in closure(node) if isinstance(one, Stream | Table) and one.owner]
    charter = loaded.project.charter
    if charter is not None and charter.owner and kind_of(node) in ("model", "service"):
        found.append(charter.owner)
    return tuple(dict.fromkeys(found))
