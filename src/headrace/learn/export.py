"""From the trained object to a model file, and the proof that both give the same scores and decisions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task, binary
from headrace.errors import CheckFailed, Fault, HeadraceError
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds import Graph, UnlikeError, kind_of
from headrace.learn.kinds import part as part_of
from headrace.learn.kinds.text import in_text
from headrace.learn.native import METADATA, ONNX, ending_of
from headrace.learn.scorer import Scorer, open_session
from headrace.learn.scoring import scores
from headrace.learn.tasks import outputs_of

Scores = npt.NDArray[np.float64]
TOLERANCE = 1e-5
"""Largest difference of a score; ONNX computes in float32, which holds seven digits."""
BEYOND_PER_ROW = 1e-4
"""Share of rows that may differ by more: a feature that meets a tree's threshold to the last digit of float32."""
FLIPS_PER_ROW = 1e-4
"""Share of rows whose decision may flip: a score at a threshold to the last digit."""
_ROWS, _ALONE = 20_000, 40
"""Rows that are compared at most, and that are scored one by one."""
NONE: Mapping[str, Sequence[str]] = MappingProxyType({})
_LEAST_ROWS = 10_000
"""Where there are fewer real rows, others are drawn: of each feature the value of some real row."""


@dataclass(frozen=True)
class Parity:
    """How far the exported model is from the trained one."""

    rows: int
    planted: int
    max_difference: float
    differing: int
    flipped: int
    differing_nulls: int = 0
    """Of the rows that differ, those in which a feature is null."""
    instead: str = ""
    """Why the file is in the library's own format and not in ONNX; empty where it is in ONNX."""

    @property
    def passed(self) -> bool:
        return self.differing <= BEYOND_PER_ROW * self.rows and self.flipped <= FLIPS_PER_ROW * self.rows

    def sentence(self) -> str:
        """Return the outcome as one sentence."""
        return (
            f"exported and trained model differ by at most {self.max_difference:.2g} on {self.rows:,} rows, "
            f"{self.planted:,} of them with planted nulls and extremes ({self.differing} beyond the "
            f"{TOLERANCE:.0e} allowed to all but {BEYOND_PER_ROW * self.rows:.0f}); {self.flipped} decisions flip"
            + (f"; in the library's own format, since as ONNX: {self.instead}" if self.instead else "")
        )


def export(
    estimator: Any,
    names: Sequence[str],
    place: str,
    task: Task,
    classes: Sequence[str],
    categories: Mapping[str, Sequence[str]],
    proved: Callable[[bytes], Parity],
) -> tuple[bytes, Parity]:
    """Return an estimator as a file that was proved to be the same model.

    That is ONNX; where it does not hold a model of LightGBM or XGBoost, it is the library's own text format.

    Args:
        estimator: fitted.
        names: of the features, in the order of the columns.
        place: ``file:line`` of ``fit``.
        task: of the model.
        classes: names of the classes, where there are several.
        categories: texts of each feature that is text, in the order of their places.
        proved: compares a file with the estimator, and raises where they differ.

    Returns:
        The file, and how far it is from the estimator.

    Raises:
        HeadraceError: HR-LEARN-009 when there is no file that holds it.
        CheckFailed: HR-LEARN-010 when there is one, and it is another model.
    """
    try:
        content = to_onnx(estimator, names, place, task, classes, categories)
        return content, proved(content)
    except HeadraceError as error:
        text = in_text(estimator, names, outputs_of(task, tuple(classes)), categories)
        if text is None:
            raise
        return text, replace(proved(text), instead=error.faults[0].found)


def export_like(
    content: bytes,
    estimator: Any,
    names: Sequence[str],
    place: str,
    task: Task,
    classes: Sequence[str],
    categories: Mapping[str, Sequence[str]],
) -> bytes:
    """Return an estimator in the format of another file."""
    outputs = outputs_of(task, tuple(classes))
    text = None if ending_of(content) == ONNX else in_text(estimator, names, outputs, categories)
    return to_onnx(estimator, names, place, task, classes, categories) if text is None else text


def to_onnx(
    estimator: Any,
    names: Sequence[str],
    place: str,
    task: Task | None = None,
    classes: Sequence[str] = (),
    categories: Mapping[str, Sequence[str]] = NONE,
) -> bytes:
    """Return an estimator as an ONNX file; the same estimator gives the same bytes.

    Args:
        estimator: a fitted scikit-learn estimator or pipeline, also with LightGBM in it, or a LightGBM booster.
        names: of the features, in the order of the columns.
        place: ``file:line`` of ``fit``.
        task: of the model; yes or no by default.
        classes: names of the classes, where there are several.
        categories: texts of each feature that is text, in the order of their places.

    Returns:
        The bytes of a model with one float32 input of shape (n, features).

    Raises:
        HeadraceError: HR-LEARN-009 when there is no converter, naming the step that has none.
    """
    task, kind = binary() if task is None else task, kind_of(estimator)
    outputs = outputs_of(task, tuple(classes))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert kind is not None
            return _file(kind.graph(estimator, names, task, len(outputs)), names, outputs, categories)
    except UnlikeError as error:
        found, expected = f"an exported model with {error}", f"a model that gives {', '.join(outputs)}"
        cure = "return one score, or the chances of no and yes, for each row; several classes are task=hr.multiclass()"
        cure = cure if task.name == "binary" else "mend what fit returns"
        if kind is not None and kind.name == "a Python rule":
            cure = "write it with what docs/models.md lists for rules, or return an ONNX file"
        raise HeadraceError(Fault("HR-LEARN-009", place, found, expected, cure)) from error
    except Exception as error:  # whatever a converter has against an estimator
        found = f"{_without_converter(estimator, error)}, which cannot be exported to ONNX ({_said(error)})"
        raise HeadraceError(_unsupported(found, place)) from error


def _file(graph: Graph, names: Sequence[str], outputs: Sequence[str], categories: Mapping[str, Sequence[str]]) -> bytes:
    """A converted model as bytes, with what a scorer must know of it."""
    model = graph.model
    about: dict[str, Any] = {"features": list(names), "scores": list(outputs), "output": graph.output}
    about |= {"columns": list(graph.columns), "sign": graph.sign}
    if categories:
        about["categories"] = {name: list(texts) for name, texts in categories.items()}
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps(about, sort_keys=True)
    # the converter collects them in a set, whose order is another one in another process
    opsets = sorted(model.opset_import, key=lambda one: str(one.domain))
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _unsupported(found: str, place: str) -> Fault:
    expected = "an estimator or pipeline of scikit-learn or a boosting library, a rule, or a ready ONNX file"
    cure = "use one that skl2onnx converts, e.g. LogisticRegression, HistGradientBoostingClassifier or LGBMClassifier"
    return Fault("HR-LEARN-009", place, found, expected, cure)


def _without_converter(estimator: Any, error: Exception) -> str:
    """Name the step that the converter complains of, also one of a vote or a stack; all steps where it names none."""
    within = _steps(estimator)
    for name, step in within.items():
        if type(step).__name__ in str(error):
            return f"step '{name}' ({type(step).__name__})"
    all_steps = ", ".join(f"{name} ({type(step).__name__})" for name, step in within.items())
    return f"fit returned {type(estimator).__name__}" + (f" of {all_steps}" if all_steps else "")


def _steps(estimator: Any) -> dict[str, Any]:
    """The estimators within one, by their path of names, e.g. ``vote__trees``."""
    from sklearn.base import BaseEstimator

    within: dict[str, Any] = getattr(estimator, "get_params", dict)()
    return {name: one for name, one in within.items() if isinstance(one, BaseEstimator)}


def check_parity(
    estimator: Any,
    content: bytes,
    x: Matrix,
    thresholds: Sequence[float],
    place: str,
    nullable: Collection[str] | None = None,
    task: Task | None = None,
    classes: int = 0,
) -> Parity:
    """Compare the exported with the trained model on real rows and on rows with planted nulls and extremes.

    Args:
        estimator: the trained object.
        content: the exported file.
        x: float32 features of real rows, shape (n, features); at most 20,000 of them, evenly taken, are compared, and
            where there are fewer than 10,000, so many more that are drawn from them, feature by feature.
        thresholds: scores at which decisions change.
        place: ``file:line`` of ``fit``.
        nullable: the features that can be null, which the trained object must be able to score; by default all.
        task: of the model; yes or no by default.
        classes: how many there are, of several.

    Returns:
        How far the two are from each other.
    """
    scorer = _loaded(content, place)
    real = x[np.linspace(0, len(x) - 1, min(len(x), _ROWS)).astype(np.int64)]
    planted = _planted(real, x, [nullable is None or name in nullable for name in scorer.features])
    rows = np.concatenate([real, _drawn(real, _LEAST_ROWS - len(real)), planted])
    trained = scores(estimator, rows, scorer.features, place, task, classes)
    exported = _exported_scores(scorer, rows, place)
    _require_rows_alone(scorer, rows, exported, task, place)
    difference = _apart(trained, exported, task)
    flipped = np.zeros(len(rows), dtype=np.bool_)
    if trained.ndim == 2 and classes:
        flipped |= np.argmax(trained, axis=1) != np.argmax(exported, axis=1)
    served = trained.astype(np.float32)  # a threshold may be a score itself, as a file gives it
    for threshold in thresholds if trained.ndim == 1 else ():
        flipped |= (served > threshold) != (exported > threshold)
    largest, differing = float(difference.max()), difference > TOLERANCE
    nulls = int((differing & np.isnan(rows).any(axis=1)).sum())
    return Parity(len(rows), len(planted), largest, int(differing.sum()), int(flipped.sum()), nulls)


def _require_rows_alone(scorer: Scorer, rows: Matrix, together: Scores, task: Task | None, place: str) -> None:
    """Refuse a model whose score of a row depends on the rows beside it: a service asks for one at a time.

    Raises:
        HeadraceError: HR-LEARN-038.
    """
    some = np.unique(np.linspace(0, len(rows) - 1, _ALONE).astype(np.int64))
    alone = np.concatenate([_exported_scores(scorer, rows[[at]], place) for at in some])
    turned = _exported_scores(scorer, np.ascontiguousarray(rows[some[::-1]]), place)[::-1]
    far = float(max(_apart(together[some], one, task).max() for one in (alone, turned)))
    if far > TOLERANCE:
        found = f"a model whose score of a row changes by up to {far:.3g} with the rows beside it"
        cure = "compute means over rows in training, and keep them in the model; or make them features, by a window"
        raise HeadraceError(Fault("HR-LEARN-038", place, found, "the same score of a row alone and among others", cure))


def _apart(trained: Scores, exported: Scores, task: Task | None) -> Scores:
    """How far scores are apart: probabilities as they are, numbers by how large they are; of several the farthest."""
    difference = np.abs(trained - exported)
    if task is not None and task.name not in ("binary", "multiclass"):
        difference = difference / np.maximum(1.0, np.abs(trained))
    return difference if difference.ndim == 1 else difference.max(axis=1)


def _loaded(content: bytes, place: str) -> Scorer:
    try:
        return Scorer(content)
    except Exception as error:
        raise HeadraceError(_not_run(error, place)) from error


def _exported_scores(scorer: Scorer, rows: Matrix, place: str) -> npt.NDArray[np.float64]:
    try:
        return scorer.score(rows)
    except Exception as error:
        raise HeadraceError(_not_run(error, place)) from error


def _not_run(error: Exception, place: str) -> Fault:
    """The fault of whatever ONNX Runtime has against a graph that the converter has made."""
    why = (str(error).rpartition("Status Message: ")[2].strip().splitlines() or [""])[0][:160]
    found = f"an exported model that cannot be run ({type(error).__name__}: {why})"
    cure = "replace the step by one that skl2onnx converts rightly"
    return Fault("HR-LEARN-009", place, found, "a model that ONNX Runtime runs", cure)


def _said(error: Exception) -> str:
    """Return an exception's name and the first line of what it says."""
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}" + (f": {text}" if text else "")


def dropped(estimator: Any, learned: Matrix, names: Sequence[str], place: str) -> Fault | None:
    """Return why an export failed where an imputer drops features that it has never seen, else None.

    The exported graph does not drop them; which later step is the first to stumble over that says nothing.

    Args:
        estimator: the trained object.
        learned: float32 features of the rows that it learned from.
        names: of the features.
        place: ``file:line`` of ``fit``.
    """
    within = _steps(estimator).values()
    imputers = sorted({type(one).__name__ for one in within if getattr(one, "keep_empty_features", True) is False})
    null = [name for name, column in zip(names, learned.T, strict=True) if np.isnan(column).all()]
    if not imputers or not null:
        return None
    found = f"{', '.join(null)}, null in every row of train, which {imputers[0]} drops and ONNX does not"
    cure = f"leave out what has no value, learn from a longer train, or write {imputers[0]}(keep_empty_features=True)"
    return Fault("HR-LEARN-009", place, found, "features with a value in some row", cure)


def _drawn(real: Matrix, count: int) -> Matrix:
    """Rows of which each feature has the value of some real row, the same each time."""
    places = np.random.default_rng(0).integers(0, len(real), (max(count, 0), real.shape[1]))
    return np.take_along_axis(real, places, axis=0)


def _planted(real: Matrix, every: Matrix, nullable: Sequence[bool]) -> Matrix:
    """Rows in which one feature at a time has its smallest or largest value or, if it can be, is null; one with all."""
    rows = []
    filled = np.where(np.isnan(real), np.float32(0), real)
    least, most = (of(np.where(np.isnan(every), np.float32(0), every), axis=0) for of in (np.min, np.max))
    for i, absent in enumerate(nullable):
        for value in (*[np.float32(np.nan)][:absent], least[i], most[i]):
            few = real[(np.arange(8) * 997 + i) % len(real)].copy()
            few[:, i] = value
            rows.append(few)
    if any(nullable):
        rows.append(np.where(nullable, np.float32(np.nan), filled[:1]))
    return np.concatenate(rows)


def require_parity(parity: Parity, estimator: Any, x: Matrix, names: Sequence[str], place: str) -> None:
    """Refuse an export that is not the trained model, naming the step at which the two part.

    Raises:
        CheckFailed: HR-LEARN-010.
    """
    if parity.passed:
        return
    found = (
        f"an exported model that differs from the trained one by {parity.max_difference:.3g} "
        f"({parity.differing} of {parity.rows:,} rows beyond {TOLERANCE:.0e}, {parity.flipped} decisions flipped) "
        f"{_parting_step(estimator, x[:_ROWS], names)}"
    )
    cure = "take the step out or do its work in a feature: trees need no scaling"
    if parity.differing == parity.differing_nulls > 0:
        cure = "let a SimpleImputer before it fill the nulls: exported, it takes them for other values"
    if parity.differing <= BEYOND_PER_ROW * parity.rows:  # of 20 trees, half are right for many rows
        cure = "decide by a number between two scores, e.g. score > 0.501: here many are the threshold itself"
    raise CheckFailed(Fault("HR-LEARN-010", place, found, "the same scores and decisions", cure))


def _parting_step(estimator: Any, x: Matrix, names: Sequence[str]) -> str:
    """Say at which step of a pipeline the float32 of ONNX first gives other values."""
    steps = list(getattr(estimator, "steps", []))
    for i in range(1, len(steps)):
        if _transform_difference(estimator[:i], x, names) > 0:
            return f"from step '{steps[i - 1][0]}' ({type(steps[i - 1][1]).__name__}) on"
    name, last = steps[-1] if steps else ("model", estimator)
    return f"at step '{name}' ({type(last).__name__})"


def _transform_difference(part: Any, x: Matrix, names: Sequence[str]) -> float:
    """Largest difference of a transformed value that float32 rounding alone does not explain."""
    try:
        exported = open_session(part_of(part, names)).run(None, {"X": x})[0].astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trained = np.asarray(part.transform(frame(x, tuple(names))), dtype=np.float64).astype(np.float32)
        return float(np.nanmax(np.abs(exported - trained)))
    except Exception:  # noqa: BLE001 - a step that cannot be looked at by itself is not the one that can be named
        return 0.0
