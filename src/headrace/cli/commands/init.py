"""``headrace init``: a project folder from a template, with data to try it on where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.template import PLAIN, TEMPLATES, check_new, make_project
from headrace.cli.terminal import print_faults, print_table

if TYPE_CHECKING:
    from headrace.connect.survey import Found, Survey

_DAYS = 183


@click.command("init", epilog="\b\nExample:  headrace init bank --template fraud --data && cd bank && headrace run")
@click.argument("name")
@click.option(
    "--template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], show_default=True, help="Kind of project."
)
@click.option(
    "--from",
    "address",
    metavar="ADDRESS",
    help="Look at data and write a first contract: files, a folder or bucket, the address of a database or an API.",
)
@click.option("--table", "tables", multiple=True, help="Of ADDRESS, to look at only this one; may be repeated.")
@click.option("--data", is_flag=True, help=f"Also generate {_DAYS} days of sample data into NAME/data.")
@click.option(
    "--customers",
    default=2000,
    show_default=True,
    type=click.IntRange(10),
    help="Of the sample data; passing all gates takes 1,000 or so.",
)
@click.option("--seed", default=1, show_default=True, help="Of the sample data: same seed, same data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    name: str,
    template: str,
    address: str | None,
    tables: tuple[str, ...],
    data: bool,
    customers: int,
    seed: int,
    as_json: bool,
) -> None:
    """Make the project NAME: a folder with project.py, headrace.toml, its own tests and a README.

    With --from, project.py is written from a look at your own data, and says what was guessed.
    """
    folder = Path.cwd() / name
    if address is not None:
        if data:
            raise click.UsageError("--data makes sample data of a template, and --from looks at yours: choose one")
        _from_data(folder, name, address, tables, as_json)
        return
    if tables:
        raise click.UsageError("--table names a table of --from ADDRESS, which is not given")
    written = make_project(folder, name, template)
    if data:
        from headrace.cli.sample import write_sample

        written += write_sample(folder / "data", customers=customers, days=_DAYS, seed=seed)
    if as_json:
        click.echo(json.dumps({"ok": True, "project": name, "template": template, "files": written}, indent=2))
        return
    click.echo(f"Made the project {name}:")
    for path in (one for one in written if not one.startswith("data/")):
        click.echo(f"  {name}/{path}")
    if data:
        click.echo(f"  {name}/data/  ({sum(one.startswith('data/') for one in written)} files)")
    click.echo(f"\nNext:  cd {name} && headrace {'run && headrace train' if data else 'check'}")


def _from_data(folder: Path, name: str, address: str, tables: tuple[str, ...], as_json: bool) -> None:
    from headrace.cli.first import project_python
    from headrace.connect.survey import look

    check_new(folder, name)
    survey = look(address, folder, tables, name)
    written = make_project(folder, name, PLAIN, project_python(name, survey))
    if as_json:
        told = {"ok": True, "project": name, "files": written, "secrets": list(survey.secrets)}
        unread = [fault.as_dict() for fault in survey.unread]
        click.echo(json.dumps(told | {"found": [_told(one) for one in survey.found], "unread": unread}, indent=2))
        return
    rows = [
        (one.name, "stream" if one.stream else "table", one.rows, len(one.fields), _keys(one), one.cursor or None)
        for one in survey.found
    ]
    heads = ("name", "kind", "rows seen", "columns", "key", "cursor")
    print_faults(survey.unread)
    print_table(f"Found at {_shown(survey)}", heads, rows, right=("rows seen", "columns"))
    click.echo(f"Wrote {name}/project.py, which says beside each field what was guessed: read it and correct it.")
    for secret in survey.secrets:
        click.echo(f"Set {secret} in the environment before a run; it is written nowhere.")
    click.echo(f"\nNext:  cd {name} && headrace check && headrace run")


def _keys(one: Found) -> str | None:
    return ", ".join(guess.field.name for guess in one.fields if guess.field.role == "key") or None


def _shown(survey: Survey) -> str:
    from headrace.declare.origins import Origin, origin_of

    addresses = dict.fromkeys(one.address for one in survey.found)
    told = [one.address if isinstance(one := origin_of(address), Origin) else address for address in addresses]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def _told(one: Found) -> dict[str, object]:
    fields = [
        {"name": guess.field.name, "type": repr(guess.field.type), "role": guess.field.role, "notes": list(guess.notes)}
        for guess in one.fields
    ]
    kind = "stream" if one.stream else "table"
    told = {"name": one.name, "kind": kind, "rows": one.rows, "whole": one.whole, "cursor": one.cursor}
    return {
        **told,
        "fields": fields,
        "columns": dict(one.columns),
        "left_out": list(one.left_out),
        "notes": list(one.notes),
    }
