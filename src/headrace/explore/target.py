"""What is to be explored: a name means columns of a stream or table, or features of a group or training set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pat

from headrace.declare import Features, Project, Stream, Table, TrainingSet, sources_of
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import Lake

Explorable = Stream | Table | Features | TrainingSet
LABEL = "label"


@dataclass(frozen=True)
class Target:
    """What a name means.

    Args:
        name: as it was asked for.
        of: the declaration that it belongs to.
        columns: of a stream or table, by their paths; of a group or set features, by their whole names.
        whole: whether all of the declaration was asked for.
    """

    name: str
    of: Explorable
    columns: tuple[str, ...]
    whole: bool


def target_of(project: Project, lake: Lake, name: str) -> Target:
    """Return what a name means.

    Args:
        project: whose declarations it is of.
        lake: says which columns a table has.
        name: ``payments``, ``payments.amount``, ``orders.address.city``, ``spending``, ``spending.mean_7d``,
            ``mean_7d`` where one group alone has it, or ``fraud_cases``.

    Raises:
        HeadraceError: HR-EXPLORE-001 no such name, 002 a table that is not loaded.
    """
    every = {one.name: one for one in (*_declared(project),)}
    owner, _, rest = name.partition(".")
    for one in _declared(project):
        if one.name == name:
            return Target(name, one, _required(one, lake), whole=True)
        if one.name == owner and rest in (known := _required(one, lake)):
            return Target(name, one, (known[known.index(rest)],), whole=False)
        if isinstance(one, Features) and one.name == owner and name in columns_of(one, lake):
            return Target(name, one, (name,), whole=False)
    found = [one for one in project.feature_groups.values() if f"{one.name}.{name}" in columns_of(one, lake)]
    if len(found) == 1:
        return Target(f"{found[0].name}.{name}", found[0], (f"{found[0].name}.{name}",), whole=False)
    names = [one for each in every.values() for one in (each.name, *_called(each, lake))]
    if found:
        names = [f"{one.name}.{name}" for one in found]
    what = f"{len(found)} features called {name!r}" if found else f"nothing called {name!r}"
    expected = "a stream, table, group of features or training set, or a column or feature of one"
    cure = nearest(name, names) or "see 'headrace lineage' for all names"
    raise HeadraceError(Fault("HR-EXPLORE-001", "", what, expected, cure if len(cure) < 300 else f"{cure[:297]}…"))


def _declared(project: Project) -> Iterator[Explorable]:
    yield from sources_of(project)
    yield from project.feature_groups.values()
    yield from project.all_training_sets.values()


def _required(one: Explorable, lake: Lake) -> tuple[str, ...]:
    """The columns of what has to be loaded to be looked at."""
    if isinstance(one, Stream | Table) and not lake.exists(one.name):
        found = f"{one.name}, which is not loaded yet"
        raise HeadraceError(Fault("HR-EXPLORE-002", one.place, found, "rows in the lake", "run 'headrace run' first"))
    return columns_of(one, lake)


def columns_of(one: Explorable, lake: Lake) -> tuple[str, ...]:
    """Return what can be explored of a declaration, as its rows call it; fields within structs by their paths."""
    if isinstance(one, Stream | Table):
        return tuple(path for field in lake.schema(one.name) if not field.name.startswith("_") for path in paths(field))
    if isinstance(one, Features):
        return tuple(f"{one.name}.{called}" for called in one.called() if not called.startswith("_"))
    return tuple(name for group in one.features for name in columns_of(group, lake))


def _called(one: Explorable, lake: Lake) -> Iterator[str]:
    if isinstance(one, Stream | Table):
        known = columns_of(one, lake) if lake.exists(one.name) else one.contract.fields() if one.contract else ()
        yield from (f"{one.name}.{name}" for name in known)
    elif isinstance(one, Features):
        yield from columns_of(one, lake)


def paths(field: pa.Field) -> Iterator[str]:
    """Yield the paths of what has values of its own in a column: itself, or the fields within a struct.

    Example:
        >>> list(paths(pa.field("address", pa.struct([("city", pa.string()), ("zip", pa.int64())]))))
        ['address.city', 'address.zip']
    """
    if pat.is_struct(field.type) and field.type.num_fields:
        for inner in field.type:
            yield from (f"{field.name}.{path}" for path in paths(inner))
    else:
        yield field.name
