"""What MLflow's own pages show of a version: metrics with steps, parameters, tags, a note, and named files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.learn.stored import Files
from headrace.learn.version import Record

TAG = "headrace."
"""Begin of our own tags, on runs and versions."""
_STRANGE = re.compile(r"[^\w\-. :/]+")
"""Characters that MLflow does not take in the name of a metric."""


def metrics_of(record: Record) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of each metric: the model's own, those of baselines, and of each fold of validation.

    MLflow groups by what stands before a slash: a baseline, or ``validation`` with one line for each candidate.

    Example:
        >>> from headrace.learn.version import Origin
        >>> tried = [{"name": "small (tuned)", "folds": [{"roc_auc": 0.7}, {"roc_auc": 0.8}]}]
        >>> values = {"model": {"roc_auc": 0.75}, "prior_rate": {"roc_auc": 0.5}}
        >>> told = Record("score", "", Origin("", ""), values, (), choice={"tried": tried})
        >>> for one in metrics_of(told):
        ...     print(*one)
        roc_auc 0.75 0
        prior_rate/roc_auc 0.5 0
        validation/small tuned/roc_auc 0.7 0
        validation/small tuned/roc_auc 0.8 1
    """
    for who, values in record.metrics.items():
        for label, value in values.items():
            yield _named(label if who == "model" else f"{who}/{label}"), float(value), 0
    for one in record.choice.get("tried", ()):
        for step, fold in enumerate(one["folds"]):
            for label, value in fold.items():
                yield _named(f"validation/{one['name']}/{label}"), float(value), step


def params_of(record: Record) -> dict[str, str]:
    """Return what the version was made with: parameters of the candidate by their own names, and what it came from."""
    origin, choice = record.origin, record.choice
    told = {"digest": record.digest, "declaration": origin.declaration, "training_set": origin.training_set}
    told |= {f"data.{table}": str(version) for table, version in origin.data.items()}
    told |= {"threshold": repr(record.threshold), **({"candidate": str(choice["name"])} if "name" in choice else {})}
    own = {_named(str(name)): str(value) for name, value in choice.get("params", {}).items()}
    return {**{f"param.{name}" if name in told else name: value for name, value in own.items()}, **told}


def tags_of(record: Record) -> dict[str, str]:
    """Return the tags of a run; the commit is where MLflow's pages look for it."""
    gates = "passed" if record.passed else "failed"
    source = {"mlflow.source.name": f"headrace train {record.model}", "mlflow.source.git.commit": record.origin.commit}
    return {f"{TAG}gates": gates, "mlflow.note.content": note_of(record), **source}


def note_of(record: Record) -> str:
    """Return the description of a version, in Markdown: metrics with their intervals, gates, what is to be known."""
    spans = record.intervals.get("model", {})
    first = next((f"{label} {value:.4f}, " for label, value in record.metrics.get("model", {}).items()), "")
    gates = "all gates passed" if record.passed else "gates failed"
    lines = [f"{first}{gates}", "", "| metric | value | 95 % interval |", "| --- | --- | --- |"]
    for label, value in record.metrics.get("model", {}).items():
        low, high = spans.get(label, (None, None))
        lines.append(f"| {label} | {value:.4f} | {'' if low is None else f'{low:.4f} to {high:.4f}'} |")
    lines += ["", *(f"- {'passed' if gate.passed else '**failed**'}: {gate.sentence}" for gate in record.gates)]
    lines += [f"- {one}" for one in record.notes]
    return "\n".join(lines)


def lay_out(record: Record, files: Files, folder: Path) -> None:
    """Fill a folder with what a run shows as its files, each under its own name.

    Args:
        record: of the version.
        files: where they are kept.
        folder: empty.
    """
    (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
    for name, digest in named_files(record).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(files.path(name, digest).resolve())


def named_files(record: Record) -> Mapping[str, str]:
    """Return all files of a version: name, as among the files of its run, to digest."""
    return {f"model/{record.file}": record.digest, **record.files}


def _named(text: str) -> str:
    return " ".join(_STRANGE.sub(" ", text).split()).replace(" /", "/")
