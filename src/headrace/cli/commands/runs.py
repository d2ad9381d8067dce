"""``headrace runs``: what ran, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run.journal import PastRun


@click.command("runs", epilog="\b\nExample:  headrace runs 12")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--last", default=20, show_default=True, type=click.IntRange(min=1), help="Runs to list.")
@click.option("--failed", is_flag=True, help="Only those that did not end well.")
@session_options
def command(session: Session, number: int | None, last: int, failed: bool) -> None:
    """List the last runs, newest first; or tell all of run NUMBER: steps, why, rows, seconds, attempts, faults.

    The table run_log of the lake has the same for queries: headrace query "select * from run_log".
    """
    from headrace.run import past_run, past_runs

    loaded = session.load()
    if number is not None:
        run = past_run(loaded, number)
        session.tell({"ok": True, **_dict(run)}, lambda: _print_one(run))
        return
    found = past_runs(loaded, last, failed=failed)
    session.tell({"ok": True, "runs": [_dict(one) for one in found]}, lambda: _print_all(found))


def _dict(run: PastRun) -> dict[str, Any]:
    report = {key: value for key, value in run.report.items() if key not in ("ok", "run")}
    return {**run.as_dict(), **report}


def _print_all(runs: list[PastRun]) -> None:
    from headrace.cli.terminal import print_table, say

    if not runs:
        say("no runs yet: 'headrace run' makes the first")
        return
    heads = ("number", "kind", "outcome", "started", "seconds", "steps", "faults")
    rows = [(one.number, one.kind, one.outcome, one.as_dict()["started"], *_figures(one)) for one in runs]
    print_table("", heads, rows, right=("number", "seconds"))


def _figures(run: PastRun) -> tuple[object, str, str]:
    actions = [step["action"] for step in run.report.get("steps", ())]
    counts = ", ".join(f"{actions.count(one)} {one}" for one in dict.fromkeys(actions))
    codes = dict.fromkeys(one["code"] for one in run.report.get("faults", ()) if one["severity"] == "error")
    return run.report.get("seconds"), counts, ", ".join(codes)


def _print_one(run: PastRun) -> None:
    from headrace.cli.terminal import print_faults, print_table
    from headrace.errors import Fault

    about = run.as_dict()
    ended = f", ended {about['finished']}" if about["finished"] else ""
    title = f"Run {run.number} ({run.kind}): {run.outcome}, began {about['started']}{ended}"
    rows = [
        (one["step"], one["action"], "; ".join(one["why"]), _rows(one["figures"]), one["seconds"], _tries(one))
        for one in run.report.get("steps", ())
    ]
    heads = ("step", "action", "why", "rows", "seconds", "attempts")
    print_table(title, heads, rows, right=("rows", "seconds", "attempts"))
    print_faults([Fault(**one) for one in run.report.get("faults", ())])


def _rows(figures: Mapping[str, Any]) -> object:
    return figures.get("rows", figures.get("accepted"))


def _tries(step: Mapping[str, Any]) -> object:
    return step.get("attempts", 1) if step["action"] in ("done", "failed") else None
