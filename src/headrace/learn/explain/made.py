"""From a trained model to its explanation: exact where that is known, checked on real rows, else by permutation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix
from headrace.learn.explain.columns import Columns, NotExactError, plain, through
from headrace.learn.explain.contributions import SCORE_OF
from headrace.learn.explain.explainer import TOLERANCE, Content, Exact, how_far
from headrace.learn.explain.grown import Tree, planted
from headrace.learn.explain.linear import Linear, beside
from headrace.learn.explain.of_boosting import of_lightgbm, of_xgboost
from headrace.learn.explain.of_catboost import of_catboost
from headrace.learn.explain.of_sklearn import Summed, Weighed, of_sklearn
from headrace.learn.explain.permutation import ROWS, Sampled
from headrace.learn.explain.trees import Trees, joined
from headrace.learn.kinds import is_booster
from headrace.learn.kinds.kind import of_module
from headrace.learn.kinds.statsmodels import CONSTANT, columns_of, link_of
from headrace.learn.scoring import scores
from headrace.learn.tasks import outputs_of

Floats = npt.NDArray[np.float64]
_CHECKED = (8, 64)
"""On how many rows an exact explanation must add up to the model's scores: fewest and most."""
_CHECKING = 16_000_000
"""Numbers that the check may take, about, so that it stays small beside a fit."""
_BEYOND = 1
"""Of these, how many may differ: a value that meets a threshold to the last digit of float32."""
_MOST_WORK = 50_000_000
"""Numbers that one row of an exact explanation may take: some tenths of a second."""


def made_from(
    estimator: Any,
    names: Sequence[str],
    task: Task,
    background: Matrix,
    *,
    classes: Sequence[str] = (),
    place: str = "",
) -> bytes | None:
    """Return how a trained model's scores are explained, as the bytes of an ``explain.json``.

    Args:
        estimator: the trained object.
        names: of the features.
        task: of the model.
        background: float32 features of rows of training, shape (b, features), NaN for null.
        classes: names of the classes, where there are several.
        place: ``file:line`` of ``fit``.

    Returns:
        The file; None where there are no rows.
    """
    if not len(background):
        return None
    outputs, told = outputs_of(task, tuple(classes)), tuple(map(str, names))
    try:
        space, offset, part = _read(estimator, told, task, background)
        _check(part, space, offset, estimator, told, task, background, len(classes), place)
    except NotExactError as why:
        space = "probability" if task.name in ("binary", "multiclass") else "value"
        rows = background[_spread(len(background), ROWS)]
        return Content("permutation", space, told, outputs, Sampled(rows), note=str(why)).to_bytes()
    kind = "tree" if isinstance(part, Trees) else "linear"
    return Content(kind, space, told, outputs, part, offset).to_bytes()


def _read(estimator: Any, names: Sequence[str], task: Task, background: Matrix) -> tuple[str, float, Exact]:
    """The parts of a model; where a library keeps them otherwise than we know, that is a reason not to be exact."""
    try:
        return _exact(estimator, names, task, background)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NotExactError(
            f"{type(estimator).__name__}, whose parts could not be read ({type(error).__name__})"
        ) from error


def _exact(estimator: Any, names: Sequence[str], task: Task, background: Matrix) -> tuple[str, float, Exact]:
    """The space in which a model adds up, what it adds to the score, and its trees or coefficients."""
    if isinstance(estimator, Mapping):
        return _side_by_side([_exact(estimator[level], names, task, background) for level in task.levels])
    steps = [one for _, one in getattr(estimator, "steps", [("", estimator)])]
    columns = through(steps[:-1], plain(len(names)), names)
    return _last(steps[-1], columns, names, task, background)


def _side_by_side(each: Sequence[tuple[str, float, Exact]]) -> tuple[str, float, Exact]:
    (space, offset, first), *rest = each
    if any((one[0], one[1], type(one[2])) != (space, offset, type(first)) for one in rest):
        raise NotExactError("models of several kinds")
    trees = [one for _, _, one in each if isinstance(one, Trees)]
    lines = [one for _, _, one in each if isinstance(one, Linear)]
    try:
        return space, offset, joined(trees) if trees else beside(lines)
    except ValueError as error:
        raise NotExactError(str(error)) from error


def _last(
    model: Any, columns: Columns, names: Sequence[str], task: Task, background: Matrix
) -> tuple[str, float, Exact]:
    if hasattr(model, "steps"):
        inner = [one for _, one in model.steps]
        return _last(inner[-1], through(inner[:-1], columns, ()), (), task, background)
    if of_module(model, "lightgbm"):
        found = of_lightgbm(model if is_booster(model) else model.booster_)
        return found.space, 0.0, _grown(found.trees, found.start, columns, background.shape[1])
    if of_module(model, "xgboost"):
        grown = of_xgboost(model)
        return grown.space, 0.0, _grown(grown.trees, grown.start, columns, background.shape[1])
    if of_module(model, "catboost"):
        symmetric = of_catboost(model)
        return symmetric.space, 0.0, _grown(symmetric.trees, symmetric.start, columns, background.shape[1])
    if of_module(model, "statsmodels"):
        return _of_statsmodels(model, columns, names, background)
    known = of_sklearn(model, task.name)
    if isinstance(known, Weighed):
        return known.space, 0.0, _weighed(known, columns, background)
    assert isinstance(known, Summed)
    offset, start = known.offset, known.start
    if task.name == "anomaly" and known.space != "depth":
        raise NotExactError(f"{type(model).__name__}, asked for what is strange")
    return known.space, offset, _grown(known.trees, start, columns, background.shape[1])


def _grown(trees: Sequence[Tree], start: Floats, columns: Columns, features: int) -> Trees:
    if not trees:
        raise NotExactError("a model without trees")
    found = planted(trees, start, columns, features)
    if found.work > _MOST_WORK:
        raise NotExactError(f"trees so large that one row takes {found.work:,} numbers, beyond {_MOST_WORK:,}")
    return found


def _weighed(known: Weighed, columns: Columns, background: Matrix) -> Linear:
    """Weights of columns as weights of the features that they are made of."""
    features = background.shape[1]
    if len(known.weights) != len(columns.source):
        raise NotExactError("a linear model of other columns")

    def of_features(weighed: Floats) -> Floats:
        found = np.zeros((features, weighed.shape[1]))
        np.add.at(found, columns.source, weighed)
        return found

    slope, shift, null = (
        of_features(known.weights * one[:, None]) for one in (columns.scale, columns.shift, columns.null)
    )
    used = of_features(np.abs(known.weights)) > 0
    found = Linear(slope, shift, np.where(used, null, 0.0), np.zeros_like(slope), known.start)
    with np.errstate(invalid="ignore"):
        mean = found.terms(background).mean(axis=0)
    return Linear(slope, shift, found.null, mean, known.start)


def _of_statsmodels(model: Any, columns: Columns, names: Sequence[str], background: Matrix) -> tuple[str, float, Exact]:
    link = link_of(model)
    space = {"identity": "value", "logit": "log-odds", "log": "log"}.get(link)
    if space is None:
        raise NotExactError(f"the link {link} of statsmodels")
    weights, start = np.zeros((len(columns.source), 1)), np.zeros(1)
    for name, value in zip(columns_of(model), np.asarray(model.params, np.float64), strict=True):
        if name in CONSTANT:
            start += value
        else:
            weights[list(names).index(name), 0] = value
    return space, 0.0, _weighed(Weighed(weights, start, space), columns, background)


def _check(
    part: Exact,
    space: str,
    offset: float,
    estimator: Any,
    names: tuple[str, ...],
    task: Task,
    background: Matrix,
    classes: int,
    place: str,
) -> None:
    """Refuse what does not add up to the scores of the trained object on real rows, those with nulls among them.

    Raises:
        NotExactError: with how far it is off.
    """
    fewest, most = _CHECKED
    count = min(most, max(fewest, _CHECKING // (part.work if isinstance(part, Trees) else background.shape[1])))
    null = np.isnan(background).any(axis=1)
    known, holed = background[~null], background[null]
    rows = np.concatenate([one[_spread(len(one), count // 2)] for one in (known, holed) if len(one)])
    told = scores(estimator, rows, names, place, task, classes)
    told = told if told.ndim == 2 else told[:, None]
    if part.outputs != told.shape[1]:
        raise NotExactError(f"{part.outputs} sums where there are {told.shape[1]} scores")
    base, values = part.explain(rows)
    apart = how_far(SCORE_OF[space](base + values.sum(axis=1)) + offset, told).max(axis=1)
    wrong = int((apart > TOLERANCE).sum())
    if wrong > _BEYOND:
        raise NotExactError(
            f"exact contributions that did not add up in {wrong} of {len(rows)} rows ({apart.max():.2g})"
        )


def _spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """Places of rows, evenly taken."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)
