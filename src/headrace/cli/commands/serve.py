"""``headrace serve``: decisions over HTTP."""

from __future__ import annotations

import click

from headrace.cli.options import Session, session_options


@click.command("serve", epilog="\b\nExample:  headrace serve --port 8470")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only by default.")
@click.option(
    "--port", default=8470, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@session_options
def command(session: Session, host: str, port: int) -> None:
    """Answer decisions of the project's services: POST /services/NAME/decide."""
    from headrace.serve.app import serve

    serve(session.load(), host, port)
