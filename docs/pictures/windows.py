"""Draws windows.svg, the picture of docs/semantics.md: ``python docs/pictures/windows.py`` writes it anew.

The example is data at the top; docs/semantics.md computes its numbers from the same events, and a test compares both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT = 200, 870
FIRST, LAST = 3 * 60, 15 * 60  # the part of the day that is drawn, in minutes
AXIS = 150
PICTURE = Path(__file__).with_suffix(".svg")


@dataclass(frozen=True)
class Event:
    """One payment: its name in the text, event time and known time in minutes of the day, amount in euro."""

    name: str
    at: int
    known: int
    amount: str
    note: str = ""


def clock(hours: int, minutes: int = 0) -> int:
    return hours * 60 + minutes


EVENTS = (
    Event("a", clock(4, 30), clock(4, 30), "8.00"),
    Event("b", clock(6), clock(6), "12.50", "on the old edge"),
    Event("c", clock(8, 20), clock(8, 20), "20.00"),
    Event("d", clock(9, 40), clock(13, 10), "5.00", "learned at 13:10"),
    Event("e", clock(11, 10), clock(11, 10), "30.25"),
    Event("f", clock(12), clock(12), "7.00", "a tie at t"),
    Event("g", clock(12), clock(12), "9.99", "the row itself"),
)


@dataclass(frozen=True)
class Bar:
    """One window: how it is declared, its two edges in minutes, and the names of the events in it."""

    label: str
    old: int
    new: int
    inside: str


T = clock(12)
BARS = (
    Bar('sum("amount", "6h")', T - clock(6), T, "bce"),
    Bar('…, delay="3h"', T - clock(9), T - clock(3), "abc"),
    Bar('…, hop="4h"', clock(4), T, "abce"),
    Bar("…, include_current=True", T - clock(6), T, "bceg"),
    Bar("row at 13:30", clock(7, 30), clock(13, 30), "cdefg"),
)

STYLE = """
  svg { --ink: #1c2b33; --soft: #6b7c85; --line: #c3ced3; --paper: #ffffff;
        --in: #0b5d75; --late: #b4540a; --bar: #d7ebf1; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6edf0; --soft: #9fb0b8; --line: #42525a; --paper: #131416;
          --in: #6cc3da; --late: #f0a35e; --bar: #173d49; }
  }
  .paper { fill: var(--paper); }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .soft { fill: var(--soft); font-size: 12px; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
  .code { font: 12px ui-monospace, monospace; }
  .axis, .tick { stroke: var(--line); stroke-width: 1; }
  .t { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 4 3; }
  .bar { fill: var(--bar); }
  .closed { stroke: var(--in); stroke-width: 3; }
  .open { stroke: var(--in); stroke-width: 1.5; stroke-dasharray: 2 2; }
  .event { fill: var(--in); }
  .late { fill: var(--paper); stroke: var(--late); stroke-width: 2.5; }
  .wait { stroke: var(--late); stroke-width: 1.5; fill: none; stroke-dasharray: 3 3; }
  .inside { fill: var(--in); font-weight: 600; }
"""


def x(minute: int) -> float:
    """The place of a minute of the day on the paper."""
    return round(LEFT + (minute - FIRST) * (RIGHT - LEFT) / (LAST - FIRST), 1)


def text(left: float, top: float, words: str, look: str = "", anchor: str = "middle") -> str:
    return f'<text x="{left}" y="{top}" class="{look}" text-anchor="{anchor}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{look}"/>'


def axis() -> list[str]:
    hours = range(FIRST // 60, LAST // 60 + 1)
    drawn = [line(LEFT, AXIS, RIGHT, AXIS, "axis")]
    for hour in hours:
        drawn.append(line(x(clock(hour)), AXIS, x(clock(hour)), AXIS + 5, "tick"))
        drawn += [text(x(clock(hour)), AXIS + 20, f"{hour:02d}:00", "soft")] if hour % 3 == 0 else []
    drawn.append(text(LEFT - 16, AXIS + 4, "event time", "soft", "end"))
    drawn.append(line(x(T), 28, x(T), HEIGHT - 24, "t"))
    drawn.append(text(x(T), 20, "t = 12:00, the row that is scored"))
    return drawn


def events() -> list[str]:
    drawn: list[str] = []
    raised = 0
    for event in EVENTS:
        raised = raised + 1 if event.at == T else 0
        top = AXIS - 34 * max(raised - 1, 0)
        late = event.known > event.at
        drawn.append(f'<circle cx="{x(event.at)}" cy="{top}" r="6" class="{"late" if late else "event"}"/>')
        if event.at == T:
            drawn.append(text(x(event.at) + 12, top - 9, f"{event.name} {event.amount}, {event.note}", "", "start"))
        else:
            drawn.append(text(x(event.at), top - 28, event.name))
            drawn.append(text(x(event.at), top - 13, event.amount, "soft"))
            drawn += [text(x(event.at), top - 46, event.note, "soft")] if event.note else []
        if late:
            drawn += _wait(event, top)
    return drawn


def _wait(event: Event, top: int) -> list[str]:
    """From when a late event happened to when it was learned: an arc below the axis."""
    start, end = x(event.at), x(event.known)
    arc = f'<path d="M {start} {top + 7} C {start} {top + 48}, {end} {top + 48}, {end} {top + 7}" class="wait"/>'
    return [arc, f'<circle cx="{end}" cy="{top}" r="3" class="late"/>']


def bars() -> list[str]:
    drawn: list[str] = []
    for at, bar in enumerate(BARS):
        top = AXIS + 60 + at * 58
        left, right = x(bar.old), x(bar.new)
        drawn.append(f'<rect x="{left}" y="{top}" width="{round(right - left, 1)}" height="26" class="bar"/>')
        drawn.append(line(left, top - 3, left, top + 29, "closed"))
        drawn.append(line(right, top - 3, right, top + 29, "closed" if "g" in bar.inside and bar.new == T else "open"))
        drawn.append(text(left, top + 43, f"{bar.old // 60:02d}:{bar.old % 60:02d}", "soft"))
        drawn.append(text(right, top + 43, f"{bar.new // 60:02d}:{bar.new % 60:02d}", "soft"))
        drawn.append(text(LEFT - 16, top + 17, bar.label, "code", "end"))
        drawn += [
            text(_seat(event, bar), top + 18, event.name, "inside") for event in EVENTS if event.name in bar.inside
        ]
    return drawn


def _seat(event: Event, bar: Bar) -> float:
    """Where an event's name stands in a bar: on its time, or beside a line that it would touch."""
    beside = {bar.old: 9, bar.new: -9}.get(event.at, 0)
    return x(event.at) + (beside or {"f": -9, "g": 9}.get(event.name, 0))


def draw() -> str:
    words = "Five windows over seven payments of one customer; the table below the picture holds the same in numbers."
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" class="paper"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *axis(), *bars(), *events(), "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
