"""What all commands share: ``--project``, ``--json``, and where results go."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO

import click

from headrace.cli.document import document as as_json

if TYPE_CHECKING:
    from headrace.run import LoadedProject

P = ParamSpec("P")


@dataclass
class Session:
    """One call of a command: which project it is about, and how its result is to be told.

    Args:
        folder: given with ``--project``, or None: the nearest one upwards.
        as_json: whether stdout gets exactly one JSON document.
        target: given with ``--target``, or None.
        out: the stdout that results go to; while a command works, prints of user code go to stderr.
    """

    folder: Path | None
    as_json: bool
    target: str | None = None
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def load(self) -> LoadedProject:
        """Return the project that the command is about."""
        from headrace.run import find_folder, load_project

        return load_project(find_folder(Path.cwd()) if self.folder is None else self.folder, self.target)

    def ask(self, question: str, otherwise: str) -> None:
        """Go on if somebody says yes; where nobody is there to be asked, tell what to do instead, as wrong use."""
        if self.as_json or not sys.stdin.isatty():
            raise click.UsageError(f"nobody is there to be asked: {otherwise}")
        click.confirm(question, abort=True, err=True)

    def tell(self, document: dict[str, Any], human: Callable[[], None]) -> None:
        """Give the result: as JSON where that was asked for, else by a function that prints it for people.

        A reader that goes away (``| head``) ends a command, but for one whose result is not well: its exit code counts.
        """
        try:
            if self.as_json:
                self.out.write(f"{as_json(document)}\n")
                self.out.flush()
                return
            with contextlib.redirect_stdout(self.out):
                human()
                self.out.flush()
        except BrokenPipeError:
            if document.get("ok", True):
                raise


def project_option(function: Callable[P, Any]) -> Callable[P, Any]:
    """Add ``--project DIR`` and ``--target NAME``."""
    target = click.option("--target", "on_target", help="Name of a [target.NAME] of headrace.toml; by default local.")
    return click.option(
        "--project",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="The project's folder; by default the nearest one upwards with a headrace.toml.",
    )(target(function))


def session_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--project``, ``--target`` and ``--json``, and hand the command a ``Session``."""

    @functools.wraps(function)
    def wrapped(*args: Any, folder: Path | None, on_target: str | None, as_json: bool, **more: Any) -> None:
        session = Session(folder, as_json, on_target)
        with stdout_for_results():
            function(session, *args, **more)

    return project_option(click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(wrapped))


def model_names(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a model as the last run knew it: a shell waits for this, so the project is not executed."""
    import sqlite3

    from headrace.errors import HeadraceError
    from headrace.run.journal import Journal

    given = ctx.params.get("folder")
    state = state_folder(() if given is None else ("--project", str(given)))
    if state is None or not (state / "run.db").is_file():
        return []
    try:
        with Journal(state / "run.db") as journal:
            nodes = (journal.snapshot() or {}).get("nodes", {})
    except (HeadraceError, OSError, ValueError, sqlite3.Error):
        return []
    named = [one.removeprefix("model:") for one in nodes if one.startswith("model:")]
    return [one for one in named if one.startswith(begun)]


def moment_of(text: str, option: str, also: str = "") -> int:
    """Return a moment that an option gives, in microseconds UTC; a time without a zone is in UTC.

    ``also`` are examples of what else the option takes, for who gave neither.
    """
    from headrace import clock

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        such = f"{also + ', ' if also else ''}2026-03-01T12:00 or 2026-03-01T12:00:00+01:00"
        raise click.BadParameter(f"{text!r} is no time such as {such}", param_hint=option) from None
    return clock.to_us(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


@contextlib.contextmanager
def stdout_for_results() -> Iterator[None]:
    """Send what libraries and user code print to stderr: stdout is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def state_folder(args: Sequence[str]) -> Path | None:
    """Return the state folder of the project that a call was about, as far as that can be known."""
    from headrace.errors import HeadraceError
    from headrace.run.settings import find_folder, read_settings

    given = _given("--project", args)
    try:
        folder = find_folder(Path(given) if given else Path.cwd())
        return folder / read_settings(folder, _given("--target", args)).chosen.path
    except (HeadraceError, OSError):
        return None


def _given(option: str, args: Sequence[str]) -> str | None:
    found = [args[i + 1] for i, one in enumerate(args[:-1]) if one == option]
    found += [one.split("=", 1)[1] for one in args if one.startswith(f"{option}=")]
    return found[0] if found else None
