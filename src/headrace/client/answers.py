"""What a service answers: decisions, events that were taken, and refusals, as values of Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.errors import Fault, HeadraceError


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """The version of a model that decided: its name, its number, and the digest of its file."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in a score.

    Args:
        feature: its name.
        value: that it had; None for null.
        contribution: to the score, upwards where positive.
        space: in which contributions add up, such as ``"log-odds"``.
        method: how it was found; ``"tree"`` and ``"linear"`` are exact.
    """

    feature: str
    value: Any
    contribution: float
    space: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer of a service.

    Args:
        decision: what the rules said, e.g. ``"block"``.
        score: of the model; None where a rule decided without it.
        record_id: under which the answer is on record; ``headrace why`` explains it years later.
        model: which version scored; None where none did.
        reasons: as many as were asked for, largest first.
        features: by name, where they were asked for.
        repeated: whether this was decided before, and the first answer was given again.
        situation: what was odd about the row or the state, as ``"cold_key customer_id"``.
        more: whatever else the service said, as a newer one may.

    Example:
        >>> said = {"decision": "allow", "score": 0.01, "record_id": "3f0c-1"}
        >>> Decision.read(said | {"model": {"name": "score", "version": 3, "digest": "ab"}}).model.version
        3
    """

    decision: str
    score: float | None
    record_id: str
    model: ModelVersion | None
    reasons: tuple[Reason, ...] = ()
    features: Mapping[str, Any] | None = None
    repeated: bool = False
    situation: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Decision:
        """Return an answer that JSON holds.

        Raises:
            KeyError, TypeError: for another document.
        """
        known = {name: said[name] for name in ("features", "repeated") if name in said}
        reasons = tuple(Reason(**_only(one, Reason)) for one in said.get("reasons", ()))
        known["situation"] = tuple(said.get("situation", ()))
        model = None if said.get("model") is None else ModelVersion(**_only(said["model"], ModelVersion))
        more = {name: value for name, value in said.items() if name not in cls.__slots__}
        return cls(said["decision"], said.get("score"), said["record_id"], model, reasons, more=more, **known)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of events.

    Args:
        taken: how many were new.
        known_before: how many were there already, by their key.
        sequences: of each event in the order of the stream; None for one that was known before.
        warned: how many rows broke each rule that only warns.
        more: whatever else the service said.
    """

    taken: int
    known_before: int
    sequences: Sequence[int | None]
    warned: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Taken:
        """Return an answer that JSON holds.

        Raises:
            KeyError, TypeError: for another document.
        """
        more = {name: value for name, value in said.items() if name not in cls.__slots__}
        return cls(said["taken"], said["known_before"], said["sequences"], said.get("warned", {}), more)


class ServiceError(HeadraceError):
    """A refusal, with the faults as the service told them.

    Args:
        faults: what is wrong.
        status: of HTTP; 0 where there was no answer.
    """

    def __init__(self, faults: Sequence[Fault], status: int = 0) -> None:
        super().__init__(faults)
        self.status = status


def refusal(status: int, content: bytes, url: str) -> ServiceError:
    """Return what an answer says that is none of the statuses of success."""
    try:
        said = json.loads(content)
        each = said.get("errors") or [said["error"]]
        return ServiceError([Fault(**_only(one, Fault)) for one in each], status)
    except (ValueError, KeyError, TypeError, AttributeError):
        return stranger(url, f"the status {status}, and no document of Headrace", status)


def error_in_place(said: Mapping[str, Any]) -> ServiceError:
    """Return what stands in a batch in the place of a decision."""
    return ServiceError([Fault(**_only(said["error"], Fault))], int(said.get("status", 400)))


def stranger(url: str, found: str, status: int = 0) -> ServiceError:
    """Return what is said of an answer that no service of ours gave."""
    cure = "compare the address with what 'headrace serve' printed; a proxy between may have answered"
    return ServiceError([Fault("HR-CLIENT-003", url, found, "a service of Headrace", cure)], status)


def _only(said: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The fields that we know: a newer service may say more."""
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]  # each kind is a dataclass, which has no type of its own
    return {name: value for name, value in said.items() if name in known}
