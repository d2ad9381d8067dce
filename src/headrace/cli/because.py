"""How a decision is explained in a terminal: what was asked, what it was made of, and what would have changed it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.terminal import print_table, say, shown

if TYPE_CHECKING:
    from headrace.serve.why import Why
    from headrace.serve.why.behind import Event, State, Window
    from headrace.serve.why.otherwise import Varied
    from headrace.serve.why.told import Feature

_EVENTS = 4
"""Events behind a feature that are listed without --all."""
_LISTED = 5
"""Features of which events are listed without --all."""


def print_why(found: Why, every: bool, page: Path | None) -> None:
    """Print why a decision is what it is.

    Args:
        found: it.
        every: whether all events are listed.
        page: where it was written as HTML, too.
    """
    score = "without a score" if found.score is None else f"score {found.score:.6g}"
    say(f"{found.decision}: {found.service} on {found.record_id}, {score}", "bold")
    say(f"decided {_when(found.decided_at)} UTC, in {found.latency_us / 1000:,.1f} ms", "dim")
    _print_checked(found)
    _facts("The request", {name: _text(value) for name, value in found.request.items()})
    _print_rules(found)
    _print_features(found, every)
    _print_origin(found)
    _print_otherwise(found)
    if found.masked:
        say()
        say("Values that tell of a person are masked; --reveal shows them.", "dim")
    if page is not None:
        say(f"Page: {page}")


def _print_checked(found: Why) -> None:
    one = found.checked
    if not one.whole:
        say("The record was altered after it was written: its checksum is another one.", "bold red")
    if "features" in one.changed:
        say("Features are declared otherwise now than when this was decided.", "yellow")
    if "rules" in one.changed:
        say("The service is declared otherwise now: the rules below are those of today.", "yellow")
    if one.without:
        say(f"Not computed again from history: {one.without}.", "yellow")
    elif one.differing:
        rows = [[each["feature"], shown(each["served"]), shown(each["recomputed"])] for each in one.differing]
        print_table("History does not confirm", ("feature", "served", "recomputed"), rows)
    else:
        begin = "The record is whole; its" if one.whole else "Its"
        say(f"{begin} {one.compared} features, recomputed from history, are equal to the last bit.",
            "green" if one.ok else "")  # fmt: skip
    if one.score is False:
        say("The recorded model gives the recorded features another score.", "bold red")
    if one.decision is False:
        say("The rules give another decision.", "bold red")


def _print_rules(found: Why) -> None:
    if not found.rules:
        return
    say()
    say("The rules, in order", "bold")
    for one in found.rules:
        read = ", ".join(f"{name} {_text(value)}" for name, value in one.read.items())
        told = f" ({read})" if read else ""
        if one.says == "otherwise":
            say(f"  {'→' if one.decided else ' '} {one.decision}: otherwise", "bold" if one.decided else "dim")
            continue
        held = {True: "true", False: "not true", None: "open, as a value is null"}[one.held]
        say(f"  {'→' if one.decided else ' '} {one.decision}: {one.says}, {held}{told}", "bold" if one.decided else "")
        for part in one.parts:
            word = {True: "true    ", False: "not true", None: "open    "}[part.held]
            say(f"      {word}  {part.says}", "" if part.held else "dim")


def _print_features(found: Why, every: bool) -> None:
    from headrace.serve.why.behind import Window

    made = found.contributed
    heads = ("feature", "value", *([] if made.without else ["moves it by"]), "declared as", "behind it")
    rows = [
        [one.name + (" (changed)" if one.changed else ""), _text(one.value),
         *([] if made.without else ["" if one.contribution is None else f"{one.contribution:+.4f}"]),
         one.says, _behind(one)]
        for one in found.features
    ]  # fmt: skip
    print_table("", heads, rows, right=("moves it by",))
    if made.without:
        say(f"No contributions: {made.without}.", "yellow")
    else:
        told = made.as_dict()
        total = made.base + sum(made.values.values())
        say(f"From {made.base:+.4f} to {total:+.4f}, in {told['means']}. By {told['how']}.", "dim")
    windows = [one for one in found.features if isinstance(one.behind, Window) and one.behind.events]
    for one in windows if every else windows[:_LISTED]:
        _print_events(one, every)
    if len(windows) > _LISTED and not every:
        say(f"The events of {len(windows) - _LISTED} more features: --all, or --json.", "dim")


def _behind(one: Feature) -> str:
    from headrace.serve.why.behind import Window

    if one.behind is None:
        return ", ".join(f"{name} {_text(value)}" for name, value in one.reads.items())
    if isinstance(one.behind, Window):
        return _window(one.behind)
    return _state(one.behind)


def _window(one: Window) -> str:
    events, counted = len(one.events), one.counted
    told = f"{events:,} of {one.source}" + (f", {counted:,} counted" if counted != events else "")
    told += ", and the row itself" if one.with_row else ""
    return told + (f"; {one.late:,} learned later" if one.late else "")


def _state(one: State) -> str:
    if not one.there:
        return f"no row of {one.source} was valid"
    fields = ", ".join(f"{name} {_text(value)}" for name, value in one.fields.items())
    return f"{one.source} since {_when(one.valid_from or '')}: {fields}"


def _print_events(one: Feature, every: bool) -> None:
    from headrace.serve.why.behind import Window, listed

    window = one.behind
    assert isinstance(window, Window)
    by = ", ".join(f"{name} {_text(value)}" for name, value in window.by.items())
    begin = "the beginning" if window.begin is None else _when(window.begin)
    events, more = listed(window.events, len(window.events) if every else _EVENTS)
    rows: list[list[str]] = [_event(event) for event in events]
    if more:
        rows.insert(len(rows) // 2, ["…", f"{more:,} more, see --all", "", "", ""])
    say(f"{one.name}: {window.source} of {by}, from {begin} until {_when(window.end)}")
    print_table("", ("sequence", "happened", "known", "value", ""), rows, right=("sequence", "value"))


def _event(one: Event) -> list[str]:
    known = "" if one.known_at is None else "at once" if one.known_at == one.at else _when(one.known_at)
    return [
        shown(one.sequence),
        _when(one.at),
        known,
        "" if one.value is None else _text(one.value),
        "" if one.counted else "not counted",
    ]


def _print_origin(found: Why) -> None:
    one = found.origin
    facts = {"digest": one.digest if one.intact else f"{one.digest}, whose file is gone or altered"}
    if one.known:
        promoted = one.promoted
        by = f" by {promoted['by']}" if promoted.get("by") else ""
        facts |= {"registered": _when(one.registered)}
        facts |= {"promoted": f"{_when(promoted['at'])}{by}: {promoted['reason']}" if promoted else "not known"}
        facts |= {"training set": f"{one.training_set['name']} {one.training_set['fingerprint'][:16]}"
                  + ("" if one.training_set["kept"] else ", no longer there")}  # fmt: skip
        facts |= {"data": ", ".join(f"{table} {version}" for table, version in one.data.items())}
        facts |= {"learned from": _days(one.fold, "train"), "judged on": _days(one.fold, "test")}
        facts |= {"code": one.commit or "not known"}
    else:
        facts |= {"version": "the registry does not have it any more"}
    aliases = f", {', '.join(one.aliases)} now" if one.aliases else ""
    _facts(f"The model: {one.model} version {one.number}{aliases}", facts)
    for gate in one.gates:
        say(f"  {'passed' if gate['passed'] else 'FAILED'}  {gate['sentence']}", "" if gate["passed"] else "red")


def _days(fold: Mapping[str, Any], part: str) -> str:
    if part not in fold:
        return ""
    begin, end = (str(day)[:16].replace("T", " ") for day in fold[part])
    return f"{shown(fold[f'{part}_rows'])} rows, {begin} to {end}"


def _print_otherwise(found: Why) -> None:
    say()
    say("What would have changed the decision", "bold")
    one = found.otherwise
    if one.without:
        say(f"  Nothing was looked for: {one.without}.", "yellow")
        return
    for other in one.changes:
        changes = ", ".join(
            f"{each.name} {_text(each.after)} instead of {_text(each.before)}" for each in other.changes
        )
        known = "" if other.exact else "; a smaller change may exist"
        say(f"  {other.decision}: {changes}")
        say(f"      score {other.score:.6g}, distance {other.distance:.3g}{known}", "dim")
        if other.moved:
            moved = ", ".join(f"{name} {_text(after)}" for name, (_, after) in other.moved.items())
            say(f"      then {moved}", "dim")
    looked = ", ".join(_range(each) for each in one.varied)
    if not one.changes:
        say(f"  No change of one or two of these would have: {looked}.")
        return
    say(f"  Varied: {looked}. Each was computed, scored and decided alone; {one.tried:,} rows were tried.", "dim")


def _range(one: Varied) -> str:
    if one.low is None:
        return f"{one.name} ({one.values} values)"
    return f"{one.name} ({_text(one.low)} to {_text(one.high)})"


def _facts(title: str, facts: Mapping[str, str]) -> None:
    say()
    say(title, "bold")
    wide = max((len(name) for name in facts), default=0)
    for name, text in facts.items():
        if text:
            say(f"  {name:<{wide}}  {text}")


def _when(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{moment.microsecond // 1000:03}" if moment.microsecond else "")


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)
