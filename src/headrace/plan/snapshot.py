"""The snapshot: a project as stable JSON, each node with a fingerprint that changes when its meaning does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from headrace.declare import (
    Candidate,
    Declared,
    Features,
    Gate,
    GroupSplit,
    Model,
    Node,
    Project,
    Service,
    Stream,
    Table,
    TrainingSet,
    kind_of,
    node_id,
    uses,
)
from headrace.errors import HeadraceError
from headrace.plan import code
from headrace.plan.check import check
from headrace.plan.compile import compile_features, compile_rules, compile_set
from headrace.plan.domains import said_as
from headrace.plan.expression import references
from headrace.plan.meaning import Aggregation, Plan
from headrace.plan.normal import normal, normal_condition
from headrace.plan.promises import contract_meaning
from headrace.plan.query import canonical
from headrace.plan.rules import rules_meaning
from headrace.plan.words import words
from headrace.types import FLOAT, duration_text, duration_us

VERSION = 1


def snapshot(project: Project, sound: bool = False) -> dict[str, Any]:
    """Return a project as plain values in a stable order.

    Args:
        project: without faults.
        sound: whether it is known to have none, so that it need not be checked again.

    Returns:
        dict: ``version``, ``project``, ``charter`` and ``nodes``: identifier to kind, name, owner, uses, meaning,
        words and fingerprint. Where declarations stand leaves no trace; how they are written only in their words, of
        which no fingerprint is made.

    Raises:
        HeadraceError: with all faults, when the project has any.
    """
    faults = [] if sound else [fault for fault in check(project) if fault.severity == "error"]
    if faults:
        raise HeadraceError(faults)
    nodes: dict[str, Any] = {}
    for name, node in project.nodes().items():
        used = sorted({node_id(one) for one in uses(node)})
        meaning = _meaning(node, project)
        nodes[name] = {
            "kind": kind_of(node),
            "name": node.name,
            "owner": getattr(node, "owner", ""),
            "uses": used,
            "meaning": meaning,
            "words": words(node),
            "fingerprint": digest({"kind": kind_of(node), "meaning": meaning}),
        }
    charter = None if project.charter is None else _public(asdict(project.charter))
    return {"version": VERSION, "project": project.name, "charter": charter, "nodes": dict(sorted(nodes.items()))}


def fingerprints(project: Project) -> dict[str, str]:
    """Return the fingerprint of each node by its identifier."""
    return {name: node["fingerprint"] for name, node in snapshot(project)["nodes"].items()}


def set_fingerprint(cases: TrainingSet) -> str:
    """Return the fingerprint of everything that decides the values of a training set, except the data."""
    plan = compile_set(cases)
    # Queries of tables are in the features alone: the plan reads a table by its name, as if its rows were given.
    prints, said = feature_fingerprints(plan), plan_meaning(plan)
    # Inner features count where others read them, in the prints of those; of the rest no case has anything.
    said["features"] = {name: one for name, one in said["features"].items() if name in prints}
    return digest({"format": VERSION, "plan": said, "features": prints})


def model_fingerprint(model: Model) -> str:
    """Return the fingerprint of everything that decides what a model becomes, its training set too, except the data."""
    return digest({"model": _model_meaning(model), "cases": set_fingerprint(model.cases)})


def feature_fingerprints(plan: Plan) -> dict[str, str]:
    """Return for each feature the fingerprint of all that decides its values, the features that it reads among that.

    Example:
        >>> from headrace.declare import Contract, Features, Stream, event_time
        >>> from headrace.types import Timestamp
        >>> class Payment(Contract):
        ...     at: Timestamp = event_time()
        ...     amount: float
        >>> now = Features("now", Stream("payments", Payment), features={"cents": "amount * 100"})
        >>> list(feature_fingerprints(compile_features([now])))
        ['now.cents']
    """
    found = {name: digest(said)[:16] for name, said in plan_meaning(plan)["features"].items()}
    queries = {name: state.table.query for state in plan.states for name, _ in state.expressions}
    for name, query in queries.items():
        if query is not None:
            found[name] = digest([found[name], canonical(query)])[:16]
    for derived in plan.derived:  # each after all that it reads
        read = {name: found[name] for name in references(derived.node) if name in found}
        found[derived.name] = digest([found[derived.name], read])[:16]
    return {output.name: found[output.name] for output in plan.features}


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def _public(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("place", "faults")}


def _meaning(node: Node, project: Project) -> dict[str, Any]:
    match node:
        case Stream():
            promises = contract_meaning(node.contract)
            said = {"contract": promises, "source": _source(node), "lateness": _length(node.lateness)}
            return said | _columns(node) | _rules(node)
        case Table():
            contract = None if node.contract is None else contract_meaning(node.contract)
            query = None if node.query is None else canonical(node.query)
            return (
                {
                    "contract": contract,
                    "source": _source(node),
                    **_loading(node),
                    "query": query,
                    "refresh": _length(node.refresh),
                }
                | _columns(node)
                | _rules(node)
            )
        case Features():
            return _features_meaning(node, project)
        case TrainingSet():
            return plan_meaning(compile_set(node), own=True)
        case Model():
            return _model_meaning(node)
        case Service():
            rules = [[decision, normal(rule)] for decision, rule in compile_rules(node)]
            done = {"when": dict(sorted(node.when.items())), "stale_after": node.stale_after, "record": node.record}
            return {"model": node.model.name, "decide": rules, "otherwise": node.otherwise, **done}


def _columns(source: Stream | Table) -> dict[str, Any]:
    """What columns of the source are called, where they are not called as the field is."""
    other = {field: column for field, column in source.columns.items() if field != column}
    return {"columns": other} if other else {}


def _rules(source: Stream | Table) -> dict[str, Any]:
    said = {} if source.contract is None else rules_meaning(source.contract)
    return {"promises": said} if said else {}


def _features_meaning(group: Features, project: Project) -> dict[str, Any]:
    """Each feature as canonical text, compiled in a set that uses it, or beside the project's other groups."""
    for cases in project.all_training_sets.values():
        if any(one.name == group.name for one in cases.features):
            return _group_meaning(compile_set(cases), group)
    others = [one for one in project.feature_groups.values() if one is not group]
    return _group_meaning(compile_features([group, *others]), group)


def _group_meaning(plan: Plan, group: Features) -> dict[str, Any]:
    mine = f"{group.name}."
    whole = plan_meaning(plan)
    features = {name: said for name, said in whole["features"].items() if name.startswith(mine)}
    lineage = {output.name: list(output.lineage) for output in plan.outputs if output.name.startswith(mine)}
    by = sorted(group.by.keys) if group.by is not None else None
    said = {"source": group.source.name, "by": by, "features": features, "lineage": lineage}
    return said | ({"privacy": group.privacy} if group.privacy else {})


def plan_meaning(plan: Plan, own: bool = False) -> dict[str, Any]:
    """Return a plan as plain values; with ``own`` only what the set itself says, its features by name."""
    features: dict[str, Any] = {}
    for group in plan.windows:
        for one in group.aggregations:
            for position, output in enumerate(one.outputs):
                features[output] = [group.stream.name, sorted(group.keys), _aggregation(one, position)]
    for state in plan.states:
        validity = [state.valid_from, state.valid_to]
        for name, node in state.expressions:
            features[name] = [state.table.name, sorted(state.keys), validity, normal(node)]
    for derived in plan.derived:
        features[derived.name] = normal(derived.node)
    order = [output.name for output in plan.features]
    said: dict[str, Any] = {"spine": plan.spine.name if plan.spine else None, "order": order}
    if not own:
        said["features"] = features
    said["where"] = normal_condition(plan.where)
    if plan.label is not None:
        label = plan.label.label
        value = normal(plan.label.value)
        said["label"] = [label.source.name, sorted(label.on), value, label.matures_us, label.default]
        if label.skew_us:
            said["label"].append(label.skew_us)
    return said


def _aggregation(one: Aggregation, position: int) -> list[Any]:
    span = one.spans[position]
    return [
        one.aggregate,
        None if one.value is None else normal(one.value),
        normal_condition(one.where),
        [[name, _setting(value)] for name, value in one.params],
        one.include_current,
        [span.length, span.delay, span.hop],
    ]


def _model_meaning(model: Model) -> dict[str, Any]:
    first, *others = model.metrics  # the first decides, of the others the order means nothing
    metrics = [first, *sorted(others, key=lambda metric: (metric.label, str(metric.params)))]
    return {
        "cases": model.cases.name,
        "fit": [[name, _function(one.fit), _space(one)] for name, one in model.candidates.items()],
        "baseline": None if model.baseline is None else _function(model.baseline),
        "task": _said(model.task),
        "split": _split_meaning(model),
        "choice": [model.select, _said(model.threshold)],
        "metrics": [metric.label for metric in metrics],
        "metric_params": [[[name, said_as(value, FLOAT)] for name, value in metric.params] for metric in metrics],
        "functions": [None if metric.function is None else _function(metric.function) for metric in metrics],
        "gates": sorted(_gate_meaning(gate, model) for gate in model.gates),
        "seed": model.seed,
    }


def _function(function: Callable[..., Any]) -> str:
    return hashlib.sha256(code.meaning(function).encode()).hexdigest()


def _space(one: Candidate) -> list[list[Any]]:
    """What is searched; without a search the defaults count, which are of the function's meaning."""
    return [[name, _said(may_be)] for name, may_be in sorted(one.space.items())]


def _said(declared: Any) -> Any:
    """A small declaration as plain values."""
    return _public(vars(declared)) if isinstance(declared, Declared) else declared


def _split_meaning(model: Model) -> dict[str, Any]:
    split, label = model.split, model.cases.label
    if isinstance(split, GroupSplit):
        return _public(vars(split))
    gap = label.matures_us if split.gap_us is None and label is not None else split.gap_us or 0
    spans = {name: duration_text(us) for name, us in (("train", split.train_us), ("test", split.test_us), ("gap", gap))}
    return {**spans, "folds": split.folds, "apart": split.apart}


def _gate_meaning(gate: Gate, model: Model) -> list[str]:
    """A gate that names no metric is on the first; all are kept, in whatever order they are said."""
    bound = [] if gate.bound is None else [str(said_as(gate.bound, FLOAT))]
    surely = ["surely"] if gate.surely else []
    return [gate.kind, gate.metric or model.metrics[0].label, *bound, gate.by or "", gate.budget or "", *surely]


def _length(text: str | None) -> str | None:
    return None if text is None else duration_text(duration_us(text))


def _source(node: Stream | Table) -> Any:
    """A path in its shortest form, as ``./data`` and ``data/`` are one folder; an address without its user."""
    if node.origin is not None:
        said = {key: value for key, value in vars(node.origin).items() if key not in (*_UNSAID, "make") and value}
        return {**said, "address": node.origin.address}
    files = node.files
    return files if files is None or "://" in files else PurePosixPath(files).as_posix()


_UNSAID = ("place", "faults", "url", "headers")
"""Of an origin: where it was written, and what holds secrets."""


def _loading(table: Table) -> dict[str, Any]:
    said = {"load": table.mode if table.mode != "append" else None, "history": table.history or None}
    return {name: value for name, value in said.items() if value is not None}


def _setting(value: object) -> object:
    """A parameter of an aggregate: a length of time, or a number."""
    return _length(value) if isinstance(value, str) else said_as(value, FLOAT)
