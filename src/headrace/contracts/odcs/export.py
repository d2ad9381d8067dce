"""Declarations as documents: each document of the project as it is, changed only where a declaration says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.contracts.names import table_name
from headrace.contracts.odcs.fields import custom, property_of, set_custom
from headrace.contracts.odcs.loading import set_loading
from headrace.contracts.odcs.promising import with_rules, without_other_rules
from headrace.contracts.odcs.read import Document
from headrace.contracts.odcs.shape import VERSION, read_document
from headrace.declare import Contract, Project, Stream, Table
from headrace.declare.project import sources_of
from headrace.errors import Fault, HeadraceError, nearest

Data = dict[str, Any]


def exported(project: Project, folder: Path, name: str = "") -> list[Data]:
    """Return the contracts of a project as documents of the standard.

    Args:
        project: whose streams and tables are meant; those without a contract are left out.
        folder: the project's, to which the paths of its documents are relative.
        name: of one stream or table, which alone is then the schema of its document; empty for all.

    Returns:
        The documents that the project names, and after them one for all streams and tables that are in none of these.

    Raises:
        HeadraceError: faults of the declarations; those of a document; HR-ODCS-008 two documents with one table; 010 no
            such stream or table, or one without a contract.

    Example:
        >>> from headrace.declare import key
        >>> class Order(Contract):
        ...     order_id: int = key()
        >>> shop = Project("shop", sources=[Table("orders", Order, source="orders.csv")])
        >>> document = exported(shop, Path("."))[0]
        >>> document["id"], [one["name"] for one in document["schema"]]
        ('shop', ['orders'])
    """
    errors = [fault for fault in project.declared_faults() if fault.severity != "warning"]
    if errors:
        raise HeadraceError(errors)
    nodes = {node.name: node for node in sources_of(project) if node.contract is not None}
    if name and name not in nodes:
        raise HeadraceError(_unknown(name, project, nodes))
    documents = [_read(project, folder, path) for path in project.documents]
    named = _named(documents)
    own = {one: node for one, node in nodes.items() if one not in named}
    every = [_overlaid(document.data, nodes) for document in documents]
    every += [_own(project.name, own)] if own or not documents else []
    if not name:
        return every
    if name in named:
        return [_only(named[name].data, nodes[name])]
    return [_own(f"{project.name}.{name}", {name: nodes[name]})]


def _unknown(name: str, project: Project, nodes: Mapping[str, object]) -> Fault:
    table = project.tables.get(name)
    if table is not None:
        cure = "give it a class of hr.Contract: what its query returns"
        return Fault("HR-ODCS-010", table.place, f"table {name} without a contract", "a contract to export", cure)
    cure = nearest(name, nodes) or "declare one"
    return Fault("HR-ODCS-010", "", f"no {name!r}", "a stream or table of the project that has a contract", cure)


def _read(project: Project, folder: Path, path: str) -> Document:
    try:
        return read_document(folder / path)
    except HeadraceError as error:
        missing = not (folder / path).is_file()
        if not missing:
            raise
        found, cure = f"no file {path}, which the project names", "put it there, or change documents= of the project"
        raise HeadraceError(Fault("HR-ODCS-001", project.place, found, "its documents", cure)) from error


def _named(documents: list[Document]) -> dict[str, Document]:
    """Return the document of each table, by its name."""
    found: dict[str, Document] = {}
    for document in documents:
        for at, one in enumerate(document.data.get("schema", [])):
            name = table_name(one["name"])
            if name in found:
                place = document.place("schema", at, "name")
                told = f"{one['name']!r}, which is in {found[name].file} too"
                cure = "take it out of one of them"
                raise HeadraceError(Fault("HR-ODCS-008", place, told, "a table in one document", cure))
            found[name] = document
    return found


def _overlaid(data: Data, nodes: Mapping[str, Stream | Table], own: bool = False) -> Data:
    """A document with what the declarations say otherwise; what is of no stream or table stays as it is.

    Args:
        data: the document.
        nodes: by name.
        own: whether it is one of ours, which says how its tables are loaded.
    """
    if "schema" not in data:
        return data
    declared = {at: nodes.get(table_name(one["name"])) for at, one in enumerate(data["schema"])}
    contracts = {at: node.contract for at, node in declared.items() if node is not None and node.contract is not None}
    data = without_other_rules(data, contracts)
    data = data | {"schema": [_object(data, one, declared[at], own) for at, one in enumerate(data["schema"])]}
    return with_rules(data, contracts)


def _only(data: Data, node: Stream | Table) -> Data:
    data = _overlaid(data, {node.name: node})
    return data | {"schema": [one for one in data["schema"] if table_name(one["name"]) == node.name]}


def _own(name: str, nodes: Mapping[str, Stream | Table]) -> Data:
    """The document of what stands in no other: one owner is the team, several stand with what they own."""
    owners = {node.owner for node in nodes.values()}
    data: Data = {"apiVersion": VERSION, "kind": "DataContract", "id": name, "name": name}
    data |= {"version": "1.0.0", "status": "active"}
    if len(owners) == 1 and (owner := owners.pop()):
        data["team"] = {"name": owner}
    kinds = {one: "stream" if isinstance(node, Stream) else "table" for one, node in nodes.items()}
    schema = [{"name": one, "physicalType": kinds[one]} for one in nodes]
    return _overlaid(data | {"schema": schema}, nodes, own=True)


def owner_of(data: Data, one: Mapping[str, Any]) -> str:
    """Return who answers for an object: whom it names itself, else the team of the document.

    Example:
        >>> owner_of({"team": [{"username": "ana", "role": "Owner"}]}, {})
        'ana'
    """
    told = custom(one, "owner")
    if isinstance(told, str):
        return told
    team = data.get("team", {})
    if isinstance(team, dict) and isinstance(team.get("name"), str):
        return str(team["name"])
    members = team.get("members", []) if isinstance(team, dict) else team
    having = [have for have in members if isinstance(have, dict) and "dateOut" not in have]
    return next((str(have.get("username", "")) for have in having if str(have.get("role")).lower() == "owner"), "")


def _object(data: Data, original: Mapping[str, Any], node: Stream | Table | None, own: bool) -> Data:
    one = dict(original)
    if node is None or node.contract is None:
        return one
    if _words(node.contract.doc) != _words(one.get("description", "")):
        one["description"] = node.contract.doc
    if node.owner != owner_of(data, one):
        set_custom(one, "owner", node.owner)
    set_loading(one, node, own)
    properties = _properties(node.contract, one.get("properties", []))
    if properties or "properties" in one:
        one["properties"] = properties
    return one


def _words(text: str) -> list[str]:
    """A docstring is wrapped and indented as code is; only its words are compared."""
    return text.split()


def _properties(contract: type[Contract], originals: list[Data]) -> list[Data]:
    by_name = {one["name"]: one for one in originals}
    return [property_of(field, by_name.get(name)) for name, field in contract.fields().items()]
