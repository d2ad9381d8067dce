"""What each feature of a plan reads: columns and other features, to be made of or to be chosen by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from headrace.declare import Stream, Table
from headrace.plan.expression import references
from headrace.plan.meaning import Derived, StateGroup, WindowGroup


@dataclass(frozen=True)
class Read:
    """One thing that a feature reads.

    Args:
        name: ``source.column``, ``source.*`` for the rows themselves, or ``group.feature``.
        feature: whether it is a feature.
        direct: whether the value is made of it; else it only chooses the rows that count, or orders them.
        how: in which part: ``window``, ``where``, ``expression``, ``rows``, ``key``, ``time``.
    """

    name: str
    feature: bool
    direct: bool
    how: str


def reads(
    windows: Iterable[WindowGroup], states: Iterable[StateGroup], derived: Iterable[Derived], row: Mapping[str, str]
) -> dict[str, tuple[Read, ...]]:
    """Return what each feature reads, by its name.

    A condition of a window is direct as well: who counts the events of one kind tells the kind.

    Args:
        windows, states, derived: of a plan.
        row: for each group of features of the row, what these rows are called.
    """
    found: dict[str, tuple[Read, ...]] = {}
    for group in windows:
        found |= dict(_windowed(group))
    called = {*found, *(one.name for one in derived), *(name for state in states for name, _ in state.expressions)}
    for state in states:
        source = state.table
        chosen = [*_columns(source, state.keys, "key", direct=False)]
        times = [one for one in (state.valid_from, state.valid_to) if one is not None]
        chosen += _columns(source, times, "time", direct=False)
        for name, node in state.expressions:
            found[name] = _distinct([*_columns(source, references(node), "expression"), *chosen])
    for one in derived:
        rows = row[one.name.partition(".")[0]]
        found[one.name] = tuple(
            Read(name if name in called else f"{rows}.{name}", name in called, True, "expression")
            for name in references(one.node)
        )
    return found


def columns(read: Mapping[str, tuple[Read, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the columns of sources that each feature is made of, through all features between, in their order."""
    found: dict[str, tuple[str, ...]] = {}

    def reach(name: str) -> tuple[str, ...]:
        if name not in found:
            found[name] = ()  # a circle is told elsewhere
            each = [reach(one.name) if one.feature else (one.name,) for one in read.get(name, ()) if one.direct]
            found[name] = tuple(sorted({column for names in each for column in names}))
        return found[name]

    return {name: reach(name) for name in read}


def _windowed(group: WindowGroup) -> Iterator[tuple[str, tuple[Read, ...]]]:
    source = group.stream
    chosen = [
        *_columns(source, group.keys, "key", direct=False),
        *_columns(source, [group.stream.event_time], "time", direct=False),
    ]
    for one in group.aggregations:
        value = () if one.value is None else references(one.value)
        where = () if one.where is None else references(one.where)
        made = [*_columns(source, value, "window"), *_columns(source, where, "where")]
        rows = [] if made else [Read(f"{source.name}.*", feature=False, direct=True, how="rows")]
        for output in one.outputs:
            yield output, _distinct([*made, *rows, *chosen])


def _columns(source: Stream | Table, names: Iterable[str], how: str, *, direct: bool = True) -> Iterator[Read]:
    for name in names:
        yield Read(f"{source.name}.{name}", feature=False, direct=direct, how=how)


def _distinct(found: Iterable[Read]) -> tuple[Read, ...]:
    """Each name once, as it was met first; the direct ones come first."""
    first: dict[str, Read] = {}
    for one in found:
        first.setdefault(one.name, one)
    return tuple(first.values())
