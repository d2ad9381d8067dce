"""A replay, whole: past requests through another version, how many decisions flip, where, and how good both were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headrace.declare import Service
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import concat
from headrace.learn import Version
from headrace.learn.rates import wilson
from headrace.serve.drain import drain, table_of
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.replay.labelled import Labelled, Sides, labelled, needed
from headrace.serve.replay.rows import Part, Reader, Replay
from headrace.serve.replay.segments import Segment, of_features, of_field, segments
from headrace.serve.values import same
from headrace.serve.why.behind import moment
from headrace.serve.why.through import Bools, Floats
from headrace.serve.why.veil import veil_of

EXAMPLES = 10
_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Flip:
    """A request that another version decides otherwise.

    Args:
        record_id: of what was decided; ``headrace why`` explains it.
        before, after: decisions.
        old, new: scores.
    """

    record_id: str
    before: str
    after: str
    old: float
    new: float


@dataclass(frozen=True)
class Replayed:
    """Past requests through another version.

    Args:
        service, model, version: what went through what.
        since, until: when they were decided, ISO 8601.
        with_features: whether features were computed again under the declaration of today.
        as_declared: whether both sides were decided by the rules of today.
        records: that were compared.
        skipped: records that were not, by reason.
        versions: that had scored them, with how many each.
        matrix: decisions before and after, with how many.
        flips: of which another decision came.
        low, high: between which the rate of flips lies at 95 % confidence.
        same_scores: how many scores are equal to the last bit.
        differences: quantiles of the score after minus before, by the share of rows below.
        segments: groups with the highest rates of flips; looked: how many groups there were to look at.
        examples: flips, those whose scores are farthest apart first.
        labelled: how good both sides were.
    """

    service: str
    model: str
    version: int
    since: str
    until: str
    with_features: bool
    as_declared: bool
    records: int
    skipped: Mapping[str, int]
    versions: Mapping[int, int]
    matrix: tuple[tuple[str, str, int], ...]
    flips: int
    low: float
    high: float
    same_scores: int
    differences: Mapping[float, float]
    segments: tuple[Segment, ...]
    looked: int
    examples: tuple[Flip, ...]
    labelled: Labelled

    @property
    def rate(self) -> float:
        """Share of the decisions that flip."""
        return self.flips / self.records if self.records else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        plain = asdict(self) | {"rate": self.rate}
        plain["matrix"] = [dict(zip(("before", "after", "count"), one, strict=True)) for one in self.matrix]
        plain["differences"] = {f"{at:g}": value for at, value in self.differences.items()}
        plain["segments"] = [asdict(one) | {"rate": one.rate} for one in self.segments]
        return plain


def service_named(loaded: Loaded, name: str | None) -> Service:
    """Return a service by name; without one the only one that there is.

    Raises:
        HeadraceError: HR-SERVE-001 no services, 007 an unknown one, HR-REPLAY-001 several and none is named.
    """
    every = services_of(loaded)
    if name is None:
        if len(every) > 1:
            found, cure = f"{len(every)} services and none named", f"name one: {', '.join(every)}"
            raise HeadraceError(Fault("HR-REPLAY-001", "", found, "the service whose decisions are replayed", cure))
        return next(iter(every.values()))
    if name not in every:
        cure = nearest(name[:64], every)
        raise HeadraceError(Fault("HR-SERVE-007", "", f"no service {name[:64]!r}", "a declared one", cure))
    return every[name]


def replay(
    loaded: Loaded,
    service: Service,
    version: Version,
    since: int,
    until: int,
    *,
    features: bool = False,
    as_declared: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Replayed:
    """Decide past requests again by another version of the service's model, and tell what that changes.

    Nothing is written. What waits in the spool is brought into the lake first.

    Args:
        loaded: the project.
        service: whose decisions.
        version: of its model.
        since, until: when they were decided, microseconds UTC; the first belongs to the span, the last does not.
        features: compute features again under the declaration of today, as each row saw history; by default the
            version gets those on record.
        as_declared: decide both sides by the rules of today; by default records that other rules decided are skipped.
        progress: told of what is done, how many, of how many.

    Raises:
        HeadraceError: HR-REPLAY-002 for a version that gives several scores, HR-SERVE-003 with ``features`` for one of
            other features than are declared, HR-LEARN-011 for a file that is gone or altered.
    """
    drain(loaded)
    one = Replay(loaded, service, version, features, as_declared)
    if len(one.scorer.names) != 1:
        found = f"version {version.number} of {version.name}, which gives a row {len(one.scorer.names)} scores"
        raise HeadraceError(Fault("HR-REPLAY-002", service.place, found, "one score", "name a version of one score"))
    one.require_fit()
    return compared(Reader(one, ()), since, until, progress)


def compared(reader: Reader, since: int, until: int, progress: Progress) -> Replayed:
    """Return what becomes of the decisions of a span, as a reader decides them again.

    Args:
        reader: what goes through what; the fields that it is to keep beside are chosen here.
        since, until, progress: as for ``replay``.
    """
    one = reader.replay
    service, loaded = one.service, one.loaded
    veil, contract = veil_of(loaded.project, False), service.model.cases.spine.contract
    parted = [name for name in _parting(one) if not veil.hides(name, contract)]
    reader.fields = tuple(dict.fromkeys((*parted, *needed(one))))
    parts, done, total = list[Part](), 0, _count(one, since, until)
    for part, read in reader.parts(since, until) if total else ():
        parts.append(part)
        done += read
        progress(f"replay {service.name}", done, total)
    return _told(one, parts, reader, parted, [name for name in one.scorer.features if not veil.hides(name, contract)],
                 (since, until))  # fmt: skip


def _count(one: Replay, since: int, until: int) -> int:
    table = table_of(one.service.name)
    if not one.lake.exists(table):
        return 0
    within = f"epoch_us(decided_at) >= {since} and epoch_us(decided_at) < {until}"
    return int(one.lake.sql(f'select count(*) as n from "{table}" where {within}', reads=[table])["n"][0].as_py())


def _parting(one: Replay) -> list[str]:
    """Fields of a request that part requests into groups: no keys, ids, or times."""
    contract, plan = one.service.model.cases.spine.contract, one.plan
    keys = {key for group in plan.groups for key in group.keys}
    return [
        name
        for name, field in contract.fields().items()
        if not field.role
        and not field.subject
        and name not in keys
        and not (name == "id" or name.endswith("_id"))
        and field.type.name in ("int", "float", "decimal", "bool", "str")
    ]


def _told(
    one: Replay, parts: Sequence[Part], reader: Reader, fields: Sequence[str], features: Sequence[str],
    span: tuple[int, int],
) -> Replayed:  # fmt: skip
    before = [each for part in parts for each in part.before]
    after = [each for part in parts for each in part.after]
    old, new = (_joined([getattr(part, side) for part in parts]) for side in ("old", "new"))
    flipped: Bools = np.array([a != b for a, b in zip(before, after, strict=True)], np.bool_)
    flips = int(flipped.sum())
    counts = Counter(zip(before, after, strict=True))
    found, looked, judged = list[Segment](), 0, Labelled(without="there is nothing to judge")
    if parts:
        x = np.concatenate([part.x for part in parts])
        columns = {name: of_field([part.fields[name] for part in parts]) for name in fields}
        known = of_features(x, one.scorer.features, one.scorer.categories)
        found, looked = segments(columns | {name: known[name] for name in features}, flipped)
        at = np.concatenate([part.at for part in parts])
        sides = Sides(at, old, new, x, _fields(parts), _threshold(one, parts))
        judged = labelled(one, sides)
    names = (*one.rules.names, *sorted({*before, *after} - {*one.rules.names}))
    return Replayed(
        one.service.name,
        one.version.name,
        one.version.number,
        moment(span[0]),
        moment(span[1]),
        one.features,
        one.as_declared,
        len(before),
        dict(reader.skipped),
        dict(sorted(Counter(each for part in parts for each in part.versions).items())),
        tuple((a, b, counts[a, b]) for a in names for b in names if counts[a, b]),
        flips,
        *wilson(flips / max(1, len(before)), len(before)),
        sum(same(a, b) for a, b in zip(old.tolist(), new.tolist(), strict=True)),
        dict(zip(_QUANTILES, np.quantile(new - old, _QUANTILES).tolist(), strict=True)) if len(old) else {},
        tuple(found),
        looked,
        _examples(parts),
        judged,
    )


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


def _fields(parts: Sequence[Part]) -> dict[str, Any]:
    found = dict(parts[0].fields)
    for part in parts[1:]:
        found = {name: concat(one, part.fields[name]) for name, one in found.items()}
    return found


def _threshold(one: Replay, parts: Sequence[Part]) -> float:
    """From which score on was acted, by the version that scored most of them."""
    ((most, _),) = Counter(each for part in parts for each in part.versions).most_common(1)
    versions = {each.number: each.record.threshold for each in one.registry.versions(one.service.model.name)}
    return versions.get(most, one.version.record.threshold)


def _examples(parts: Sequence[Part]) -> tuple[Flip, ...]:
    flips = [
        Flip(part.ids[at], part.before[at], part.after[at], float(part.old[at]), float(part.new[at]))
        for part in parts
        for at in range(len(part.ids))
        if part.before[at] != part.after[at]
    ]
    return tuple(sorted(flips, key=lambda one: (-abs(one.new - one.old), one.record_id))[:EXAMPLES])
