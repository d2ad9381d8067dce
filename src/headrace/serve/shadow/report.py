"""What the shadow of a service would have decided: how many decisions differ, where, and how good both were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.declare import Service
from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column
from headrace.learn import Version
from headrace.learn.rates import wilson
from headrace.serve.drain import drain
from headrace.serve.loaded import Loaded
from headrace.serve.replay.replayed import Progress, Replayed, compared
from headrace.serve.replay.rows import Reader, Replay
from headrace.serve.shadow.following import Follower, shadow_table
from headrace.serve.shadow.spans import Timeline
from headrace.serve.why.behind import moment
from headrace.serve.why.through import Bools, Floats, Matrix

_Said = tuple[float | None, str | None, str | None]
"""Score and decision of the shadow for a record, and why there are none."""


@dataclass(frozen=True)
class Shadowed:
    """A version beside the one that served.

    Args:
        seen: what it would have decided, and what that changes; records without its score are in ``skipped``.
        shadow: model, version and since when (ISO 8601) of what is the shadow now; None where nothing is.
        others: versions that were it as well in this time: model, version, how many records.
        failing: codes of what keeps records from being scored; empty where nothing does.
    """

    seen: Replayed
    shadow: Mapping[str, Any] | None
    others: tuple[Mapping[str, Any], ...]
    failing: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        about = {"shadow": self.shadow, "others": [dict(one) for one in self.others], "failing": self.failing}
        return {**self.seen.as_dict(), **about}


def shadowed(
    loaded: Loaded,
    service: Service,
    since: int,
    until: int,
    number: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Shadowed:
    """Return what the shadow of a service would have decided; what waits is brought into the lake and scored first.

    Args:
        loaded: the project.
        service: whose shadow.
        since, until: when the records were decided, microseconds UTC; the first belongs to the span, the last does not.
        number: of a version; by default the one that was the shadow last in this time.
        progress: told of what is done, how many, of how many.

    Raises:
        HeadraceError: HR-SHADOW-003 where no shadow, or none with this number, scored anything in this time,
            HR-LEARN-011 for a model file that is gone or altered.
    """
    drain(loaded)
    follower = Follower(loaded)
    follower.step(progress)
    found = _versions(loaded, service, since, until)
    wanted = [one for one in found if number is None or one["version"] == number]
    if not wanted:
        raise HeadraceError(_nothing(service, found, number))
    chosen = wanted[0]
    version = loaded.registry().version(chosen["model"], chosen["version"])
    reader = _Known(Replay(loaded, service, version), (), said=_said(loaded, service, version, since, until))
    seen = compared(reader, since, until, progress)
    others = tuple(one for one in found if one is not chosen)
    return Shadowed(seen, _now(loaded, service), others, follower.failed.get(service.name, ""))


@dataclass
class _Known(Reader):
    """Reads decisions whose other side is known already.

    Args:
        said: by id of the record, score and decision, or why there is none.
    """

    said: Mapping[str, _Said] = field(kw_only=True)

    def fitting(self, rows: pa.Table) -> pa.Table:
        """The records that have a score; those of which it is known why they have none are counted."""
        ids = rows.column("record_id").to_pylist()
        reasons = [self.said[one][2] if one in self.said else None for one in ids]
        for reason in dict.fromkeys(one for one in reasons if one is not None):
            self._leave(reason, rows, np.array([one == reason for one in reasons], np.bool_))
        there: Bools = np.array([one in self.said and self.said[one][2] is None for one in ids], np.bool_)
        return rows.filter(pa.array(there))

    def again(self, rows: pa.Table, x: Matrix, given: Mapping[str, Column]) -> tuple[Floats, list[str]]:
        """Return what the shadow said."""
        said = [self.said[one] for one in rows.column("record_id").to_pylist()]
        return np.array([one[0] for one in said], np.float64), [str(one[1]) for one in said]


@dataclass(frozen=True)
class Saw:
    """What a version would have decided as the shadow of a service, in all the time that it was.

    Args:
        service: its name.
        records, flips: that it scored, and that it would have decided otherwise.
        low, high: between which the rate of flips lies at 95 % confidence.
    """

    service: str
    records: int
    flips: int
    low: float
    high: float

    def __str__(self) -> str:
        told = f"as the shadow of {self.service} it scored {self.records:,} decisions, of which {self.flips:,} flip"
        return f"{told} (95 %: {self.low:.2%} to {self.high:.2%})"


def saw(loaded: Loaded, version: Version) -> tuple[Saw, ...]:
    """Return what a version would have decided as a shadow, by service; from what is scored by now."""
    lake, found = loaded.lake(), list[Saw]()
    for name in loaded.project.all_services:
        table = shadow_table(name)
        if lake.exists(table):
            query = f"""select count(*) as n, count(*) filter (shadow_decision <> decision) as flips from "{table}"
                        where skipped is null and shadow_model = '{version.name}'
                        and shadow_version = {version.number} and shadow_digest = '{version.digest}'"""
            (one,) = lake.sql(query, reads=[table]).to_pylist()
            if one["n"]:
                found.append(Saw(name, one["n"], one["flips"], *wilson(one["flips"] / one["n"], one["n"])))
    return tuple(found)


def _versions(loaded: Loaded, service: Service, since: int, until: int) -> list[dict[str, Any]]:
    """The shadows of a time with how many records each has, the last one first."""
    lake, table = loaded.lake(), shadow_table(service.name)
    if not lake.exists(table):
        return []
    query = f"""select shadow_model as model, shadow_version as version, count(*) as records from "{table}"
                where epoch_us(decided_at) >= {since} and epoch_us(decided_at) < {until}
                group by all order by max(decided_at) desc"""
    found: list[dict[str, Any]] = lake.sql(query, reads=[table]).to_pylist()
    return found


def _said(loaded: Loaded, service: Service, version: Version, since: int, until: int) -> dict[str, _Said]:
    table = shadow_table(service.name)
    query = f"""select record_id, shadow_score, shadow_decision, skipped from "{table}"
                where epoch_us(decided_at) >= {since} and epoch_us(decided_at) < {until}
                and shadow_model = '{version.name}' and shadow_version = {version.number}"""
    rows = loaded.lake().sql(query, reads=[table])
    values = zip(*(rows.column(name).to_pylist() for name in ("shadow_score", "shadow_decision", "skipped")),
                 strict=True)  # fmt: skip
    return dict(zip(rows.column("record_id").to_pylist(), values, strict=True))


def _now(loaded: Loaded, service: Service) -> dict[str, Any] | None:
    spans = Timeline(loaded.state_dir).of(service.name)
    if not spans or not spans[-1].on:
        return None
    return {"model": spans[-1].model, "version": spans[-1].version, "since": moment(spans[-1].since)}


def _nothing(service: Service, found: Sequence[Mapping[str, Any]], number: int | None) -> Fault:
    if found:
        told = f"no record of {service.name} that version {number} scored as its shadow in this time"
        cure = f"--version {' or '.join(str(one['version']) for one in found)}"
    else:
        told = f"no record of {service.name} that a shadow scored in this time"
        cure = f"headrace models shadow {service.model.name} VERSION, while the service runs; or an earlier --since"
    return Fault("HR-SHADOW-003", service.place, told, "some", cure)
