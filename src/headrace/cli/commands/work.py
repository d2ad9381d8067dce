"""``headrace work``: the events of streams are decided as they come."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.serve.streaming import Streaming

_TOLD_S = 1.0


@click.command("work", epilog="\b\nExample:  headrace work")
@click.option("--service", "services", multiple=True, help="Name of a service; by default all. Also several times.")
@click.option("--once", is_flag=True, help="Decide what waits, then end.")
@click.option("--most", type=click.IntRange(1, 1_000_000), default=4096, show_default=True, help="Events at once.")
@session_options
def command(session: Session, services: tuple[str, ...], once: bool, most: int) -> None:
    """Decide each live event, in the order of the log, with the values as of before it.

    Decisions go into the topic decisions_SERVICE of the log and the table of that name; why an event has none, into
    refused_SERVICE. Ctrl-C ends it when what is under way is done; who comes next goes on there. It works beside
    headrace serve or alone; a second one stands by, and takes over when the first ends.
    """
    from headrace.serve.streaming import Streaming

    streaming = Streaming(session.load(), services, most=most)
    try:
        with _heard(streaming), _watched(streaming, quiet=session.as_json):
            if once:
                streaming.catch_up()
            else:
                streaming.run()
        document = told(streaming)
    finally:
        streaming.close()
    session.tell({"ok": True} | document, lambda: _print(document))


def told(streaming: Streaming) -> dict[str, Any]:
    """Return what was done, as plain values."""
    streams = {}
    for name, (figures, lag) in streaming.figures().items():
        streams[name] = {"events": figures.events, "batches": figures.batches, "lag": lag, "written": figures.written}
    return {"streams": streams}


def _print(document: dict[str, Any]) -> None:
    from headrace.cli.terminal import print_table

    rows = [
        (name, one["events"], one["lag"], ", ".join(f"{n:,} {topic}" for topic, n in one["written"].items() if n))
        for name, one in document["streams"].items()
    ]
    print_table("", ("stream", "events", "lag", "written"), rows, right=("events", "lag"))


@contextlib.contextmanager
def _heard(streaming: Streaming) -> Iterator[None]:
    """End in order at Ctrl-C and SIGTERM; a second one ends at once."""

    def ends(*_: object) -> None:
        for one, was in before.items():
            signal.signal(one, was)
        streaming.stop()

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one in before:
        signal.signal(one, ends)
    try:
        yield
    finally:
        for one, was in before.items():
            signal.signal(one, was)


@contextlib.contextmanager
def _watched(streaming: Streaming, quiet: bool) -> Iterator[None]:
    """Say on a terminal, every second, how far it is."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        before = 0
        while not ended.wait(_TOLD_S):
            figures = streaming.figures()
            events, lag = sum(one.events for one, _ in figures.values()), sum(lag for _, lag in figures.values())
            sys.stderr.write(f"\r\033[K{events:,} events, {events - before:,}/s, {lag:,} wait")
            sys.stderr.flush()
            before = events
        sys.stderr.write("\r\033[K")

    teller = threading.Thread(target=watch, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
