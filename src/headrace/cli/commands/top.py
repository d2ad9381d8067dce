"""``headrace top``: a running service, as it is now."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from headrace import clock
from headrace.cli.document import document
from headrace.cli.options import stdout_for_results
from headrace.errors import CheckFailed, HeadraceError

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.serve.metrics.watched import Look, Seen

_LOOKS = 60
"""As many rates are drawn."""
_STEADY = 10
"""Percentiles are those of as many looks: of a single second they jump."""


@click.command("top", epilog="\b\nExample:  headrace top --url http://127.0.0.1:8470")
@click.option("--url", default="http://127.0.0.1:8470", show_default=True, help="Of the service; also unix:///PATH.")
@click.option("--token", help="That lets in beyond loopback; by default the variable HEADRACE_TOKEN.")
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Print one reading, of that time, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one reading as a JSON document.")
def command(url: str, token: str | None, every: float, once: bool, as_json: bool) -> None:
    """Show requests, latency, decisions, errors, models, state and spool of a running service, each second.

    Latency is that of the last ten looks. With --once or --json, or where the output is no terminal, one reading is
    printed; the exit code is 1 where no service answers. q or Ctrl-C ends.
    """
    from headrace.client import Client

    live = sys.stdout.isatty() and not (once or as_json)
    out = sys.stdout
    with Client(url, token, timeout=max(2.0, every)) as client:
        if live:
            _live(client, url, every)
            return
        with stdout_for_results():
            found, kept_out = _reading(client, every), _kept_out(client)
        if as_json:
            out.write(f"{document({'ok': True, 'url': url, 'kept_out': kept_out} | found.as_dict())}\n")
        else:
            from headrace.cli.terminal import console
            from headrace.cli.watched import page

            console().print(page(url, found, (), kept_out))


def _reading(client: Client, every: float) -> Seen:
    from headrace.serve.metrics.watched import seen

    try:
        before = _look(client)
        time.sleep(every)
        return seen(before, _look(client))
    except HeadraceError as error:
        raise CheckFailed(error.faults) from None


def _kept_out(client: Client) -> str:
    """Why a new declaration does not serve; empty where none was kept out."""
    said = client.health().get("reload", {})
    return "" if said.get("serves", True) else str(said.get("why", ""))


def _look(client: Client) -> Look:
    from headrace.serve.metrics.reading import read
    from headrace.serve.metrics.watched import Look

    text = client.metrics()
    return Look.of(read(text), clock.monotonic_s())


def _live(client: Client, url: str, every: float) -> None:
    from rich.live import Live

    from headrace.cli.keys import pressed
    from headrace.cli.terminal import console
    from headrace.cli.watched import page, waiting
    from headrace.serve.metrics.watched import seen

    looks, rates = deque["Look"](maxlen=_STEADY + 1), deque[float](maxlen=_LOOKS)
    with (
        suppress(KeyboardInterrupt),
        pressed() as key,
        Live(console=console(), screen=True, auto_refresh=False) as screen,
    ):
        while True:
            try:
                looks.append(_look(client))
                if len(looks) > 1:
                    rates.append(sum(one.rate for one in seen(looks[-2], looks[-1]).services))
                kept_out = _kept_out(client)
                shown = (
                    page(url, seen(looks[0], looks[-1]), rates, kept_out)
                    if len(looks) > 1
                    else waiting(url, "Looking …")
                )
            except HeadraceError as error:
                looks.clear()
                shown = waiting(url, f"{error.faults[0]}\nWaiting for it.")
            screen.update(shown, refresh=True)
            if key(every).lower() in ("q", "\x1b"):
                return
