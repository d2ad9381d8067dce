"""``headrace demo``: the whole road in a minute."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import stdout_for_results
from headrace.errors import CheckFailed

if TYPE_CHECKING:
    from headrace.cli.demo import Decision, Demo
    from headrace.cli.demo_data import Looked
    from headrace.errors import Fault

_MOVES = 5
"""Features that are shown of an explained score."""
_ENOUGH = 1_000
"""Customers with whom the template's model passes its gates with ease."""


@click.command("demo", epilog="\b\nExample:  headrace demo --folder demo --customers 1000")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Of the project.",
)
@click.option(
    "--customers", default=5_000, show_default=True, type=click.IntRange(200), help="About 350 payments each."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(folder: Path, customers: int, as_json: bool) -> None:
    """Generate 183 days of card payments and run the whole road: contract, lake, features, model, service, parity.

    The project stays in the folder: look at it, change it, run it again. Another demo replaces it.
    """
    from headrace.cli.demo import run_demo

    with stdout_for_results():
        demo = run_demo(folder.resolve(), customers)
    faults = _faults(demo)
    if not as_json:
        _print(demo)
        if faults:
            raise CheckFailed(faults)
        return
    told = {"exit_code": 1, "faults": [fault.as_dict() for fault in faults]} if faults else {}
    click.echo(json.dumps(demo.as_dict() | told, indent=2, default=str))
    if faults:
        raise click.exceptions.Exit(1)


def _faults(demo: Demo) -> list[Fault]:
    """The gates that were not passed, or that what was served differs from history."""
    from headrace.cli.commands.parity import differs
    from headrace.cli.commands.train import failed_gates

    cure = f"more customers give it more to learn from: headrace demo --customers {_ENOUGH}"
    faults = failed_gates(demo.trained, cure)
    return faults + ([differs(demo.parity)] if demo.parity is not None and demo.parity.differing else [])


def _print(demo: Demo) -> None:
    from headrace.cli.commands.explain import print_explained
    from headrace.cli.commands.parity import print_parity
    from headrace.cli.commands.train import print_trained
    from headrace.cli.terminal import say

    _rows(demo)
    _features(demo)
    for one in demo.trained:
        print_trained(one)
    if demo.parity is None:
        say("\nNothing was served: no version has passed its gates.", "bold red")
    else:
        _decisions(demo.decisions)
        if demo.explained is not None:
            say(f"\nWhat the score of the payment {demo.decisions[-1].case} is made of", "bold")
            print_explained(demo.explained, _MOVES)
        say("\nParity: what was served, recomputed from history", "bold")
        print_parity(demo.parity)
    _data(demo.looked)
    total = sum(demo.seconds.values())
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in demo.seconds.items())
    say(f"\nReports: {demo.report}\n         {demo.looked.report}", "bold")
    say(f"Seconds: {total:.1f} in all ({parts})", "dim")
    say(f"The project is in {_short(demo.folder)}: read its project.py, then 'headrace status' there.")


def _data(looked: Looked) -> None:
    """What was refused, what a repair would do with it, and what a change of a column would break."""
    from headrace.cli.commands.quarantine import print_refused, print_repair
    from headrace.cli.demo_data import AFTER, BEFORE, SET
    from headrace.cli.terminal import say

    say("\nQuarantine: what was refused, nothing is lost", "bold")
    print_refused(looked.refused)
    sets = " ".join(f'--set "{name} = {value}"' for name, value in SET.items())
    say(f"Repaired by {sets}:", "dim")
    print_repair(looked.repair)
    say(f"\nPlan: what if '{BEFORE.rstrip(' =')}' became '{AFTER.rstrip(' =')}'", "bold")
    for part in looked.change.parts:
        say(f"  {part}")


def _short(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


def _rows(demo: Demo) -> None:
    from headrace.cli.terminal import print_table, say, shown

    figures = [(step.id.split(":")[1], step.figures) for step in demo.run.steps if step.id.startswith("ingest:")]
    words = ("received", "accepted", "quarantined")
    rows = [(name, *(one[word] for word in words), _told(one["this_run"]["reasons"])) for name, one in figures]
    print_table("Rows", ("source", *words, "why"), rows, right=words)
    built = [step for step in demo.run.steps if step.id.startswith("training_set:")]
    for step in built:
        excluded = ", ".join(f"{shown(n)} {why}" for why, n in step.figures["excluded"].items())
        say(
            f"Training set {step.id.split(':')[1]}: {shown(step.figures['rows'])} cases; left out: {excluded or 'none'}"
        )


def _told(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {rule}" for rule, count in reasons.items())


def _features(demo: Demo) -> None:
    from headrace.cli.terminal import print_table

    groups = demo.loaded.project.feature_groups.values()
    rows = [(one.name, one.source.name, ", ".join(one.by.keys) if one.by else "", _names(one)) for one in groups]
    print_table("\nFeatures", ("group", "of", "by", "features"), rows)


def _names(group: Any) -> str:
    def names() -> Iterable[str]:
        for name, one in group.features.items():
            series = getattr(one, "series", False)
            yield f"{name} ({', '.join(one.labels)})" if series else name

    return ", ".join(names())


def _decisions(decisions: Iterable[Decision]) -> None:
    from headrace.cli.terminal import print_table

    rows = [
        (one.case, one.request["amount"], one.answer.get("decision"), one.answer.get("score"), _reasons(one.answer))
        for one in decisions
    ]
    columns = ("payment", "amount", "decision", "score", "because of")
    print_table("\nDecisions over HTTP", columns, rows, right=("amount", "score"))


def _reasons(answer: Mapping[str, Any]) -> str:
    """Name the features that moved the score most, as the service explains them."""
    from headrace.cli.terminal import shown

    said = []
    for one in answer.get("reasons") or ():
        if isinstance(one, Mapping):
            value = one.get("value")
            said.append(
                f"{one.get('feature', '')} = {shown(value)}" if value is not None else str(one.get("feature", ""))
            )
        else:
            said.append(str(one))
    return ", ".join(said)
