"""Tables by query that may know more than was known: a query sees all that is there today, whatever row it is for."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.declare import Features, Project, Stream, Table, TrainingSet
from headrace.errors import Fault
from headrace.plan.queries import reads_of


def hindsight(project: Project) -> list[Fault]:
    """Return a warning for each group of features in a set whose query reads what became known later than it happened.

    That is a label's own stream, and streams with a known time. A row of the query's result counts as known from its
    ``valid_from`` on; a known time of its own says when it really was.
    """
    faults = []
    for cases in project.all_training_sets.values():
        for group in cases.features:
            if not isinstance(group.source, Table) or group.source.query is None:
                continue
            contract = group.source.contract
            if contract is None or contract.role("known_time") is not None:
                continue
            read = _streams(group.source, project.tables, project.streams)
            faults += [_warning(cases, group, stream) for stream in read if _later(stream, cases)]
    return faults


def _later(stream: Stream, cases: TrainingSet) -> bool:
    truth = cases.label is not None and cases.label.source.name == stream.name
    return truth or stream.contract.role("known_time") is not None


def _warning(cases: TrainingSet, group: Features, stream: Stream) -> Fault:
    since = group.source.contract.role("valid_from") if group.source.contract else None
    found = f"{group.name} of {cases.name} reads {group.source.name}, a query over {stream.name}, "
    found += f"whose rows can become known after {since}"
    expected = "rows that hold nothing that was learned after they count as known"
    cure = f"give the contract of {group.source.name} a field of hr.known_time(), "
    cure += f"such as max(_known_at) of the rows of {stream.name}, or read {stream.name} by windows"
    return Fault("HR-LEAK-002", group.place, found, expected, cure, "warning")


def _streams(table: Table, tables: Mapping[str, Table], streams: Mapping[str, Stream]) -> list[Stream]:
    """Return the streams that a query reads, through other queries too, in the order of their names."""
    seen: set[str] = set()
    waiting = [table]
    while waiting:
        for name in reads_of(waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting += [tables[name]] if name in tables and tables[name].query is not None else []
    return [streams[name] for name in sorted(seen) if name in streams]
