"""A version of a model: what it came from and what it proved, as one frozen record."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace.learn.gates import GateOutcome

_PACKAGES = ("headrace", "lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


@dataclass(frozen=True)
class Origin:
    """Where a model came from; the same origin and digest mean the same version.

    Args:
        declaration: fingerprint of all that was declared for it, its training set too, sha256 hex.
        training_set: fingerprint of the training set.
        data: lake table to version.
        fold: spans and rows of train and test.
        commit: of the project's code, with ``+`` when the working tree differs from it; empty outside git.
        environment: package to version.
        features: feature to the fingerprint of all that decides its values.
    """

    declaration: str
    training_set: str
    data: Mapping[str, int] = field(default_factory=dict)
    fold: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """All that is known of a version when it is registered.

    Args:
        model: its name.
        digest: SHA-256 of the model file.
        origin: what it came from.
        metrics: candidate (``model`` and each baseline) to metric label to value, on the test rows.
        gates: outcomes.
        parent: number of the champion it was compared with.
        intervals: as ``metrics``, but low and high end at 95 % confidence, where that can be said.
        notes: what was told as worth knowing when it was trained, such as cases of fewer days than asked for.
        choice: which candidate was taken with which parameters, and what each was worth on validation.
        threshold: from which score on a case is acted on.
        looks: how many versions were judged on these test rows or on some of them, this one included.
        apart: baseline or champion to metric to value, low, high and p-value of the model minus it.
        file: name of the model file; its ending says what runs it.
        files: what is kept beside the model file, such as ``explain.json``, by name with its SHA-256.
    """

    model: str
    digest: str
    origin: Origin
    metrics: Mapping[str, Mapping[str, float]]
    gates: tuple[GateOutcome, ...]
    parent: int | None = None
    intervals: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    choice: Mapping[str, Any] = field(default_factory=dict)
    threshold: float = 0.5
    looks: int = 1
    apart: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    file: str = "model.onnx"
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def identity(self) -> str:
        """What makes it this version: the same file from the same declaration and data is the same version."""
        parts = (self.model, self.digest, self.origin.declaration, self.origin.training_set)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps(asdict(self))  # in order: the first metric is the one that decides

    @staticmethod
    def from_json(text: str) -> Record:
        raw = json.loads(text)
        gates = tuple(GateOutcome(**gate) for gate in raw["gates"])
        notes = tuple(raw.get("notes", ()))
        return Record(**{**raw, "origin": Origin(**raw["origin"]), "gates": gates, "notes": notes})


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Args:
        number: 1, 2, … in the order of registration.
        record: what it came from and what it proved.
        created_us: when it was registered, microseconds UTC.
        aliases: ``champion``, ``challenger``, ``shadow`` or none.
        standing: what became of it on registration: ``champion``, ``challenger`` or ``held``; empty while that is open.
        promotions: each with ``at_us``, ``by`` (who), ``reason`` and the champion that was ``replaced``.
        run: identifier of its run in MLflow.
        shadows: when it began and ended to be scored beside the champion: each with ``at_us``, ``by``, ``reason`` and
            ``what``, which is ``begins`` or ``ends``.
    """

    number: int
    record: Record
    created_us: int
    aliases: tuple[str, ...] = ()
    standing: str = ""
    promotions: tuple[Mapping[str, Any], ...] = ()
    run: str = ""
    shadows: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return self.record.model

    @property
    def digest(self) -> str:
        return self.record.digest

    @property
    def passed(self) -> bool:
        return self.record.passed

    @property
    def metrics(self) -> Mapping[str, float]:
        return self.record.metrics.get("model", {})

    def as_dict(self) -> dict[str, Any]:
        """Return the version as plain values."""
        known = {"number": self.number, "passed": self.passed, "aliases": list(self.aliases)}
        moves = {"standing": self.standing, "promotions": [dict(one) for one in self.promotions]}
        moves["shadows"] = [dict(one) for one in self.shadows]
        return {**known, **moves, "created_us": self.created_us, "run": self.run, **asdict(self.record)}

    def __repr__(self) -> str:
        shown = ", ".join([*self.aliases, "gates passed" if self.passed else "gates failed"])
        return f"Version({self.name} {self.number}, {self.digest[:12]}, {shown})"


def looks_at(fold: Mapping[str, Any], versions: Sequence[Version]) -> int:
    """Return how many versions were judged on the test of a fold, or on a part of it, with one more.

    Args:
        fold: as ``Fold.as_dict``.
        versions: of the model, registered before.
    """
    begin, end = fold["test"]
    seen = [one.record for one in versions if (there := one.record.origin.fold) and _overlap(there, begin, end)]
    return 1 + max((one.looks for one in seen), default=0)


def _overlap(fold: Mapping[str, Any], begin: str, end: str) -> bool:
    # texts of ISO 8601 in UTC are in the order of time
    return bool(fold["test"][0] < end and begin < fold["test"][1])


def environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what a model becomes."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_commit(folder: Path) -> str:
    """Return the git commit of a folder, with ``+`` where the working tree differs; empty where there is no git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - fixed words
    return done.stdout.strip()
