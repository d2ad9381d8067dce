"""``headrace replay``: past requests through another version of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from headrace.cli.options import Session, moment_of, session_options
from headrace.errors import CheckFailed, Fault

if TYPE_CHECKING:
    from headrace.serve.replay import Replayed

_EXAMPLE = "\b\nExample:  headrace replay --since 7d --model challenger --fail-above 2%"
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@click.command("replay", epilog=_EXAMPLE)
@click.argument("service", required=False)
@click.option("--model", "word", required=True, metavar="VERSION", help="A number, champion, challenger or latest.")
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="A time, or how long ago, such as 7d.")
@click.option("--until", metavar="TIME", help="A time, or how long ago; by default now.")
@click.option("--features", is_flag=True, help="Compute features again under the declaration of today.")
@click.option("--decide-as-declared", "as_declared", is_flag=True, help="Decide both sides by the rules of today.")
@click.option("--fail-above", "most", metavar="SHARE", help="Exit code 1 where more decisions flip, such as 2%.")
@session_options
def command(
    session: Session,
    service: str | None,
    word: str,
    since: str,
    until: str | None,
    features: bool,
    as_declared: bool,
    most: str | None,
) -> None:
    """Decide past requests of SERVICE again by another version of its model: how many decisions flip, and where.

    The version gets the features on record; records that were decided by other rules than those of today are skipped
    and counted. Nothing is written.
    """
    from headrace.cli.progress import Bars
    from headrace.run import registry
    from headrace.run.versions import version_named
    from headrace.serve.replay import replay, service_named

    limit, (begin, end) = limit_of(most), begin_and_end(since, until)
    loaded = session.load()
    one = service_named(loaded, service)
    version = version_named(loaded, registry(loaded), one.model.name, word)
    with Bars() as bars:
        bars.begins("replay", ())
        found = replay(loaded, one, version, begin, end, features=features, as_declared=as_declared,
                       progress=bars.moves)  # fmt: skip
        bars.settle("")
    failed = limit is not None and found.rate > limit
    document = {"ok": not failed, **found.as_dict()} | ({"exit_code": 1} if failed else {})
    through = f"{found.service} through {found.model} version {found.version}"
    session.tell(document, lambda: print_replayed(found, through))
    if failed:
        too_many(session, "HR-REPLAY-003", found, limit or 0.0)


def too_many(session: Session, code: str, found: Replayed, limit: float) -> NoReturn:
    """End with exit code 1: more decisions flip than may.

    Raises:
        CheckFailed: with that code.
    """
    if session.as_json:
        raise click.exceptions.Exit(1)
    told = f"{found.flips:,} of {found.records:,} decisions that flip, {found.rate:.2%}"
    cure = "see the segments above; 'headrace why RECORD_ID' explains one"
    raise CheckFailed(Fault(code, "", told, f"at most {limit:.4g} of them", cure))


def begin_and_end(since: str, until: str | None) -> tuple[int, int]:
    """Return the span that two options give, microseconds UTC; the end does not belong to it."""
    from headrace import clock

    now = clock.now_us()
    begin, end = _moment(since, "--since", now), now + 1 if until is None else _moment(until, "--until", now)
    if begin >= end:
        raise click.BadParameter("it begins when it ends, or later", param_hint="--since")
    return begin, end


def _moment(text: str, option: str, now: int) -> int:
    from headrace.types import duration_us

    try:
        return now - duration_us(text)
    except ValueError:
        return moment_of(text, option, "7d, 12h")


def limit_of(text: str | None) -> float | None:
    """Return the share that ``--fail-above`` gives, None where it is not given."""
    if text is None:
        return None
    found = _SHARE.fullmatch(text.strip())
    value = None if found is None else float(found[1]) / (100 if found[2] else 1)
    if value is None or value > 1:
        raise click.BadParameter(f"{text!r} is no share such as 2% or 0.02", param_hint="--fail-above")
    return value


def print_replayed(found: Replayed, title: str) -> None:
    """Print how many decisions differ, where, and how good both sides were."""
    from headrace.cli.terminal import print_table, say

    say(f"{title}, decisions from {found.since[:16]} until {found.until[:16]} UTC", "bold")
    for reason, count in found.skipped.items():
        say(f"Not compared: {count:,} {reason}", "yellow")
    if not found.records:
        say(
            "Nothing was compared" + ("" if found.skipped else ": no decision is on record in this time"), "bold yellow"
        )
        return
    scored = ", ".join(f"{count:,} by version {number}" for number, count in found.versions.items())
    say(f"{found.records:,} records, scored before {scored}", "dim")
    names = list(dict.fromkeys(name for before, after, _ in found.matrix for name in (before, after)))
    counts = {(before, after): count for before, after, count in found.matrix}
    rows = [[before, *(counts.get((before, after), 0) for after in names)] for before in names]
    print_table("", ("before ↓  after →", *names), rows, right=names)
    style = "bold green" if not found.flips else "bold yellow"
    say(f"{found.flips:,} flip: {found.rate:.2%} (95 %: {found.low:.2%} to {found.high:.2%})", style)
    told = ", ".join(f"{_percentile(at)} {value:+.4g}" for at, value in found.differences.items())
    say(f"Score after minus before: {told}; {found.same_scores:,} equal to the last bit")
    _print_segments(found)
    if found.examples:
        flips = [[one.record_id, one.before, one.after, one.old, one.new] for one in found.examples]
        heads = ("record", "before", "after", "score before", "score after")
        print_table("Flips, the farthest first", heads, flips, right=heads[3:])
    _print_labelled(found)


def _percentile(at: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(at, f"{at:.0%}")


def _print_segments(found: Replayed) -> None:
    from headrace.cli.terminal import print_table, say

    if not found.segments:
        return
    rows = [
        [one.column, one.group, one.rows, one.flips, f"{one.rate:.2%}", f"{one.low:.2%} to {one.high:.2%}"]
        for one in found.segments
    ]
    heads = ("by", "group", "rows", "flips", "rate", "95 %")
    print_table("Where decisions flip most", heads, rows, right=heads[2:])
    say(f"Of {found.looked:,} groups; the intervals are of each by itself.", "dim")


def _print_labelled(found: Replayed) -> None:
    from headrace.cli.terminal import print_table, say
    from headrace.learn.metrics import shown

    one = found.labelled
    if one.without:
        say(f"How good both were is not known: {one.without}.", "dim")
        return
    rows = [
        [
            each.metric,
            shown(each.before, each.before_interval),
            shown(each.after, each.after_interval),
            _apart(each.difference, each.after - each.before),
            _better(each.better, each.difference),
        ]
        for each in one.metrics
    ]
    heads: Sequence[str] = ("metric", "before", "after", "difference", "")
    print_table(f"On {one.rows:,} rows whose label has matured", heads, rows, right=heads[1:4])
    if one.young or one.open:
        say(f"{one.young:,} labels have not matured, {one.open:,} rows have none.", "dim")


def _better(better: bool | None, known: Mapping[str, float] | None) -> str:
    sure = known is not None and not known["low"] <= 0 <= known["high"]
    return {True: "better", False: "worse", None: ""}[better] + (
        "" if sure or better is None else ", by chance perhaps"
    )


def _apart(known: Mapping[str, float] | None, value: float) -> str:
    if known is None:
        return f"{value:+.4f}"
    return f"{value:+.4f} [{known['low']:+.3f}, {known['high']:+.3f}]"
