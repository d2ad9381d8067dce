"""``headrace init``: a project folder from a template, with data to try it on where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.cli.template import TEMPLATES, make_project

_DAYS = 183


@click.command("init", epilog="\b\nExample:  headrace init bank --template fraud --data && cd bank && headrace run")
@click.argument("name")
@click.option(
    "--template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], show_default=True, help="Kind of project."
)
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
def command(name: str, template: str, data: bool, customers: int, seed: int, as_json: bool) -> None:
    """Make the project NAME: a folder with project.py, headrace.toml, its own tests and a README."""
    folder = Path.cwd() / name
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
