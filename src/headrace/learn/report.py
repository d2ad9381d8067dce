"""What a training tells: candidates by metrics with the baselines first, gates, the version and what became of it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.errors import Fault
from headrace.learn.gates import GateOutcome
from headrace.learn.intervals import Difference
from headrace.learn.metrics import shown
from headrace.learn.version import Version


@dataclass(frozen=True)
class Candidate:
    """Something that was judged: a ``baseline``, a ``candidate``, the ``model`` or the present ``champion``.

    Args:
        name: of it.
        role: one of the four; a candidate that was not taken was never shown the test.
        metrics: on the test rows, by label.
        seconds: that fitting took.
        intervals: low and high end of each metric at 95 % confidence, where there are days enough to say so.
        validation: mean of each metric over the folds that were chosen on.
        params: parameters, by which it differs from its defaults.
        chosen: whether it was taken.
        apart: how far the model is from it on the same rows, by metric.
    """

    name: str
    role: str
    metrics: Mapping[str, float]
    seconds: float
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    chosen: bool = False
    apart: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainReport:
    """The outcome of a training.

    Args:
        model: its name.
        candidates: baselines first, then the model, then the champion before it.
        gates: outcomes of this training.
        version: registered.
        new: whether the version was registered by this training.
        seconds: step to duration.
        fold: spans and rows of train and test.
        left_out: rows of the spine that are no cases, by reason, such as labels that have not matured.
        warnings: what is worth knowing, such as a history shorter than was asked for.
    """

    model: str
    candidates: tuple[Candidate, ...]
    gates: tuple[GateOutcome, ...]
    version: Version
    new: bool
    seconds: Mapping[str, float]
    fold: Mapping[str, Any]
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def champion(self) -> bool:
        """Whether the version serves now."""
        return "champion" in self.version.aliases

    @property
    def metrics(self) -> Mapping[str, float]:
        """The model's own metrics on the test rows."""
        return next(one.metrics for one in self.candidates if one.role == "model")

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values for ``--json``."""
        return {
            "model": self.model,
            "candidates": [asdict(one) for one in self.candidates],
            "gates": [gate.as_dict() for gate in self.gates],
            "passed": self.passed,
            "version": self.version.number,
            "digest": self.version.digest,
            "new": self.new,
            "standing": self.version.standing,
            "champion": self.champion,
            "fold": dict(self.fold),
            "left_out": dict(self.left_out),
            "warnings": [fault.as_dict() for fault in self.warnings],
            "seconds": {step: round(value, 3) for step, value in self.seconds.items()},
        }

    def verdict(self) -> str:
        """Return in one sentence which version this is and what became of it."""
        known = "" if self.new else ", known already: same file, declaration and data"
        if self.champion:
            became = "it is the champion"
        elif not self.version.passed:
            became = "it is kept but cannot serve: gates failed"
        else:
            became = (
                "it is a challenger: the champion is better"
                if "challenger" in self.version.aliases
                else "it passed and does not serve, since another is the champion; "
                f"headrace models promote {self.model} {self.version.number} changes that"
            )
        return f"{self.model} version {self.version.number} ({self.version.digest[:12]}{known}): {became}"

    def cases(self) -> str:
        """Return in one sentence which cases were learned from and judged on, and which were not used."""
        train, test = (" to ".join(str(day)[:16] for day in self.fold[part]) for part in ("train", "test"))
        told = (
            f"learned from {self.fold['train_rows']:,} cases of {train}, judged on {self.fold['test_rows']:,} of {test}"
        )
        if self.fold.get("by"):
            told += f", each {self.fold['by']} in one part only"
        told += f"; not used: {self.fold['unused_rows']:,} before that or in the gap"
        looks = self.version.record.looks
        told += f"; the {ordinal(looks)} version that was judged on this test" if looks > 1 else ""
        return told + "".join(f", {count:,} {reason}" for reason, count in self.left_out.items() if count)

    def differences(self) -> list[str]:
        """Return a sentence for each that it was compared with: how far apart, and whether chance could do it."""
        first = next(iter(self.metrics))
        found = [(one.name, one.apart[first]) for one in self.candidates if first in one.apart]
        return [f"{first} of the model minus {name}: {one!r}" for name, one in found]

    def header(self) -> list[str]:
        """Return the heads of the table: what decided on validation, where something had to be chosen, and the test."""
        first = next(iter(self.metrics))
        return ["candidate", *([f"{first} on validation"] if self._chose else []), *self.metrics, "seconds"]

    def rows(self) -> list[list[str]]:
        """Return the table: baselines first, the chosen candidate marked, each number with its 95 % interval."""
        first = next(iter(self.metrics))
        return [
            [
                one.name + (" ←" if one.role == "model" else ""),
                *([_told(one.validation.get(first))] if self._chose else []),
                *(_told(one.metrics.get(label), one.intervals.get(label)) for label in self.metrics),
                f"{one.seconds:.1f}",
            ]
            for one in self.candidates
        ]

    @property
    def _chose(self) -> bool:
        return any(one.validation for one in self.candidates)

    def __repr__(self) -> str:
        gates = [f"  {'passed' if gate.passed else 'FAILED'}  {gate.sentence}" for gate in self.gates]
        return "\n".join(
            [
                self.verdict(),
                self.cases(),
                "",
                *_aligned([self.header(), *self.rows()]),
                "",
                *(f"  {one}" for one in self.differences()),
                *gates,
                *map(str, self.warnings),
            ]
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header())
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows()
        )
        gates = "".join(f"<li>{html.escape(one)}</li>" for one in self.differences()) + "".join(
            f"<li>{'passed' if gate.passed else '<b>failed</b>'}: {html.escape(gate.sentence)}</li>"
            for gate in self.gates
        )
        verdict = "<br>".join(html.escape(one) for one in (self.verdict(), self.cases(), *map(str, self.warnings)))
        return f"<p>{verdict}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><ul>{gates}</ul>"


def ordinal(number: int) -> str:
    """Return a number as the place in a row.

    Example:
        >>> ordinal(2), ordinal(11), ordinal(23)
        ('2nd', '11th', '23rd')
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _told(value: float | None, span: tuple[float, float] | None = None) -> str:
    """A number with its interval; of what was never shown the test there is none."""
    return "—" if value is None else shown(value, span)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
