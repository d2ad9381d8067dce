"""A running service on one page of a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.audit.page import ago

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table as RichTable

    from headrace.serve.metrics.watched import Seen, ServiceSeen

_BARS = " ▁▂▃▄▅▆▇█"
_WIDE = 24
_ERRORS = 8


def page(url: str, found: Seen, rates: Sequence[float], kept_out: str = "") -> RenderableType:
    """Return what was seen, as Rich shows it.

    Args:
        url: of the service.
        found: what was seen.
        rates: requests a second at the looks before, the newest last; drawn where there are some.
        kept_out: why a new declaration does not serve; empty where none was kept out.
    """
    from rich.text import Text

    parts: list[RenderableType] = [_head(url, found)]
    if kept_out:
        parts.append(Text(f"a new declaration stays out: {kept_out}", style="bold red"))
    if rates:
        drawn = Text.assemble(
            (sparks(rates), "cyan"), (f"  {rates[-1]:,.0f} requests/s, most {max(rates):,.0f}", "dim")
        )
        parts += [Text(), drawn]
    parts += [Text(), _services(found), *_decisions(found), *_streams(found), *_refused(found), *_state(found)]
    return _group(parts)


def waiting(url: str, why: str) -> RenderableType:
    """Return the page of a service that is not there."""
    from rich.text import Text

    return _group([Text(f"headrace top  {url}", style="bold"), Text(), Text(why, style="yellow")])


def sparks(values: Sequence[float]) -> str:
    """Return values as a row of bars, the largest full.

    Example:
        >>> sparks([0, 1, 4, 8])
        ' ▁▄█'
    """
    most = max(values, default=0)
    return "".join(_BARS[round(8 * value / most)] if most else _BARS[0] for value in values)


def bar(share: float, wide: int = _WIDE) -> str:
    """Return a share as a bar; what is there at all is never shown as none.

    Example:
        >>> bar(0.5, 4), bar(0.0001, 4)
        ('██··', '▏···')
    """
    full = round(share * wide)
    return "█" * full + "·" * (wide - full) if full or not share else f"▏{'·' * (wide - 1)}"


def latency(seconds: float | None) -> str:
    """Return a time in the unit that people say it in.

    Example:
        >>> latency(0.000063), latency(0.00213), latency(1.5), latency(None)
        ('63 µs', '2.13 ms', '1.5 s', '')
    """
    if seconds is None:
        return ""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def size(count: float | None) -> str:
    """Return bytes in the unit that people say them in.

    Example:
        >>> size(512), size(3_400_000), size(None)
        ('512 B', '3.4 MB', '')
    """
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def _head(url: str, found: Seen) -> RenderableType:
    from rich.text import Text

    told = [
        None if found.workers is None else f"{found.workers:.0f} worker{'s' * (found.workers != 1)}",
        None if found.cpu is None else f"{found.cpu:.0%} CPU",
        None if found.memory_bytes is None else f"{size(found.memory_bytes)} memory",
        None if found.under_way is None else f"{found.under_way:.0f} under way",
    ]
    return Text.assemble((f"headrace top  {url}", "bold"), (f"   {', '.join(filter(None, told))}", "dim"))


def _services(found: Seen) -> RenderableType:
    table = _table("service", "model", "decided", "requests/s", "p50", "p90", "p99", "p99.9")
    for one in found.services:
        latencies = [latency(one.latency_s.get(name)) for name in ("50", "90", "99", "99.9")]
        table.add_row(one.name, ", ".join(one.models), f"{one.decided:,}", f"{one.rate:,.1f}", *latencies)
    return table


def _decisions(found: Seen) -> list[RenderableType]:
    table = _table("service", "decision", "share", "", left=2)
    for one in found.services:
        for decision, share in _shares(one):
            table.add_row(one.name, decision, f"{share:.1%}", bar(share))
    return [table] if table.row_count else []


def _streams(found: Seen) -> list[RenderableType]:
    table = _table("stream", "taken/s", "decided/s", "wait", "refused", "p50", "p99", left=1)
    for name, one in found.streams.items():
        if one.lag is None and not one.taken:
            continue
        decided = ("", "", "") if one.lag is None else (f"{one.decided:,.0f}", f"{one.lag:,}", f"{one.refused:,}")
        latencies = [latency(one.latency_s.get(quantile)) for quantile in ("0.5", "0.99")]
        table.add_row(name, f"{one.taken:,.0f}", *decided, *latencies)
    return [table] if table.row_count else []


def _shares(one: ServiceSeen) -> list[tuple[str, float]]:
    return sorted(one.shares.items(), key=lambda each: each[1], reverse=True)


def _refused(found: Seen) -> list[RenderableType]:
    if not found.refused:
        return []
    table = _table("refused", "now", "since it began", left=1)
    for code, (fresh, whole) in list(found.refused.items())[:_ERRORS]:
        table.add_row(code or "other", f"{fresh:,}", f"{whole:,}", style="red" if fresh else "dim")
    return [table]


def _state(found: Seen) -> list[RenderableType]:
    from rich.text import Text

    ages = ", ".join(f"{source} {ago(age)}" for source, age in found.state_age_s.items())
    waits = None if found.spool_records is None else f"{found.spool_records:,.0f} records wait for the lake"
    compared = None if found.parity_compared is None else f"{found.parity_compared:,.0f} values compared"
    lines: Mapping[str, list[str | None]] = {
        "state": [
            "being made anew" if found.state_rebuilding else None,
            size(found.state_bytes) or None,
            f"age {ages}" if ages else None,
        ],
        "spool": [waits, size(found.spool_bytes) or None],
        "parity": [compared, None if compared is None else f"{found.parity_differing or 0:,.0f} differing"],
        "stages": [f"{stage} {latency(seconds)}" for stage, seconds in found.stages.items()],
    }
    wrong = {"parity"} if found.parity_differing else set[str]()
    return [
        Text.assemble((f"{name:<8}", "dim"), (", ".join(filter(None, told)), "bold red" if name in wrong else ""))
        for name, told in lines.items()
        if any(told)
    ]


def _table(*heads: str, left: int = 2) -> RichTable:
    """A table whose columns behind the first ones are numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for at, head in enumerate(heads):
        number = at >= left and head
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    return table


def _group(parts: Sequence[RenderableType]) -> Group:
    from rich.console import Group

    return Group(*parts)
