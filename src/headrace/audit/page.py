"""The page around the facts: one HTML file, without anything from elsewhere, for screen and paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
:root{--ink:#1b1f24;--soft:#5b6570;--paper:#fff;--wash:#f5f6f4;--line:#dfe2de;--accent:#0b6e6e;--good:#1d7a46;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e8eae6;--soft:#a2aab0;--paper:#14181b;--wash:#1c2225;--line:#333b3f;
--accent:#4fc0b8;--good:#6ecb8f;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1020px;margin:0 auto;padding:48px 24px 96px}
h1{font-size:34px;line-height:1.15;margin:0 0 6px;letter-spacing:-.02em}
h2{font-size:21px;margin:64px 0 14px;padding-top:14px;border-top:1px solid var(--line);letter-spacing:-.01em}
h3{font-size:16px;margin:28px 0 8px}
p{margin:0 0 12px;max-width:68ch}
.soft,figcaption{color:var(--soft);font-size:14px}
.verdict{display:inline-block;margin:18px 0 6px;padding:8px 14px;border-radius:6px;background:var(--wash);
font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px;margin:22px 0}
.tile{background:var(--wash);border-radius:8px;padding:16px 18px}
.tile b{display:block;font-size:28px;line-height:1.2;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:600;color:var(--soft)}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:middle}
td.n,th.n{text-align:right}
code{font:13px/1.5 ui-monospace,"SF Mono",Menlo,monospace;overflow-wrap:anywhere}
figure{margin:18px 0}
svg{width:100%;height:auto;display:block;font:13px system-ui,sans-serif;fill:var(--ink)}
svg .soft{fill:var(--soft);font-size:12px}
svg .bar{fill:var(--accent)}svg .area{fill:var(--accent);opacity:.16}
svg .line{fill:none;stroke:var(--accent);stroke-width:1.8}
svg .other{fill:none;stroke:var(--soft);stroke-width:1.4;stroke-dasharray:4 4}
svg .frame{fill:none;stroke:var(--line)}svg .box{fill:var(--wash);stroke:var(--line)}
svg .link{fill:none;stroke:var(--accent);opacity:.45;stroke-width:1.3}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:20px}
td svg{width:120px}
@media (max-width:480px){.two{grid-template-columns:1fr}main{padding:28px 16px 64px}}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}figure,tr,.tile{break-inside:avoid}}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """Return a whole document."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return a table of cells that are HTML already; columns in ``right`` are numbers."""
    shown = [f"<th{_right(i, right)}>{escape(name)}</th>" for i, name in enumerate(head)]
    lines = ["".join(f"<td{_right(i, right)}>{cell}</td>" for i, cell in enumerate(row)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{"".join(shown)}</tr></thead><tbody>{body}</tbody></table></div>'


def _right(column: int, right: Sequence[int]) -> str:
    return ' class="n"' if column in right else ""


def tile(figure: str, said: str) -> str:
    """Return a figure with what it means."""
    return f'<div class="tile"><b>{escape(figure)}</b><span class="soft">{escape(said)}</span></div>'


def figure(picture: str, caption: str) -> str:
    """Return a picture with its caption."""
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def number(value: Any) -> str:
    """Return a number as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
