"""The rows that a version was tested on: read once, scored once, and shared by all that is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.audit.models.blocks import Blocks, Floats, blocks_of
from headrace.clock import DAY_US, to_us
from headrace.declare import GroupSplit, Metric, Model, Project
from headrace.errors import HeadraceError
from headrace.learn import Registry, Scorer, Version
from headrace.learn.cases import Cases, read_cases
from headrace.learn.metrics import Context, evaluate
from headrace.learn.setting import context_of, costed_by, grouped_by, matures_us
from headrace.learn.split import Fold, Split, folds_of
from headrace.learn.tasks import outputs_of
from headrace.learn.thresholds import thresholds
from headrace.learn.trainingset import BuiltSet

Rows = npt.NDArray[np.int64]
YES_NO = ("binary", "anomaly")


@dataclass(frozen=True)
class Tested:
    """A version on the rows that it was tested on.

    Args:
        model: as declared now.
        version: of it.
        built: the very set that the version learned from.
        cases: all of the set.
        split: as it was when the version was trained.
        test: the cases that it was tested on.
        score: of these; shape (n,), or (n, k) where a row has several.
        context: of these.
        scorer: of the version.
        blocks: for bands; None where there are too few days.
        threshold: from which score on a case is acted on, and what that is; of models that answer yes or no.
    """

    model: Model
    version: Version
    built: BuiltSet
    cases: Cases
    split: Split
    test: Cases
    score: Floats
    context: Context
    scorer: Scorer
    blocks: Blocks | None
    threshold: tuple[float, str]

    @property
    def rows(self) -> int:
        return len(self.test.y)

    @property
    def days(self) -> int:
        """On how many days they lie."""
        return len(np.unique(self.test.time_us // DAY_US))

    @property
    def each(self) -> Floats:
        """The scores with a column for each, also where there is one."""
        return self.score if self.score.ndim == 2 else self.score[:, None]

    @property
    def yes_no(self) -> bool:
        """Whether it answers yes or no, and both are there."""
        return self.model.task.name in YES_NO and 0 < int(self.test.y.sum()) < self.rows

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of the set for these rows."""
        return self.built.to_arrow([name]).column(name).filter(pa.array(self.split.test.test))

    def value(self, metric: Metric, rows: Rows | None = None, score: Floats | None = None) -> float | None:
        """Return a metric of all these rows or of some, by these scores or others; None where it says nothing."""
        given = self.score if score is None else score
        y, context = self.test.y, self.context
        if rows is not None:
            y, given, context = y[rows], given[rows], context.take(rows)
        if not len(y) or (self.model.task.name in YES_NO and len(np.unique(y)) < 2):
            return None
        try:
            with np.errstate(all="ignore"):
                found = evaluate(metric, y, given, context)
        except HeadraceError:
            return None
        return found if np.isfinite(found) else None


def read(project: Project, model: Model, version: Version, built: BuiltSet | None, registry: Registry) -> Tested | str:
    """Return a version on its test rows, or in a few words why that cannot be had.

    Args:
        project: whose services act on the score.
        model: as declared now.
        version: of it.
        built: the newest set that there is, or the version's own.
        registry: of its versions.
    """
    if built is None or built.manifest["fingerprint"] != version.record.origin.training_set:
        return "the set that it learned from is no longer there, and of another its numbers would be others"
    try:
        cases = read_cases(built, grouped_by(model), model.place, model.task, costed_by(model))
        scorer = registry.load(version)
        cases = cases.coded(scorer.categories)
        split = _split(model, cases, version)
    except HeadraceError as error:
        return "; ".join(fault.found for fault in error.faults)
    if split is None or scorer.names != outputs_of(model.task, cases.classes):
        return "it was trained from another declaration, whose test rows are not known any more"
    test = cases.take(split.test.test)
    try:
        score = scorer.score(test.x[:, [test.names.index(name) for name in scorer.features]])
    except HeadraceError as error:
        return "; ".join(fault.found for fault in error.faults)
    context = context_of(model, cases, split.test, version.record.threshold)
    by = cases.columns[model.split.by][split.test.test] if isinstance(model.split, GroupSplit) else None
    acts = _threshold(project, model, version, test, score)
    blocks = blocks_of(test.time_us, by)
    return Tested(model, version, built, cases, split, test, score, context, scorer, blocks, acts)


def _split(model: Model, cases: Cases, version: Version) -> Split | None:
    """The split of the training; by its spans where it has been declared otherwise since."""
    told = version.record.origin.fold
    try:
        declared = folds_of(cases, model.split, matures_us(model))
        if not told or declared.test.as_dict()["test"] == list(told["test"]):
            return declared if not told or int(declared.test.test.sum()) == told["test_rows"] else None
    except HeadraceError:
        pass  # what is declared now does not fit the set of then
    if not told or told["test"][0] == told["test"][1]:
        return None
    spans = [_edge(told[part][0]) for part in ("train", "test")], [_edge(told[part][1]) for part in ("train", "test")]
    masks = [(cases.time_us >= low) & (cases.time_us < high) for low, high in zip(*spans, strict=True)]
    fold = Fold((spans[0][0], spans[1][0]), (spans[0][1], spans[1][1]), masks[0], masks[1])
    return Split(fold, ()) if masks[1].any() else None


def _edge(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def _threshold(project: Project, model: Model, version: Version, test: Cases, score: Floats) -> tuple[float, str]:
    """From which score on a case is acted on: as declared, else as services do, else for as many as are positive."""
    if model.task.name not in YES_NO:
        return 0.0, ""
    if model.threshold is not None:
        return version.record.threshold, "the model's own threshold"
    try:
        known = thresholds(project, model)
    except HeadraceError:
        known = ()
    if known:
        return known[0], "the lowest score on which a service acts"
    ranked, positives = -np.sort(-score), int(test.y.sum())
    return float(ranked[max(positives - 1, 0)]), "as many rows are taken as are positive, since nothing is declared"
