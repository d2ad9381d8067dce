"""``headrace serve``: decisions over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault


@click.command("serve", epilog="\b\nExample:  headrace serve --port 8470")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only by default.")
@click.option(
    "--port", default=8470, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@session_options
def command(session: Session, host: str, port: int) -> None:
    """Answer decisions of the project's services: POST /services/NAME/decide.

    With --json the document is printed when the service begins: its URL, and the names of the services.
    """
    from headrace.serve.app import announce, serve

    def told(url: str, services: Sequence[str], warnings: Sequence[Fault]) -> None:
        announce(url, services, warnings)
        if session.as_json:
            faults = [fault.as_dict() for fault in warnings]
            session.tell({"ok": True, "url": url, "services": list(services), "faults": faults}, lambda: None)
            session.out.flush()

    serve(session.load(), host, port, told)
