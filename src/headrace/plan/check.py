"""Every fault of a project at once: of each declaration by itself, and of how they fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from headrace.declare import Model, Project, TrainingSet
from headrace.errors import Fault, HeadraceError, nearest
from headrace.plan.compile import compile_features, compile_rules, compile_set, lacking
from headrace.plan.hindsight import hindsight
from headrace.plan.meaning import Plan
from headrace.plan.queries import query_faults
from headrace.plan.rules import contract_rule_faults
from headrace.plan.tags import tag_faults


def check(project: Project) -> list[Fault]:
    """Return every fault of a project, each once; nothing is raised, whatever was declared."""
    groups = list(project.feature_groups.values())
    sets = list(project.all_training_sets.values())
    in_sets = {id(group) for cases in sets for group in cases.features}
    attempts: list[Callable[[], object]] = [
        partial(compile_features, [group, *(other for other in groups if other is not group)], more=lacking(project))
        for group in groups
        if id(group) not in in_sets
    ]
    attempts += [partial(compile_set, cases) for cases in sets]
    sound = [model for model in project.all_models.values() if isinstance(model.cases, TrainingSet)]
    attempts += [partial(_learns, model) for model in sound]
    attempts += [partial(compile_rules, service) for service in project.all_services.values()]
    found = project.declared_faults()
    for attempt in attempts:
        try:
            attempt()
        except HeadraceError as error:
            found += error.faults
    found += query_faults(project)
    found += contract_rule_faults(project)
    return distinct(found or [*tag_faults(project), *hindsight(project)])


def _learns(model: Model) -> None:
    """Raise what a model cannot learn from, or be judged by, in the set that it names."""
    plan = compile_set(model.cases)
    faults = [*_classes(model, plan), *_numbers(model, plan), *_cards(model, plan)]
    if faults:
        raise HeadraceError(faults)


def _classes(model: Model, plan: Plan) -> Iterator[Fault]:
    if plan.label is not None and plan.label.value.domain.type.name == "str" and model.task.name != "multiclass":
        found = f"{model.name} learns {plan.label.label.value!r}, which is text, by {model.task!r}"
        cure = f"write task=hr.multiclass(), or make it a condition, such as \"{plan.label.label.value} = 'yes'\""
        yield Fault("HR-LEARN-008", model.place, found, "a label that is a number or a condition", cure)


def _numbers(model: Model, plan: Plan) -> Iterator[Fault]:
    for output in plan.features:
        if output.type.name not in ("int", "float", "decimal", "bool", "str"):
            _, _, short = output.name.rpartition(".")
            found = f"{model.name} learns from {output.name}, which is {output.type!r}"
            cure = f"call it '_{short}', if only other features or rules use it, or make it a number, e.g. by count"
            yield Fault("HR-LEARN-003", output.place, found, "an int, float, decimal, bool or str", cure)


def _cards(model: Model, plan: Plan) -> Iterator[Fault]:
    there = (*plan.identity, *(output.name for output in plan.features))
    for metric in model.metrics:
        for by in (value for name, value in metric.params if name == "by" and isinstance(value, str)):
            if by not in there:
                cure = nearest(by, there) or f"write by= with one of {', '.join(plan.identity)}"
                found = f"{metric.name} of {model.name} by {by!r}"
                yield Fault("HR-LEARN-012", metric.place, found, f"a column of {model.cases.name}", cure)


def distinct(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults without those that tell the same of the same place, in other words of cure."""
    first: dict[tuple[str, str, str], Fault] = {}
    for fault in faults:
        first.setdefault((fault.code, fault.place, fault.found), fault)
    return list(first.values())
