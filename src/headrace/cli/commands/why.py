"""``headrace why``: why one decision is what it is, and what would have changed it."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.options import Session, session_options
from headrace.errors import CheckFailed, Fault, HeadraceError

_EXAMPLE = "\b\nExample:  headrace why 3f2a9c01b7de-17 --vary amount --html why.html"


@click.command("why", epilog=_EXAMPLE)
@click.argument("record_id")
@click.option("--vary", metavar="NAMES", help="Fields and features that may change, with commas between.")
@click.option("--fixed", metavar="NAMES", help="Fields and features that may not.")
@click.option("--to", metavar="DECISION", help="What would have led to this decision; by default to any other.")
@click.option("--all", "every", is_flag=True, help="Print all events behind each feature, not the first and last.")
@click.option("--reveal", is_flag=True, help="Show also values that tell of a person.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page, too.")
@session_options
def command(
    session: Session,
    record_id: str,
    vary: str | None,
    fixed: str | None,
    to: str | None,
    every: bool,
    reveal: bool,
    html: Path | None,
) -> None:
    """Show why the decision RECORD_ID is what it is: events, model, data, rules, and what would have changed it.

    The features are computed again from history and the score by the recorded model; exit code 1 where something
    differs, or the record was altered. Values that tell of a person are masked.
    """
    from headrace.cli.because import print_why
    from headrace.serve.why import why

    found = why(session.load(), record_id, vary=_names(vary), fixed=_names(fixed), to=to, reveal=reveal)
    if html is not None:
        _write(html, found.as_dict())
    told = {"ok": found.checked.ok, **found.as_dict()} | ({} if found.checked.ok else {"exit_code": 1})
    session.tell(told, lambda: print_why(found, every, html))
    if not found.checked.ok:
        if session.as_json:
            raise click.exceptions.Exit(1)
        cure = "see above what differs; 'headrace parity' tells of all records"
        raise CheckFailed(Fault("HR-WHY-005", "", f"record {record_id}, which is not what it was", "the same", cure))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for part in (text or "").split(",") if (one := part.strip())))


def _write(path: Path, told: dict[str, object]) -> None:
    from headrace.audit.why import decision_page

    try:
        path.write_text(decision_page(told), encoding="utf-8")
    except OSError as error:
        found = f"{path.name}, which could not be written: {error.strerror or type(error).__name__}"
        cure = "name another file with --html, or make room"
        raise HeadraceError(Fault("HR-CLI-002", "--html", found, "a file that can be written", cure)) from error
