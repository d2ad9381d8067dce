"""``headrace up``: a project at work on one machine."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run import LoadedProject

_FOLDER, _CUSTOMERS, _SEED = "headrace-demo", 1_000, 1


@click.command("up", epilog="\b\nExample:  headrace up --demo --rate 200")
@click.option(
    "--port", default=8470, show_default=True, type=click.IntRange(0, 65535), help="Of the service; 0: a free one."
)
@click.option("--demo", is_flag=True, help=f"Also play generated payments; without a project, make {_FOLDER} first.")
@click.option("--rate", type=click.FloatRange(0, 100_000, min_open=True), help="Payments a second that are played.")
@click.option("--speed", metavar="TIMES", help="Instead: how much faster time passes, such as 1000x; by default 3600x.")
@click.option("--for", "seconds", type=click.FloatRange(0, min_open=True), help="End by itself after so many seconds.")
@session_options
def command(
    session: Session, port: int, demo: bool, rate: float | None, speed: str | None, seconds: float | None
) -> None:
    """Start the log, the service and the worker of a project; Ctrl-C ends them in order, and nothing is lost.

    POST events to /events/STREAM: each is decided as it comes, and counts in the next decision. What the processes say
    is in the folder up of the state. With --json a document is printed when all is ready, another at the end.
    """
    if (rate is not None or speed is not None) and not demo:
        raise click.UsageError("--rate and --speed are of what --demo plays")
    if rate is not None and speed is not None:
        raise click.UsageError("--rate or --speed, not both")
    times = _times(speed)
    loaded = _project(session, demo)
    from headrace.cli.playing import orders
    from headrace.cli.upping import Up

    port = port or _free()
    url = f"http://127.0.0.1:{port}"
    play = orders(url, loaded.lake().address, _SEED, rate, None if rate else times) if demo else None
    up = Up(loaded.folder, loaded.state_dir, session.target, port, play)
    stop = Event()
    with _heard(stop), up.running():
        services = sorted(loaded.project.all_services)
        _say(f"{', '.join(services)} at {up.url}; events to {up.url}/events/STREAM; Ctrl-C ends")
        _say(f"See it at work: headrace top --url {up.url}")
        document = {"ok": True, "url": up.url, "services": services, "streams": sorted(loaded.project.streams)}
        session.tell(document, lambda: None)
        if seconds is not None:
            _after(seconds, stop)
        up.watch(stop, _say)
        _say("Ending: what was taken is decided, what was decided goes into the lake …")
    _say("Stopped. What was taken is durable; headrace parity compares what was decided with history.")


def _project(session: Session, demo: bool) -> LoadedProject:
    """Return the project; for a demo one is made where there is none, with data, and with a model."""
    from headrace.errors import HeadraceError

    try:
        return session.load()
    except HeadraceError as error:
        if not demo or session.folder is not None or error.faults[0].code != "HR-PROJECT-001":
            raise
    from headrace.cli.sample import write_sample
    from headrace.cli.template import make_project
    from headrace.run import load_project, run, train

    folder = Path.cwd() / _FOLDER
    if not (folder / "headrace.toml").exists():
        _say(f"No project here: making {_FOLDER}, with six months of payments and a model …")
        make_project(folder, _FOLDER, "fraud")
        write_sample(folder / "data", customers=_CUSTOMERS, days=183, seed=_SEED)
    loaded = load_project(folder)
    run(loaded)
    train(loaded)
    return loaded


def _times(speed: str | None) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x?", speed or "3600x")
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{speed!r} is no speed such as 1000x", param_hint="--speed")
    return float(found[1])


def _free() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _after(seconds: float, stop: Event) -> None:
    from threading import Timer

    timer = Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _heard(stop: Event) -> Iterator[None]:
    """End in order at Ctrl-C and SIGTERM."""

    def ends(*_: Any) -> None:
        stop.set()

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one in before:
        signal.signal(one, ends)
    try:
        yield
    finally:
        for one, was in before.items():
            signal.signal(one, was)
