"""Why a decision is what it is, whole: what is told of one record, as values that text, JSON and a page are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.serve.why.behind import State, Window
from headrace.serve.why.contributed import Contributed
from headrace.serve.why.origin import Origin
from headrace.serve.why.otherwise import Otherwise
from headrace.serve.why.ruled import Ruled


@dataclass(frozen=True)
class Feature:
    """A feature of the record.

    Args:
        name, value: as recorded, masked where it tells of a person.
        says: how it is declared; empty where it no longer is.
        contribution: to the score; None of a feature that the model does not take, or where there are none.
        behind: what it was made of, for a feature of a source; None of others, and where that cannot be told.
        reads: fields and features that an expression over the row reads, with their values.
        changed: whether it is declared otherwise now.
    """

    name: str
    value: Any
    says: str = ""
    contribution: float | None = None
    behind: Window | State | None = None
    reads: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, with all events."""
        told = {"feature": self.name, "value": self.value, "says": self.says, "contribution": self.contribution}
        told |= {"changed": self.changed}
        if isinstance(self.behind, Window):
            window = asdict(self.behind)
            return told | {"window": {**window, "events": list(window["events"]), "counted": self.behind.counted}}
        if isinstance(self.behind, State):
            return told | {"state": {**asdict(self.behind), "there": self.behind.there}}
        return told | ({"reads": dict(self.reads)} if self.reads else {})


@dataclass(frozen=True)
class Checked:
    """Whether a record is what it was, and what history says of it now.

    Args:
        whole: whether its checksum is that of its other fields.
        compared: how many features were computed again from history.
        differing: those that are not equal to the last bit: feature, what was served, what history makes.
        score: whether the recorded model gives the recorded score to the recorded features; None where it is gone.
        decision: whether the rules give the recorded decision; None where they are declared otherwise now.
        without: why nothing was computed again; empty where it was.
        changed: what is declared otherwise now: ``features``, ``rules``.
    """

    whole: bool
    compared: int = 0
    differing: tuple[Mapping[str, Any], ...] = ()
    score: bool | None = None
    decision: bool | None = None
    without: str = ""
    changed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the record is whole, and nothing that was computed again differs."""
        return self.whole and not self.differing and self.score is not False and self.decision is not False


@dataclass(frozen=True)
class Why:
    """Why a decision is what it is.

    Args:
        record_id, service: whose.
        decision, score: what was answered.
        at: the row's event time; ``decided_at`` when it was answered; both ISO 8601.
        known_at: up to when the row knew; ``horizon``, per source, the last sequence (or version) that it could see.
        latency_us: of the answer.
        request: the row, masked where it tells of a person.
        features: in the order of the plan; with contributions, what moves the score most first.
        rules: in order, and which one decided; empty where they cannot be read of the record.
        origin: model, data, code, gates.
        contributed: by what the score was moved.
        otherwise: what would have changed the decision.
        checked: whether all of this still holds.
        masked: whether anything is masked.
    """

    record_id: str
    service: str
    decision: str
    score: float | None
    at: str
    decided_at: str
    known_at: str
    horizon: Mapping[str, int]
    latency_us: int
    request: Mapping[str, Any]
    features: tuple[Feature, ...]
    rules: tuple[Ruled, ...]
    origin: Origin
    contributed: Contributed
    otherwise: Otherwise
    checked: Checked
    masked: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json`` and for a page: with all events."""
        plain = {name: getattr(self, name) for name in ("record_id", "service", "decision", "score", "at")}
        plain |= {name: getattr(self, name) for name in ("decided_at", "known_at", "latency_us", "masked")}
        return plain | {
            "horizon": dict(self.horizon),
            "request": dict(self.request),
            "features": [one.as_dict() for one in self.features],
            "rules": [asdict(one) for one in self.rules],
            "origin": asdict(self.origin),
            "contributions": self.contributed.as_dict(),
            "otherwise": self.otherwise.as_dict(),
            "checked": asdict(self.checked) | {"ok": self.checked.ok},
        }
