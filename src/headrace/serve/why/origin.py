"""Where the score comes from: the version, its data and code, the gates that it passed, and who let it serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.learn import Version
from headrace.serve.record import Record
from headrace.serve.why.behind import moment


@dataclass(frozen=True)
class Origin:
    """The version that scored.

    Args:
        model, number, digest: as recorded.
        known: whether the registry still has it; without it there is nothing below.
        registered: when, ISO 8601.
        promoted: when it was made champion the last time before the decision, by whom, why, and instead of which
            version; empty where that is not known.
        training_set: fingerprint of the set that it learned from, its name, and whether it is still there.
        data: table to the version of it.
        fold: spans and rows of train and test.
        commit: of the code, with ``+`` where the folder differed.
        environment: package to version.
        gates: name, whether it was passed, and both sides in words.
        metrics: of the test, by label.
        aliases: what it is now: ``champion``, ``challenger``.
        intact: whether the model file is as it was registered.
    """

    model: str
    number: int
    digest: str
    known: bool = False
    registered: str = ""
    promoted: Mapping[str, Any] = field(default_factory=dict)
    training_set: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)
    fold: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[Mapping[str, Any], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    intact: bool = False


def origin_of(record: Record, version: Version | None, cases: str, sets: Path, intact: bool) -> Origin:
    """Return where the score of a record comes from.

    Args:
        record: it.
        version: of its model; None where the registry does not have it any more.
        cases: name of the training set.
        sets: folder of built sets.
        intact: whether the model file is as it was registered.
    """
    said = record["model"], record["model_version"], record["model_digest"]
    if version is None:
        return Origin(*said, intact=intact)
    came = version.record.origin
    there = (sets / cases / came.training_set[:16] / "manifest.json").exists()
    return Origin(
        *said,
        known=True,
        registered=moment(version.created_us),
        promoted=_promoted(version, record["decided_at"]),
        training_set={"name": cases, "fingerprint": came.training_set, "kept": there},
        data=dict(came.data),
        fold=dict(came.fold),
        commit=came.commit,
        environment=dict(came.environment),
        gates=tuple(one.as_dict() for one in version.record.gates),
        metrics=dict(version.metrics),
        aliases=version.aliases,
        intact=intact,
    )


def _promoted(version: Version, decided_us: int) -> dict[str, Any]:
    before = [one for one in version.promotions if one["at_us"] <= decided_us]
    if not before:
        return {}
    last = before[-1]
    return {"at": moment(last["at_us"]), "by": last["by"], "reason": last["reason"], "replaced": last["replaced"]}
