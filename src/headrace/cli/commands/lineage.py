"""``headrace lineage``: what a thing is made of, and what is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options
from headrace.cli.output import whole
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.audit.lineage import Traced
    from headrace.run import LoadedProject

_OUT = Path("-")
"""``--openlineage`` to standard output."""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("lineage", epilog="\b\nExample:  headrace lineage payments.amount --down --picture amount.svg")
@click.argument("name", default="")
@click.option("--up", is_flag=True, help="Only what it is made of.")
@click.option("--down", is_flag=True, help="Only what is made of it.")
@click.option("--direct", is_flag=True, help="Without keys, filters, joins and orders.")
@click.option("--picture", type=_FILE, help="Draw it into this SVG file.")
@click.option(
    "--openlineage", type=_FILE, help="Write it into this file as OpenLineage events, one a line; - is standard output."
)
@session_options
def command(
    session: Session, name: str, up: bool, down: bool, direct: bool, picture: Path | None, openlineage: Path | None
) -> None:
    """Show what NAME is made of and what is made of it, by column, from files to decisions; all names without NAME.

    NAME is a column (payments.amount), a feature (spending.mean_7d), a case or label of a training set
    (fraud_cases.label), a model, a decision (fraud_desk.block), or a whole stream, table, group, set or service.
    """
    from headrace.audit.lineage import picture as drawn
    from headrace.audit.lineage import trace

    if picture is not None and picture.suffix.lower() != ".svg":
        cure = f"--picture {picture.with_suffix('.svg').name}, which browsers show and print as PDF or PNG"
        raise HeadraceError(Fault("HR-CLI-001", "", f"--picture {picture.name}", "a file that ends in .svg", cure))
    if session.as_json and openlineage == _OUT:
        raise click.UsageError("--json and --openlineage - exclude one another: events are JSON, one a line")
    loaded = session.load()
    both = up == down
    found = trace(loaded.project, name, up=up or both, down=down or both, direct=direct)
    written: dict[str, Any] = {}
    if picture is not None:
        _write(picture, drawn(found.graph, found.start if name else ()))
        written["picture"] = picture.name
    if openlineage is not None:
        told = _events(loaded, found)
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
        if openlineage == _OUT:
            session.out.write(lines)
            return
        _write(openlineage, lines)
        written |= {"openlineage": openlineage.name, "events": len(told)}
    session.tell({"ok": True, **found.as_dict(), **written}, lambda: _print(found, written))


def _write(path: Path, text: str) -> None:
    with whole(path) as half:
        half.write_text(text, encoding="utf-8")


def _events(loaded: LoadedProject, found: Traced) -> list[dict[str, Any]]:
    """Events at the end of the last run, which did what they tell; before the first run, of now."""
    from headrace import clock
    from headrace.audit.lineage import events
    from headrace.run import Journal

    path = loaded.state_dir / "run.db"
    last = None
    if path.exists():
        with Journal(path) as journal:
            ended = [one.finished for one in journal.runs() if one.kind == "run" and one.outcome == "done"]
            last = next((one for one in ended if one is not None), None)
    at = clock.now_us() if last is None else last
    return events(loaded.project, found.graph, at, last is not None, loaded.folder)


def _print(found: Traced, written: dict[str, Any]) -> None:
    from headrace.cli.terminal import say

    if "picture" in written:
        say(f"Picture of {len(found.nodes):,} things: {written['picture']}")
    if "openlineage" in written:
        say(f"{written['events']:,} events of OpenLineage: {written['openlineage']}")
    if written:
        return
    if not found.name:
        _print_all(found)
        return
    heads = {f"{found.name} {word}" for word in ("made of", "goes into")}
    for line in found.text().splitlines():
        say(line, "bold" if line in heads else "dim" if line.startswith("┄") else "")


def _print_all(found: Traced) -> None:
    from headrace.audit.lineage.tree import expression_of, shown
    from headrace.cli.terminal import print_table

    rows = []
    for node in found.nodes:
        made = [shown(found.whole.nodes[edge.source]) for edge in found.whole.into.get(node.id, ()) if edge.direct]
        few = ", ".join(made[:3]) + (f" and {len(made) - 3} more" if len(made) > 3 else "")
        row = (shown(node), node.kind, expression_of(found.whole, node) or few, ", ".join(node.privacy), node.unit)
        rows.append((*row, ", ".join(node.owners)))
    print_table("", ("name", "kind", "made of", "privacy", "unit", "owner"), rows)
