"""The ``headrace`` command: finds its subcommands, and tells every failure in a way that can be acted on."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from headrace import __version__, clock
from headrace.errors import Fault, HeadraceError, nearest
from headrace.starting import INTERRUPTED, leave_quietly

COMMANDS = {
    "init": "Make a project folder from a template.",
    "check": "Check the declarations, without touching data.",
    "plan": "Show what would change, and what that invalidates.",
    "apply": "Carry out what plan shows, also changes that a run refuses.",
    "run": "Bring everything up to date, redoing only what changed.",
    "runs": "Show past runs, and what each of their steps did.",
    "train": "Train models, hold them against their gates, register them.",
    "explain": "Show what the score of one row is made of.",
    "models": "Versions of models: list, compare, promote, shadow, restore.",
    "serve": "Answer decisions over HTTP.",
    "work": "Decide live events as they come.",
    "up": "Start log, service and worker of a project in one.",
    "state": "What services know of each key: show it, make it anew.",
    "why": "Show why a decision is what it is, and what would have changed it.",
    "replay": "Past requests through another version: how many decisions flip.",
    "shadow": "What a second model would have decided, scored after the answers.",
    "token": "Say who may ask services that others can reach.",
    "score": "Decide all rows of a table or file, as a service would have.",
    "parity": "Recompute what was served from history, and compare.",
    "contract": "Write contracts as the Open Data Contract Standard, and read them.",
    "lineage": "Show what a number is made of, and what of it, by column.",
    "explore": "Show what a column or feature is like, and against the label.",
    "query": "Run read-only SQL over the tables of the lake.",
    "quarantine": "List, show, repair and replay rows that were refused.",
    "lake": "List tables and versions, restore, compact, vacuum.",
    "data": "Write what the data is like as one HTML file.",
    "report": "Write the report of the project as one HTML file.",
    "top": "Show what a running service does, as it does it.",
    "status": "Show tables, training sets, models and past runs.",
    "demo": "Run the whole road on generated card payments.",
    "completion": "Print the completion script of a shell.",
}
"""Commands and their short help, so that ``--help`` imports none of them; each lives in ``commands/<name>.py``."""

FAULT_OF_OURS = 70
_OF_FIT = "HR-LEARN-004"
_GOES_ON = "Interrupted. Nothing is lost: the same command goes on where it stopped."
TERMINATED = 128 + signal.SIGTERM


class Commands(click.Group):
    """A group that imports a command only when it is called, and answers for all failures."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"headrace.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(f"No command {name!r}: {nearest(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _pipe():
            return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        with _heard() as terminated:
            code, tell = self._outcome(given, *more, **extra)
            if terminated and code == INTERRUPTED:
                code, tell = TERMINATED, partial(tell, code=TERMINATED)
            with contextlib.suppress(BrokenPipeError):
                tell()
            _flush()
        if code == TERMINATED:
            os.kill(os.getpid(), signal.SIGTERM)  # a service manager takes that for a clean end, the code alone not
        sys.exit(code)

    def _outcome(self, given: list[str], *more: Any, **extra: Any) -> tuple[int, Callable[..., None]]:
        """Run a command; return its exit code, and what is still to be told."""
        try:
            outcome = super().main(given, *more, **extra | {"standalone_mode": False})
        except click.exceptions.Exit as error:
            outcome = error.exit_code
        except (click.Abort, KeyboardInterrupt) as error:
            heard = error.__cause__ if isinstance(error, click.Abort) else error
            said = str(heard) if isinstance(heard, KeyboardInterrupt) else ""
            return INTERRUPTED, partial(_told_interrupted, given, said or _GOES_ON)
        except click.ClickException as error:
            return error.exit_code, partial(_told_usage, error, given)
        except HeadraceError as error:
            return error.exit_code, partial(_told_faults, error, given)
        except _PipeBroke as broke:
            # Whoever read our output has gone (``headrace query … | head``): not a fault, but nothing more to say.
            return (0, _flush) if _reader_gone() else (FAULT_OF_OURS, partial(_told_own_fault, broke.error, given))
        except Exception as error:  # noqa: BLE001 - the last resort, which tells where the traceback is
            return FAULT_OF_OURS, partial(_told_own_fault, error, given)
        return (outcome if isinstance(outcome, int) else 0), _flush


@contextlib.contextmanager
def _heard() -> Iterator[list[int]]:
    """Let SIGTERM interrupt as Ctrl-C does, within a ``with`` block; give a list that then is not empty.

    What ignores signals, such as ``nohup``, or has handlers of its own, keeps them.
    """
    terminated: list[int] = []

    def interrupted(number: int, _frame: FrameType | None) -> None:
        terminated.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is leave_quietly:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            before[signal.SIGTERM] = signal.signal(signal.SIGTERM, interrupted)
    try:
        yield terminated
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _PipeBroke(Exception):
    """A pipe without a reader, in a form that Click lets through: it would exit with 1 and not say why."""

    def __init__(self, error: BrokenPipeError) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def _pipe() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _PipeBroke(error) from error


def _reader_gone() -> bool:
    """Whether nobody reads our output any more; a pipe to another process may have broken instead."""
    watch = select.poll()
    watch.register(1, 0)
    watch.register(2, 0)
    return bool(watch.poll(0))


def _flush() -> None:
    """Write out what is left; what has no reader goes nowhere, so that Python does not complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="\b\nExample:  headrace init bank --template fraud --data && cd bank && headrace run && headrace train",
)
@click.version_option(__version__, prog_name="headrace", message="%(prog)s %(version)s")
def main() -> None:
    """Features, models and decisions declared once, run as batch, stream and request with identical numbers."""


def _told_faults(error: HeadraceError, args: Sequence[str]) -> None:
    from headrace.cli.terminal import print_faults

    print_faults(error.faults)
    if sys.stderr.isatty() and any(fault.code == _OF_FIT for fault in error.faults):
        _told_words(error)
    if _as_json(args):
        report = getattr(error, "report", None)
        shown = {} if report is None else {"report": report.as_dict()}
        _write({"ok": False, "exit_code": error.exit_code, "faults": [f.as_dict() for f in error.faults], **shown})


def _told_words(error: BaseException) -> None:
    """Tell what the user's own function said: to who sits at the terminal, and to no log, as it may quote a row."""
    while error.__cause__ is not None:
        error = error.__cause__
    click.echo(f"{type(error).__name__}: {error}", err=True)


def _told_usage(error: click.ClickException, args: Sequence[str]) -> None:
    error.show()
    if _as_json(args):
        called = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "headrace"
        fault = Fault(
            "HR-CLI-001", called, error.format_message(), "a call as --help shows it", f"see '{called} --help'"
        )
        _write({"ok": False, "exit_code": error.exit_code, "faults": [fault.as_dict()]})


def _told_interrupted(args: Sequence[str], said: str, code: int = INTERRUPTED) -> None:
    click.echo(f"\n{said}", err=True)
    if _as_json(args):
        _write({"ok": False, "exit_code": code, "faults": []})


def _told_own_fault(error: Exception, args: Sequence[str]) -> None:
    told = f"{type(error).__name__}: this is a fault of Headrace, not yours."
    where = _kept_traceback(error, args)
    click.echo(f"{told} The traceback is in {where}; please report it.", err=True)
    if _as_json(args):
        fault = Fault("HR-INTERNAL", str(where), type(error).__name__, "no fault of ours", "report it with that file")
        _write({"ok": False, "exit_code": FAULT_OF_OURS, "faults": [fault.as_dict()]})


def _kept_traceback(error: Exception, args: Sequence[str]) -> Path:
    """Write a traceback beside the project's state, or into the temporary folder where there is no project."""
    import tempfile

    from headrace.cli.options import state_folder

    stamp = clock.from_us(clock.now_us()).strftime("%Y%m%dT%H%M%S")
    text = f"headrace {__version__}, python {sys.version.split()[0]}\n\n{''.join(traceback.format_exception(error))}"
    for folder in (state_folder(args), Path(tempfile.gettempdir())):
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"fault-{stamp}-{os.getpid()}.txt"
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    click.echo(text, err=True)
    return Path("stderr")


def _as_json(args: Sequence[str]) -> bool:
    return "--json" in args


def _write(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, default=str))
