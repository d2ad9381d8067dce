"""One decision on a page: what was asked, what it was made of, why it was decided so, and what would have changed it.

The page takes the plain values that ``headrace why --json`` gives, so that it needs nothing of what serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from importlib import metadata
from typing import Any

from headrace.audit.page import NONE, listed, number, page, said, section, table, tile, verdict

Told = Mapping[str, Any]
_EVENTS = 12
"""Events of a window that stand on the page; all of them are in the JSON."""


def decision_page(told: Told) -> str:
    """Return one self-contained HTML page on a decision.

    Args:
        told: ``headrace.serve.why.Why.as_dict``, in which what may not be shown is masked already.
    """
    title = f"{told['decision']}: {told['record_id']}"
    parts = [_head(told), _request(told), _rules(told), _otherwise(told), _features(told), _events(told), _origin(told)]
    return page(title, [one for one in parts if one])


def _head(told: Told) -> str:
    score = told["score"]
    tiles = [
        tile("Decision", told["decision"], f"by {told['service']}"),
        tile("Score", NONE if score is None else f"{score:.6g}", _model(told["origin"])),
        tile("Decided", _day(told["decided_at"]), f"{_clock(told['decided_at'])} UTC"),
        tile("Took", f"{told['latency_us'] / 1000:,.1f} ms", "from the request to the record"),
    ]
    eyebrow = f"Record {told['record_id']}, explained by Headrace {metadata.version('headrace')}"
    head = f"{said(eyebrow, 'eyebrow')}<h1>Why {escape(told['decision'])}?</h1>"
    return f'<header>{head}{_verdict(told["checked"])}<div class="tiles">{"".join(tiles)}</div></header>'


def _verdict(checked: Told) -> str:
    if not checked["whole"]:
        return verdict("bad", "The record was altered after it was written.", "Its checksum is another one.")
    if checked["score"] is False:
        return verdict("bad", "The recorded model gives another score.", "Its file, or the record, is not what it was.")
    if checked["differing"]:
        names = ", ".join(one["feature"] for one in checked["differing"])
        return verdict("bad", "History does not confirm what was served.", f"It differs in {names}.")
    if checked["without"]:
        return verdict("care", "The record is whole; its features were not computed again.", f"{checked['without']}.")
    changed = f" Declared otherwise since: {', '.join(checked['changed'])}." if checked["changed"] else ""
    why = f"Its {checked['compared']} features, recomputed from history, are equal to the last bit.{changed}"
    return verdict("good", "The record is whole, and history confirms it.", why)


def _request(told: Told) -> str:
    masked = said("Values that tell of a person are masked.", "soft") if told["masked"] else ""
    return section("What was asked", listed({name: _value(one) for name, one in told["request"].items()}), masked)


def _rules(told: Told) -> str:
    if not told["rules"]:
        return ""
    rows = []
    for one in told["rules"]:
        held = {True: "true", False: "not true", None: "open"}[one["held"]]
        parts = "".join(f"<br><code>{escape(part['says'])}</code> {_held(part['held'])}" for part in one["parts"])
        read = ", ".join(f"{escape(name)} {_value(value)}" for name, value in one["read"].items())
        outcome = "<b>decided</b>" if one["decided"] else "" if one["says"] == "otherwise" else held
        says = "otherwise" if one["says"] == "otherwise" else f'<code class="long">{escape(one["says"])}</code>{parts}'
        rows.append([f"<b>{escape(one['decision'])}</b>", says, read, outcome])
    return section("The rules, in order", table(("decision", "rule", "read", "outcome"), rows))


def _held(held: bool | None) -> str:
    return {True: "true", False: "not true", None: "open, as a value is null"}[held]


def _otherwise(told: Told) -> str:
    one = told["otherwise"]
    title = "What would have changed the decision"
    if one["without"]:
        return section(title, said(f"Nothing was looked for: {one['without']}."))
    varied = ", ".join(_range(each) for each in one["varied"])
    note = said(f"Varied: {varied}. {one['how'][0].upper()}{one['how'][1:]}. Each was computed, scored and decided "
                f"alone; {one['tried']:,} rows were tried.", "soft")  # fmt: skip
    if not one["changes"]:
        return section(title, said("No change of one or two of these would have."), note)
    rows = [
        [
            f"<b>{escape(each['decision'])}</b>",
            "<br>".join(
                f"{escape(change['name'])} {_value(change['after'])} instead of {_value(change['before'])}"
                for change in each["changes"]
            ),
            ", ".join(f"{escape(name)} {_value(after)}" for name, (_, after) in each["moved"].items()),
            f"{each['score']:.6g}",
            f"{each['distance']:.3g}" + ("" if each["exact"] else " at most"),
        ]
        for each in one["changes"]
    ]
    heads = ("decision", "with", "then", "score", "distance")
    return section(title, table(heads, rows, right=(3, 4)), note)


def _range(one: Told) -> str:
    if one["low"] is None:
        return f"{one['name']} ({one['values']} values)"
    return f"{one['name']} ({_plain(one['low'])} to {_plain(one['high'])})"


def _features(told: Told) -> str:
    made = told["contributions"]
    without = "without" in made
    heads = ("feature", "value", *(() if without else ("moves the score by",)), "declared as", "made of")
    rows = [
        [
            f"<b>{escape(one['feature'])}</b>" + (" (declared otherwise now)" if one["changed"] else ""),
            _value(one["value"]),
            *([] if without else [NONE if one["contribution"] is None else f"{one['contribution']:+.4f}"]),
            f'<code class="long">{escape(one["says"])}</code>' if one["says"] else "",
            _made_of(one),
        ]
        for one in told["features"]
    ]
    told_of = said(f"No contributions: {made['without']}.") if without else said(_sum(made), "soft")
    return section("What the score is made of", table(heads, rows, right=(1,) if without else (1, 2)), told_of)


def _sum(made: Told) -> str:
    total = made["base"] + sum(made["values"].values())
    return f"From {made['base']:+.4f} to {total:+.4f}, in {made['means']}. By {made['how']}."


def _made_of(one: Told) -> str:
    if "window" in one:
        window = one["window"]
        count, counted = len(window["events"]), window["counted"]
        told = f"{count:,} events of {escape(window['source'])}"
        told += f", {counted:,} counted" if counted != count else ""
        told += ", and the row itself" if window["with_row"] else ""
        return told + (f"; {window['late']:,} learned later" if window["late"] else "")
    if "state" in one:
        state = one["state"]
        if not state["there"]:
            return f"no row of {escape(state['source'])} was valid"
        fields = ", ".join(f"{escape(name)} {_value(value)}" for name, value in state["fields"].items())
        return f"{escape(state['source'])} since {_moment(state['valid_from'])}: {fields}"
    return ", ".join(f"{escape(name)} {_value(value)}" for name, value in one.get("reads", {}).items())


def _events(told: Told) -> str:
    rows: list[list[str]] = []
    for one in told["features"]:
        if one.get("window", {}).get("events"):
            rows += _of_window(one["feature"], one["window"])
    if not rows:
        return ""
    heads = ("sequence", "happened", "known", "value", "")
    return section("The events behind", table(heads, rows, right=(0, 3), label="events by feature"))


def _of_window(feature: str, window: Told) -> list[list[str]]:
    by = ", ".join(f"{escape(name)} {_value(value)}" for name, value in window["by"].items())
    begin = "the beginning" if window["begin"] is None else _moment(window["begin"])
    span = f"{escape(window['source'])} of {by}, from {begin} until {_moment(window['end'])}"
    rows = [[f'<b>{escape(feature)}</b> <span class="soft">{span}</span>']]
    events: Sequence[Told] = window["events"]
    half = _EVENTS // 2
    some = events if len(events) <= _EVENTS else [*events[:half], *events[-half:]]
    for at, one in enumerate(some):
        if len(events) > _EVENTS and at == half:
            rows.append(["", f"{len(events) - _EVENTS:,} more", "", "", ""])
        known = NONE if one["known_at"] is None else "at once" if one["known_at"] == one["at"] else None
        rows.append(
            [
                number(one["sequence"]),
                _moment(one["at"]),
                known or _moment(one["known_at"]),
                "" if one["value"] is None else _value(one["value"]),
                "" if one["counted"] else "not counted",
            ]
        )
    return rows


def _origin(told: Told) -> str:
    one = told["origin"]
    facts = {"model": escape(_model(one)), "digest": f"<code>{escape(one['digest'])}</code>"}
    if not one["intact"]:
        facts["model"] += ", whose file is gone or altered"
    if one["known"]:
        promoted, cases = one["promoted"], one["training_set"]
        by = f" by {escape(promoted['by'])}" if promoted.get("by") else ""
        facts["registered"] = _moment(one["registered"])
        facts["promoted"] = f"{_moment(promoted['at'])}{by}: {escape(promoted['reason'])}" if promoted else "not known"
        gone = "" if cases["kept"] else ", no longer there"
        facts["training set"] = f"{escape(cases['name'])} <code>{escape(cases['fingerprint'][:16])}</code>{gone}"
        facts["data"] = ", ".join(f"{escape(name)} version {version}" for name, version in one["data"].items())
        facts["code"] = f"<code>{escape(one['commit'])}</code>" if one["commit"] else "not known"
    sees = ", ".join(f"{escape(name)} {seen:,}" for name, seen in told["horizon"].items())
    facts["could see"] = f"up to sequence (or version) {sees}; known by {_moment(told['known_at'])}"
    gates = [
        [escape(gate["name"]), f'<span class="says">{escape(gate["sentence"])}</span>',
         "passed" if gate["passed"] else "<b>failed</b>"]
        for gate in one["gates"]
    ]  # fmt: skip
    return section("Where it comes from", listed(facts), table(("gate", "found", "outcome"), gates) if gates else "")


def _model(origin: Told) -> str:
    return f"{origin['model']} version {origin['number']}"


def _value(value: Any) -> str:
    return escape(_plain(value))


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    return (
        f"{value:,.6g}"
        if isinstance(value, float)
        else "yes"
        if value is True
        else "no"
        if value is False
        else str(value)
    )


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return escape(text)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{moment.microsecond // 1000:03}" if moment.microsecond else "")


def _day(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"{moment.day} {moment:%b %Y}"


def _clock(text: str) -> str:
    return f"{datetime.fromisoformat(text):%H:%M:%S}"
