"""All that the report finds out about models, each computed once: which version, on which rows, how good and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.audit.facts import Loaded
from headrace.audit.models.classes import Classes, classes
from headrace.audit.models.importance import Importance, importance
from headrace.audit.models.learning import Learning, learning
from headrace.audit.models.money import costs_of
from headrace.audit.models.numbers import Numbers, Quantiles, numbers, quantiles
from headrace.audit.models.over_time import OverTime, over_time
from headrace.audit.models.practice import Practice, decisive, practice
from headrace.audit.models.ranked import Ranked, ranked
from headrace.audit.models.rules import Rule, rules_taken
from headrace.audit.models.segments import Segments, segments
from headrace.audit.models.tags import tags_of
from headrace.audit.models.tested import Tested, read
from headrace.audit.models.worst import Worst, worst
from headrace.audit.models.yes_no import YesNo, yes_no
from headrace.declare import Model
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn import Registry, Version
from headrace.learn.trainingset import BuiltSet, open_set


@dataclass(frozen=True)
class Findings:
    """What was found out about a version on its test rows; what its task does not have is None.

    Args:
        rows, days: of the test.
        importance: what it looks at.
        worst: its worst errors.
        over_time: how good it was from day to day.
        segments: where it fails.
        learning: what more data would buy.
        rules: what services take.
        yes_no, numbers, quantiles, classes, ranked: how scores lie, by the task.
    """

    rows: int
    days: int
    importance: Importance
    worst: tuple[Worst, ...] = ()
    over_time: OverTime | None = None
    segments: Segments | None = None
    learning: Learning | None = None
    rules: tuple[Rule, ...] = ()
    yes_no: YesNo | None = None
    numbers: Numbers | None = None
    quantiles: Quantiles | None = None
    classes: Classes | None = None
    ranked: Ranked | None = None


@dataclass(frozen=True)
class Judged:
    """A model and what was found out about it, as far as there is anything.

    Args:
        model: as declared.
        champion: the version that serves.
        newest: version.
        built: the set that the shown version learned from, or the newest one.
        practice: the shown version against what there is without it.
        findings: on its test rows.
        why: there are none.
    """

    model: Model
    champion: Version | None = None
    newest: Version | None = None
    built: BuiltSet | None = None
    practice: Practice | None = None
    findings: Findings | None = None
    why: str = ""

    @property
    def shown(self) -> Version | None:
        """The version that the report is about: the one that serves, or the newest where none does."""
        return self.champion or self.newest


def judged(loaded: Loaded, names: Sequence[str] = ()) -> list[Judged]:
    """Return what there is to tell of each model, or of some.

    Args:
        loaded: the project.
        names: of models; all of them by default.

    Raises:
        HeadraceError: HR-LEARN-040 for a name that is no model.
    """
    models = loaded.project.all_models
    for name in names:
        if name not in models:
            cure = nearest(name, models) or "declare one: hr.Model(…)"
            raise HeadraceError(Fault("HR-LEARN-040", "", f"no model {name!r} in the project", "a model", cure))
    registry = loaded.registry()
    return [_judged(loaded, models[name], registry) for name in names or models]


def _judged(loaded: Loaded, model: Model, registry: Registry) -> Judged:
    versions = registry.versions(model.name)
    if not versions:
        return Judged(model, built=_built(loaded, model, None))
    champion = next((one for one in versions if "champion" in one.aliases), None)
    version = champion or versions[-1]
    built = _built(loaded, model, version)
    tested, tags = read(loaded.project, model, version, built, registry), tags_of(loaded.project, model)
    charter = loaded.project.charter
    if isinstance(tested, str):
        compared = practice(None, model, version, charter, registry, None)
        return Judged(model, champion, versions[-1], built, compared, why=tested)
    currency = "" if charter is None else charter.currency
    costs = costs_of(tested, tags.unit, currency) if tested.yes_no else None
    compared = practice(tested, model, version, charter, registry, costs)
    found = importance(tested, registry, tags.hidden)
    features = [one.name for one in found.features]
    metric, task = decisive(model, charter), model.task.name
    findings = Findings(
        tested.rows,
        tested.days,
        found,
        worst(tested, features, tags.hidden),
        over_time(tested, metric),
        segments(tested, features, tags.hidden),
        learning(tested, metric),
        tuple(_rules(loaded, tested)),
        yes_no(tested, costs) if tested.yes_no else None,
        numbers(tested) if task == "regression" else None,
        quantiles(tested) if task == "quantiles" else None,
        classes(tested) if task == "multiclass" else None,
        ranked(tested) if task == "ranking" else None,
    )
    return Judged(model, champion, versions[-1], built, compared, findings)


def _rules(loaded: Loaded, tested: Tested) -> list[Rule]:
    if not tested.yes_no:
        return []
    test = tested.split.test.test
    return rules_taken(loaded, tested.model, tested.built, test, tested.test.y, tested.score, tested.days)


def _built(loaded: Loaded, model: Model, version: Version | None) -> BuiltSet | None:
    folder: Path = loaded.state_dir / "sets" / model.cases.name
    if version is not None and (folder / version.record.origin.training_set[:16] / "manifest.json").exists():
        return open_set(folder / version.record.origin.training_set[:16])
    ready = sorted(folder.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return open_set(ready[-1].parent) if ready else None
