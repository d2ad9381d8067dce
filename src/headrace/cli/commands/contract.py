"""``headrace contract``: contracts of the project as documents of the Open Data Contract Standard, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options
from headrace.cli.output import whole
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.contracts.odcs import Imported

_OUTPUT = click.Path(dir_okay=False, path_type=Path)
_EXAMPLE = "\b\nExample:  headrace contract export payments --output payments.odcs.yaml"


@click.group("contract", epilog=f"{_EXAMPLE}\n\nBoth commands take --json and --project.")
def command() -> None:
    """Write contracts as documents of the Open Data Contract Standard v3.1, and read such documents."""


@command.command("export", epilog=_EXAMPLE)
@click.argument("name", default="")
@click.option("--output", type=_OUTPUT, help="File to write; by default the document is printed.")
@session_options
def export(session: Session, name: str, output: Path | None) -> None:
    """Write the contract of the stream or table NAME, or of all, as YAML of the Open Data Contract Standard v3.1."""
    from headrace.contracts.odcs import exported, yaml_text

    loaded = session.load()
    documents = exported(loaded.project, loaded.folder, name)
    text = yaml_text(documents)
    if output is not None:
        _write(output, text.encode())
        told = {"ok": True, "documents": len(documents), "output": output.name}
        session.tell(told, lambda: click.echo(f"{_counted(len(documents), 'document')} written to {output}"))
        return
    session.tell({"ok": True, "documents": documents}, lambda: click.echo(text, nl=False))


@command.command("import", epilog="\b\nExample:  headrace contract import orders.odcs.yaml --output orders.py")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", type=_OUTPUT, help="New Python file; by default it is printed.")
@session_options
def import_(session: Session, file: Path, output: Path | None) -> None:
    """Turn the document FILE into Python: contracts, streams and tables; beside it the document keeps the rest."""
    from headrace.cli.terminal import print_faults
    from headrace.contracts.odcs import imported, read_document

    document = read_document(file)
    kept = _kept(session.folder, file, output)
    made = imported(document, _relative(session.folder, kept))
    if output is not None:
        _save(made.python, output, file, kept)
    print_faults(made.warnings)
    told = {"ok": True, "streams": made.streams, "tables": made.tables, "document": kept.name}
    told |= {"python": made.python} if output is None else {"output": output.name}
    told |= {"faults": [fault.as_dict() for fault in made.warnings]}
    session.tell(told, lambda: click.echo(made.python, nl=False) if output is None else _print(made, output, kept))


def _project_folder(given: Path | None, near: Path) -> Path | None:
    """Return the project's folder; None where there is none yet, which is no fault: a part is made for one to come."""
    from headrace.run.settings import find_folder

    try:
        return given.resolve() if given is not None else find_folder(near.resolve())
    except HeadraceError:
        return None


def _kept(given: Path | None, file: Path, output: Path | None) -> Path:
    """Where the document is kept: where it is, if that is in the project, else beside the Python that is made of it."""
    beside = Path.cwd() if output is None else output.resolve().parent
    folder = _project_folder(given, beside) or beside
    inside = file.resolve().is_relative_to(folder)
    return file.resolve() if inside or output is None else beside / file.name


def _relative(given: Path | None, kept: Path) -> str:
    folder = _project_folder(given, kept.parent)
    return kept.relative_to(folder).as_posix() if folder and kept.is_relative_to(folder) else kept.name


def _save(python: str, output: Path, file: Path, kept: Path) -> None:
    """Write both files, or none that is there already: it may have been edited."""
    content = file.read_bytes()
    new = {kept: content, output: python.encode()}
    for path in new:
        if path.exists() and not (path == kept and path.read_bytes() == content):
            cure = "name another file with --output, or move that one away"
            raise HeadraceError(Fault("HR-ODCS-011", path.name, "a file that is there already", "a new file", cure))
    for path, text in new.items():
        if not path.exists():
            _write(path, text)


def _write(path: Path, content: bytes) -> None:
    with whole(path) as half:
        half.write_bytes(content)


def _print(made: Imported, output: Path, kept: Path) -> None:
    click.echo(f"{_counted(len(made.streams), 'stream')} and {_counted(len(made.tables), 'table')} in {output}")
    click.echo(f"What Python has no words for is kept in {kept.name}.")
    module = output.stem
    click.echo(f"\nNext:  say in {output.name} where each is read from, and in the project:")
    click.echo(f"  hr.Project(…, sources={module}.sources, documents={module}.documents)")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
