"""Asking why: the record, what it was made of, where its model comes from, and whether all of it still holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.declare import Features
from headrace.plan.expression import references
from headrace.plan.words import words
from headrace.serve import record as serve_record
from headrace.serve.loaded import Loaded
from headrace.serve.record import Record
from headrace.serve.values import same
from headrace.serve.veiled import Veiled
from headrace.serve.why.behind import behind, moment, shown
from headrace.serve.why.case import Case, case_of, read_object
from headrace.serve.why.contributed import Contributed, contributed, score_again
from headrace.serve.why.found import found
from headrace.serve.why.nearest import otherwise
from headrace.serve.why.origin import origin_of
from headrace.serve.why.otherwise import Otherwise
from headrace.serve.why.ruled import ruled
from headrace.serve.why.told import Checked, Feature, Why
from headrace.serve.why.veil import Veil, veil_of

_GONE = "the service is no longer declared"


def why(
    loaded: Loaded,
    record_id: str,
    *,
    vary: Sequence[str] = (),
    fixed: Sequence[str] = (),
    to: str | None = None,
    reveal: bool = False,
) -> Why:
    """Return why a decision is what it is, and what would have changed it.

    What waits in the spool is brought into the lake first.

    Args:
        loaded: the project.
        record_id: as the answer had it.
        vary: fields and features that counterfactuals may change; by default the fields of the request that are not
            keys, ids or times.
        fixed: those that they may not.
        to: the decision that they shall lead to; by default any other one.
        reveal: show also values that tell of a person.

    Raises:
        HeadraceError: HR-WHY-001 for an unknown record, 002 for an unknown name, 003 for one that cannot vary, 004 for
            an unknown decision; HR-PRIVACY-002 where a key of the record's pseudonyms is not at hand.
    """
    service, record = found(loaded, record_id)
    record = Veiled(loaded).opened(record)
    case = case_of(loaded, service, record)
    veil = veil_of(loaded.project, reveal)
    base = _base(loaded, service, record)
    if case is None:
        features = tuple(Feature(name, "masked (undeclared)" if not reveal else value)
                         for name, value in read_object(record["features"]).items())  # fmt: skip
        request = {name: value if reveal else "masked (undeclared)" for name, value in base.request.items()}
        return replace(base, features=features, request=request, masked=not reveal)
    made_of, checked = contributed(case), _checked(case)
    told = replace(
        base,
        request=veil.row(case.contract, base.request),
        features=_features(case, made_of, veil),
        rules=ruled(case, veil),
        contributed=made_of,
        otherwise=otherwise(case, veil, loaded.state_dir / "sets", vary, fixed, to),
        checked=checked,
    )
    told = replace(told, origin=origin_of(record, case.version, case.service.model.cases.name,
                                          loaded.state_dir / "sets", case.scorer is not None))  # fmt: skip
    hidden = any(veil.hides(name, case.contract) for name in (*case.contract.columns(), *case.kinds))
    return replace(told, masked=hidden)


def _base(loaded: Loaded, service: str, record: Record) -> Why:
    """What the record says by itself."""
    whole = serve_record.checksum(record) == record["checksum"]
    return Why(
        record["record_id"],
        service,
        record["decision"],
        record["score"],
        moment(record["at"]),
        moment(record["decided_at"]),
        moment(record["_known_at"]),
        read_object(record["horizon"]),
        record["latency_us"],
        read_object(record["request"]),
        (),
        (),
        origin_of(record, None, "", loaded.state_dir, False),
        Contributed({}, without=_GONE),
        Otherwise(without=_GONE),
        Checked(whole, without=_GONE),
    )


def _features(case: Case, made_of: Contributed, veil: Veil) -> tuple[Feature, ...]:
    """Each feature with what it means and what is behind it; what moves the score most first, then those it lacks."""
    sources = {} if case.row is None else behind(case.plan, case.flat, case.seen, case.lake, veil)
    says, derived = _says(case), {one.name: one.node for one in case.plan.derived}
    order = {name: at for at, name in enumerate(made_of.values)}
    found = []
    for name in sorted(case.features, key=lambda one: order.get(one, len(order))):
        changed = case.changed(name)
        reads: Mapping[str, Any] = {}
        if not changed and name in derived and case.row is not None:
            reads = {one: _value(case, veil, one) for one in references(derived[name])}
        one = None if changed else sources.get(name)
        value = _left(case, veil, name)
        found.append(Feature(name, value, says.get(name, ""), made_of.values.get(name), one, reads, changed))
    return tuple(found)


def _value(case: Case, veil: Veil, name: str) -> Any:
    if name in case.features:
        return _left(case, veil, name)
    kind = case.contract.columns()[name].type
    return veil.columns(case.contract, [name], shown(case.flat[name], kind))


def _left(case: Case, veil: Veil, name: str) -> Any:
    """A recorded feature, which left as a number where it is a decimal; times as people read them."""
    value, kind = case.features[name], case.kinds.get(name)
    if kind is not None and kind.name == "timestamp" and value is not None:
        value = moment(value)
    return veil.feature(name, value)


def _says(case: Case) -> dict[str, str]:
    """How each feature is declared, in its own words."""
    found: dict[str, str] = {}
    for group in case.service.model.cases.features:
        if isinstance(group, Features):
            said = words(group)
            for name in group.called():
                path = f"features.{group.name}.{name}"
                found[f"{group.name}.{name}"] = str(said.get(path, said.get(f"{path}.expression", "")))
    return found


def _checked(case: Case) -> Checked:
    record = case.record
    whole = serve_record.checksum(record) == record["checksum"]
    changed = ("features",) * (not case.same_features) + ("rules",) * (not case.same_rules)
    again = score_again(case) if record["score"] is not None else None
    score = None if again is None else same(again, record["score"])
    decision = None
    if case.same_rules and case.given is not None and record["score"] is not None:
        decision = case.rules.decide_row(case.given) == record["decision"]
    if case.made is None:
        why = f"the request breaks the contract {case.contract.name} of today" if case.row is None else ""
        if case.without_state:
            why = "it was decided without features, as declared, while the state of keys was made anew"
        why = why or "features are declared otherwise now"
        return Checked(whole, score=score, decision=decision, without=why, changed=changed)
    differing = tuple(case.differing())
    return Checked(whole, len(case.kinds), differing, score, decision, changed=changed)
