"""``headrace train``: models, gates, registry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, model_names, session_options
from headrace.errors import CheckFailed, Fault
from headrace.types import duration_us

if TYPE_CHECKING:
    from headrace.run import Trained


@click.command("train", epilog="\b\nExample:  headrace train fraud_score")
@click.argument("models", nargs=-1, shell_complete=model_names)
@click.option("--again", is_flag=True, help="Train also what has not changed.")
@click.option("--tune", type=click.IntRange(min=1), metavar="N", help="Search parameters: N trials for each candidate.")
@click.option("--for", "span", metavar="TIME", help="Begin no further trial after so long, such as 10m.")
@session_options
def command(session: Session, models: tuple[str, ...], again: bool, tune: int | None, span: str | None) -> None:
    """Train MODELS (all by default) on their built sets, hold them against their gates, and register them.

    Exit code 1 when a gate failed: the version is kept, but does not serve. A search that is ended by Ctrl-C keeps what
    it found; the same command goes on with it.
    """
    from headrace.cli.progress import Bars
    from headrace.cli.terminal import print_faults
    from headrace.run import TrainFailed, train

    loaded = session.load()
    try:
        with Bars() as bars:
            trained = train(loaded, models, bars, again=again, tune=tune or 0, seconds=_seconds(span))
    except TrainFailed as error:
        some, code = error.trained, error.exit_code
        document = {"ok": False, "models": [one.as_dict() for one in some], "exit_code": code}
        document |= {"faults": [fault.as_dict() for fault in error.faults]}
        session.tell(document, lambda: _print(some))
        if session.as_json:
            raise click.exceptions.Exit(code) from None
        raise
    faults = failed_gates(trained, "mend the model or its data; the version is kept, and does not serve")
    warnings = [fault for one in trained for fault in one.warnings]
    told = [fault.as_dict() for fault in (*faults, *warnings)]
    document = {"ok": not faults, "models": [one.as_dict() for one in trained], "faults": told}
    document |= {"exit_code": 1} if faults else {}
    session.tell(document, lambda: _print(trained))
    print_faults(warnings)
    if faults:
        if session.as_json:
            raise click.exceptions.Exit(1)
        raise CheckFailed(faults)


def _seconds(span: str | None) -> float:
    if span is None:
        return math.inf
    try:
        return duration_us(span) / 1e6
    except ValueError as error:
        raise click.BadParameter(f"{error}: write a duration such as 10m or 2h", param_hint="--for") from None


def failed_gates(trained: Iterable[Trained], cure: str) -> list[Fault]:
    """Return a fault for each gate that was not passed: its name, what was found, what it asks for."""
    return [
        Fault("HR-RUN-007", "", f"{one.model} failed a gate: {gate.sentence}", f"to pass {gate.name}", cure)
        for one in trained
        for gate in one.failed
    ]


def _print(trained: tuple[Trained, ...]) -> None:
    for one in trained:
        print_trained(one)


def _side_by_side(head: list[str], rows: list[list[str]]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Cut a table into as many as the terminal takes, each with the names of the candidates."""
    from headrace.cli.terminal import console

    widths = [max(len(row[at]) for row in (head, *rows)) + 3 for at in range(len(head))]
    room, begin = console().width - widths[0], 1
    while begin < len(head):
        end = begin + 1
        while end < len(head) and sum(widths[begin : end + 1]) <= room:
            end += 1
        yield [head[0], *head[begin:end]], [[row[0], *row[begin:end]] for row in rows]
        begin = end


def print_trained(trained: Trained) -> None:
    """Print a training: candidates by metrics, gates, and what became of the version."""
    from headrace.cli.terminal import print_table, say

    report = trained.report
    if report is None:
        say(trained.outcome())
        return
    for head, rows in _side_by_side(report.header(), report.rows()):
        print_table(report.model, head, rows, right=head[1:])
    for sentence in report.differences():
        say(f"  {sentence}")
    for gate in report.gates:
        say(f"  {'passed' if gate.passed else 'FAILED'}  {gate.sentence}", "green" if gate.passed else "red")
    say(report.cases(), "dim")
    say(trained.outcome(), "bold")
