"""``headrace serve``: decisions over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault

if TYPE_CHECKING:
    from headrace.run import LoadedProject
    from headrace.serve.access import Provider
    from headrace.serve.traces import Traces

_FILE = click.Path(dir_okay=False, path_type=Path)


def _entry(function: Callable[..., None]) -> Callable[..., None]:
    """Add how one gets in."""
    for option in (
        click.option(
            "--server-name", multiple=True, help="A name by which it may be asked, e.g. of a proxy; also several times."
        ),
        click.option("--require-token", is_flag=True, help="Ask for a token on this machine, too."),
        click.option("--insecure-http", is_flag=True, help="Let others in without TLS; their tokens can be read."),
        click.option("--tls-key", type=_FILE, help="Its key, in PEM, without a password."),
        click.option("--tls-cert", type=_FILE, help="Certificate with those above it, in PEM: answer by HTTPS."),
        click.option("--unix", type=_FILE, help="Listen on this socket instead, for this user alone."),
        click.option(
            "--port", default=8470, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
        ),
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address; others than loopback need tokens."
        ),
    ):
        function = option(function)
    return function


def _limits(function: Callable[..., None]) -> Callable[..., None]:
    """Add how much is answered at once."""
    rate = click.FloatRange(min=0, min_open=True)
    per_client = click.option("--per-client", type=rate, help="Requests a second of one client; by default any number.")
    many = click.IntRange(min=1)
    at_once = click.option(
        "--at-once", type=many, default=1024, show_default=True, help="Requests under way; more: 429."
    )
    return at_once(per_client(function))


def _processes(function: Callable[..., None]) -> Callable[..., None]:
    """Add how many processes answer."""
    most = click.IntRange(1, 64)
    workers = click.option(
        "--workers", type=most, help="Processes that decide; by default what the settings say, or 1."
    )
    return workers(click.option("--watch", is_flag=True, help="Load the project anew when its files change.")(function))


@click.command("serve", epilog="\b\nExample:  headrace serve --port 8470")
@_entry
@_limits
@click.option(
    "--grpc-port", type=click.IntRange(0, 65535), help="Answer for the bare models by gRPC, too, on this port."
)
@_processes
@session_options
def command(
    session: Session,
    at_once: int,
    per_client: float | None,
    grpc_port: int | None,
    workers: int | None,
    watch: bool,
    **entry: Any,
) -> None:
    """Answer decisions of the project's services: POST /services/NAME/decide.

    With --workers or --watch one process looks after others: kill -HUP loads the project anew without a pause.
    With --json the document is printed when the service begins: its URL, and the names of the services.
    """
    from headrace.serve.app import announce, serve, serve_many
    from headrace.serve.wire import Limits
    from headrace.serve.wire.listen import Entry
    from headrace.serve.workers.crew import Plan

    def told(url: str, services: Sequence[str], warnings: Sequence[Fault]) -> None:
        announce(url, services, warnings)
        if session.as_json:
            faults = [fault.as_dict() for fault in warnings]
            session.tell({"ok": True, "url": url, "services": list(services), "faults": faults}, lambda: None)
            session.out.flush()

    if (entry["tls_key"] is None) != (entry["tls_cert"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if entry["unix"] is not None and (entry["tls_cert"] is not None or entry["host"] != "127.0.0.1"):
        raise click.UsageError("--unix goes without --host and TLS: nobody else can listen there")
    way = Entry(**entry)
    limits = Limits(under_way=at_once, per_client=per_client, hosts=way.hosts)
    loaded = session.load()
    many = loaded.settings.serve.workers if workers is None else workers
    try:
        if (many or 1) > 1 or watch:
            plan = Plan(loaded.folder, session.target, loaded.state_dir, many or 1, watch, limits, grpc_port)
            serve_many(plan, way, loaded, told, trusted(loaded))
            return
        more: dict[str, Any] = {"entry": way, "limits": limits, "provider": trusted(loaded), "grpc_port": grpc_port}
        serve(loaded, entry["host"], entry["port"], told, traces=traces_of(loaded), **more)
    except KeyboardInterrupt as heard:
        raise KeyboardInterrupt("Stopped. What was answered is on record.") from heard


def trusted(loaded: LoadedProject) -> Provider | None:
    """Return the identity provider of the settings."""
    from headrace.serve.access import Provider

    return Provider(**loaded.settings.oidc) if loaded.settings.oidc else None


def traces_of(loaded: LoadedProject) -> Traces | None:
    """Return where spans go, where the settings say so; else nothing of OpenTelemetry is loaded."""
    said = loaded.settings.serve
    if said.traces is None:
        return None
    from headrace.serve.traces import SHARE, Traces

    return Traces(said.traces, loaded.project.name, SHARE if said.traces_share is None else said.traces_share)
