"""How versions of models look in a terminal: a list, one in full, two side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.cli.terminal import print_table, say, shown

if TYPE_CHECKING:
    from headrace.learn import Record, Version
    from headrace.run.versions import Compared, Shown

_SHOWN = 20
"""Differences of one kind that are listed; the rest is counted, and in --json."""


def print_list(found: Sequence[Shown], waiting: Sequence[Record]) -> None:
    """Print a row for each version, and what waits for being registered."""
    if found:
        heads = ("model", "version", "aliases", "registered", "first metric", "gates", "data", "size")
        print_table("", heads, [_row(one) for one in found], right=("version", "size"))
    elif not waiting:
        say("no versions yet: 'headrace train' registers the first")
    for record in waiting:
        say(f"{record.model} {record.digest[:12]} waits for being registered: 'headrace models register'", "yellow")


def _row(one: Shown) -> list[str]:
    version = one.version
    label = next(iter(version.metrics), "")
    gates = version.record.gates
    passed = sum(gate.passed for gate in gates)
    data = ", ".join(f"{table} {number}" for table, number in version.record.origin.data.items())
    metric = f"{label} {_measured(version, label)}" if label else ""
    size = "" if one.size is None else size_of(one.size)
    told = "all passed" if passed == len(gates) else f"{passed} of {len(gates)} passed"
    return [version.name, str(version.number), ", ".join(version.aliases), _when(version), metric, told, data, size]


def print_version(one: Shown) -> None:
    """Print all that is known of a version."""
    version, record = one.version, one.version.record
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    say(f"{version.name} version {version.number}{aliases}", "bold")
    choice = record.choice
    chosen = {"candidate": choice["name"], "parameters": _pairs(choice.get("params", {}))} if choice else {}
    _facts(
        {
            "registered": _when(version),
            "digest": version.digest,
            "MLflow run": version.run,
            "parent": "none" if record.parent is None else f"version {record.parent}, the champion it was held against",
            **chosen,
            "threshold": shown(record.threshold),
        }
    )
    _print_origin(version)
    _print_metrics(version)
    for gate in record.gates:
        say(f"  {'passed' if gate.passed else 'FAILED'}  {gate.sentence}", "green" if gate.passed else "red")
    for note in record.notes:
        say(f"  to know  {note}", "yellow")
    _print_promotions(version)
    _print_shadows(version)
    say()
    say("Files", "bold")
    for name, state in one.files.items():
        say(f"  {state:<8} {name}", {"intact": "", "gone": "yellow"}.get(state, "red"))


def _print_origin(version: Version) -> None:
    origin, files = version.record.origin, version.record.files
    code = origin.commit.rstrip("+") or ("its own files, in code.zip" if "code.zip" in files else "not known")
    if origin.commit.endswith("+"):
        code += ", and what differed is in code.diff" if "code.diff" in files else ", from which the folder differed"
    fold = origin.fold
    days = {
        part: f"{shown(fold[f'{part}_rows'])} rows, {_span(fold[part])}" for part in ("train", "test") if part in fold
    }
    say()
    say("What it came from", "bold")
    _facts(
        {
            "data": _pairs(origin.data),
            "training set": origin.training_set[:16],
            "declaration": origin.declaration[:16],
            "features": str(len(origin.features)),
            **days,
            "code": code,
            "packages": _pairs(origin.environment),
        }
    )


def _print_metrics(version: Version) -> None:
    metrics, record = version.record.metrics, version.record
    labels = list(version.metrics)
    rows = [
        [who, *(_value(values.get(label), record.intervals.get(who, {}).get(label)) for label in labels)]
        for who, values in sorted(metrics.items(), key=lambda one: one[0] == "model")
    ]
    print_table("", ("", *labels), rows, right=labels)


def _print_promotions(version: Version) -> None:
    if not version.promotions:
        return
    rows = [
        [_moment(one["at_us"]), one["by"], one["reason"], "" if one["replaced"] is None else f"{one['replaced']}"]
        for one in version.promotions
    ]
    print_table("Promotions", ("when", "who", "why", "instead of"), rows)


def _print_shadows(version: Version) -> None:
    if version.shadows:
        rows = [[_moment(one["at_us"]), one["what"], one["by"], one["reason"]] for one in version.shadows]
        print_table("In the shadow", ("when", "", "who", "why"), rows)


def print_compared(found: Compared) -> None:
    """Print metrics of two versions side by side, and in what they differ."""
    before, after = found.before, found.after
    heads = ("metric", _called(before), _called(after), "difference", "")
    words = {True: "better", False: "worse", None: ""}
    rows = [
        [
            label,
            _value(one, before.record.intervals.get("model", {}).get(label)),
            _value(other, after.record.intervals.get("model", {}).get(label)),
            "" if apart is None else f"{apart:+.4f}",
            words[better] + (", by chance perhaps" if better is not None and found.overlap(label) else ""),
        ]
        for label, one, other, apart, better in found.metrics
    ]
    print_table(after.name, heads, rows, right=heads[1:4])
    if found.apart:
        say(f"Mind: {found.apart}.", "yellow")
    kinds = dict.fromkeys(kind for kind, *_ in found.differs)
    listed = [
        [kind if at == 0 else "", *rest]
        for kind in kinds
        for at, (_, *rest) in enumerate([one for one in found.differs if one[0] == kind][:_SHOWN])
    ]
    if listed:
        print_table("", ("differs", "", _called(before), _called(after)), listed)
    else:
        say("They came from the same.")
    for kind in kinds:
        more = sum(one[0] == kind for one in found.differs) - _SHOWN
        if more > 0:
            say(f"and {more} more of {kind}, see --json", "dim")


def size_of(count: int) -> str:
    """Return bytes as a reader wants them.

    Example:
        >>> size_of(812), size_of(1_234_567)
        ('812 B', '1.2 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _called(version: Version) -> str:
    return f"{version.number}" + (f" ({', '.join(version.aliases)})" if version.aliases else "")


def _measured(version: Version, label: str) -> str:
    return _value(version.metrics[label], version.record.intervals.get("model", {}).get(label))


def _value(value: float | None, span: Sequence[float] | None = None) -> str:
    from headrace.learn.metrics import shown

    return "—" if value is None else shown(value, span)


def _facts(facts: Mapping[str, str]) -> None:
    wide = max(map(len, facts))
    for name, text in facts.items():
        if text:
            say(f"  {name:<{wide}}  {text}")


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _span(days: Iterable[str]) -> str:
    return " to ".join(str(day)[:16].replace("T", " ") for day in days)


def _when(version: Version) -> str:
    return _moment(version.created_us)


def _moment(us: int) -> str:
    return f"{clock.from_us(us):%Y-%m-%d %H:%M} UTC"
