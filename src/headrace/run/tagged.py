"""Tags that a change touches: of columns whose promises change or go, and of features that are made of tagged ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.declare import Project

if TYPE_CHECKING:
    from headrace.plan.lineage import Lineage, Node

Tags = Mapping[str, tuple[str, ...]]
Snapshot = Mapping[str, Any]
_SUBJECT = "subject"
"""What is told of a column that names the person whom its row is about."""


def tags_touched(names: Iterable[str], old: Snapshot, new: Snapshot, project: Project) -> dict[str, Tags]:
    """Return for each changed node the tags of what the change touches, by column or feature.

    Args:
        names: of nodes, such as ``stream:payments``.
        old, new: nodes of snapshots, by name; of a node that is new or gone one has none.
        project: the declarations of ``new``.

    Returns:
        dict: node to column to its privacy tags, ``subject`` and ``unit EUR``, as they were or are; tags that a query
        or a feature takes over from what it reads are among them. Nodes without any are left out.
    """
    asked = [name for name in names if name in old or name in new]
    graph = _graph(project) if any(name in new and not _is_source(new[name]) for name in asked) else None
    found = {name: _of_node(name, old.get(name), new.get(name), graph) for name in asked}
    return {name: tags for name, tags in found.items() if tags}


def _graph(project: Project) -> Lineage:
    from headrace.plan.tracing import lineage

    return lineage(project)


def _is_source(node: Snapshot) -> bool:
    return node["kind"] in ("stream", "table") and not node["meaning"].get("query")


def _of_node(name: str, old: Snapshot | None, new: Snapshot | None, graph: Lineage | None) -> Tags:
    was, now = (_parts(one) for one in (old, new))
    touched = [part for part in {**was, **now} if was.get(part) != now.get(part) or _other_query(old, new)]
    found: dict[str, tuple[str, ...]] = {}
    for part in touched:
        tags = [*_said(was.get(part)), *_said(now.get(part))]
        node = None if graph is None else next((one for one in graph.nodes.values() if _is(one, name, part)), None)
        tags += [] if node is None else [*node.privacy, *([f"unit {node.unit}"] if node.unit else [])]
        if tags:
            found[part] = tuple(dict.fromkeys(tags))
    return found


def _is(node: Node, name: str, part: str) -> bool:
    of = name.partition(":")[2]
    return node.of == name and node.name in (part, f"{of}.{part}")


def _other_query(old: Snapshot | None, new: Snapshot | None) -> bool:
    """Whether a query is another one, which touches all that it makes."""
    return old is not None and new is not None and old["meaning"].get("query") != new["meaning"].get("query")


def _parts(node: Snapshot | None) -> dict[str, Any]:
    """What of a node can have tags: fields of its contract, or features, with what is said of each."""
    if node is None:
        return {}
    meaning = node["meaning"]
    said = meaning.get("contract") if node["kind"] in ("stream", "table") else meaning.get("features")
    return dict(said) if isinstance(said, Mapping) else {}


def _said(part: Any) -> list[str]:
    """The tags that a field says, and those of the fields within it."""
    if not isinstance(part, Mapping):
        return []
    tags = [str(part["privacy"])] if part.get("privacy") else []
    tags += [_SUBJECT] if part.get("subject") else []
    tags += [f"unit {part['unit']}"] if part.get("unit") else []
    within = part.get("fields")
    return tags + [tag for one in (within or {}).values() for tag in _said(one)]
