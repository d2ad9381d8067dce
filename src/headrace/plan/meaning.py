"""What declarations mean once they are compiled: groups of typed computations, in the order in which they can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headrace.declare import Label, Stream, Table
from headrace.kernel.aggregates import catalogue
from headrace.kernel.work import Span, Work
from headrace.plan.expression import Node, references
from headrace.types import Domain, LogicalType


@dataclass(frozen=True)
class Aggregation:
    """One aggregate of one value under one condition, and the windows over which it is wanted."""

    aggregate: str
    value: Node | None
    where: Node | None
    params: tuple[tuple[str, Any], ...]
    include_current: bool
    result: LogicalType
    outputs: tuple[str, ...]
    spans: tuple[Span, ...]

    @cached_property
    def work(self) -> Work:
        """Return what the kernel needs to know."""
        domain = None if self.value is None else self.value.domain
        params = dict(self.params)
        setting = catalogue()[self.aggregate].setting(domain, params)
        return Work(self.aggregate, setting, params, self.result, self.spans)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Fields of the event that it reads."""
        nodes = [node for node in (self.value, self.where) if node is not None]
        return tuple(dict.fromkeys(name for node in nodes for name in references(node)))


@dataclass(frozen=True)
class WindowGroup:
    """Windowed aggregates of the events of an entity."""

    name: str
    stream: Stream
    keys: tuple[str, ...]
    aggregations: tuple[Aggregation, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Fields of the stream that are read: keys, event time, and what the aggregations use."""
        used = [name for one in self.aggregations for name in one.reads]
        return tuple(dict.fromkeys((*self.keys, self.stream.event_time, *used)))


@dataclass(frozen=True)
class StateGroup:
    """Expressions over the row of a state table that was valid at the moment."""

    name: str
    table: Table
    keys: tuple[str, ...]
    valid_from: str
    valid_to: str | None
    expressions: tuple[tuple[str, Node], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        used = [name for _, node in self.expressions for name in references(node)]
        times = (self.valid_from,) if self.valid_to is None else (self.valid_from, self.valid_to)
        return tuple(dict.fromkeys((*self.keys, *times, *used)))


@dataclass(frozen=True)
class Derived:
    """A feature of the row itself, which may use other features; listed after all that it uses."""

    name: str
    node: Node


@dataclass(frozen=True)
class Output:
    """A feature as it leaves the plan, and the columns of sources from which it comes."""

    name: str
    domain: Domain
    lineage: tuple[str, ...]
    place: str = field(default="", compare=False)

    @property
    def type(self) -> LogicalType:
        return self.domain.type

    @property
    def inner(self) -> bool:
        """Whether it is there for other features and rules only, and goes into no training set."""
        return self.name.rpartition(".")[2].startswith("_")


@dataclass(frozen=True)
class LabelPlan:
    """A compiled label: value over the events of its source, joined by key.

    Args:
        label: as declared.
        value: of it.
        own: whether it is joined by the key of the spine itself: then no truth is about an earlier row.
    """

    label: Label
    value: Node
    own: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.label.on, self.label.source.event_time, *references(self.value))))


@dataclass(frozen=True)
class Plan:
    """Everything that one set of features needs, typed and in order.

    Args:
        name: what was compiled.
        spine: stream whose rows are asked about; None where only the groups are known.
        windows, states, derived: the computations.
        outputs: features in the order of declaration, the inner ones among them.
        where: condition on the rows of the spine.
        label: what to learn.
    """

    name: str
    spine: Stream | None
    windows: tuple[WindowGroup, ...]
    states: tuple[StateGroup, ...]
    derived: tuple[Derived, ...]
    outputs: tuple[Output, ...]
    where: Node | None = None
    label: LabelPlan | None = None

    @property
    def groups(self) -> tuple[WindowGroup | StateGroup, ...]:
        """What is computed from sources."""
        return (*self.windows, *self.states)

    @property
    def features(self) -> tuple[Output, ...]:
        """What a model learns from."""
        return tuple(one for one in self.outputs if not one.inner)

    @property
    def identity(self) -> tuple[str, ...]:
        """Fields of the spine that stand in a built set beside its features: keys, time, and what the label is on."""
        if self.spine is None:
            return ()
        keys = [key for group in self.groups for key in group.keys]
        on = () if self.label is None else self.label.label.on
        return tuple(dict.fromkeys((*self.spine.contract.key_fields(), self.spine.event_time, *keys, *on)))

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Fields that a row must bring: time, keys of entities, and what expressions over the row read."""
        names: list[str] = [] if self.spine is None else [self.spine.event_time]
        for group in self.groups:
            names += group.keys
        features = {one.name for one in self.outputs}
        for one in self.derived:
            names += [name for name in references(one.node) if name not in features]
        for window in self.windows:
            names += [name for one in window.aggregations if one.include_current for name in one.reads]
        if self.where is not None:
            names += references(self.where)
        return tuple(dict.fromkeys(names))

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Streams and tables that are read, and which of their columns."""
        needed: dict[str, list[str]] = {}
        for group in self.windows:
            needed.setdefault(group.stream.name, []).extend(group.columns)
        for state in self.states:
            needed.setdefault(state.table.name, []).extend(state.columns)
        return {name: tuple(dict.fromkeys(columns)) for name, columns in needed.items()}
