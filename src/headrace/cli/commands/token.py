"""``headrace token``: who may ask the services of a project, and what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.serve.access import Token, Tokens


@click.group("token", epilog="\b\nExample:  headrace token new --name till --scope decide,events")
def command() -> None:
    """Tokens for services that others can reach: named, scoped, expiring; each subcommand takes --json."""


@command.command("new", epilog="\b\nExample:  headrace token new --name till --scope decide,events --expires 90d")
@click.option("--name", required=True, help="After who uses it; of no other token.")
@click.option("--scope", default="decide", show_default=True, help="Some of decide, events, infer, read, by commas.")
@click.option("--expires", default="90d", show_default=True, help="After how long, e.g. 90d or 12h; or never.")
@session_options
def new(session: Session, name: str, scope: str, expires: str) -> None:
    """Make a token and print it: it is kept as a digest, so that nobody can ever see it again."""
    scopes = [one.strip() for one in scope.split(",") if one.strip()]
    token, made = _tokens(session).new(name, scopes, _expires_in(expires))

    def shown() -> None:
        click.echo(token)
        told = f"{made.name} may {', '.join(made.scopes)}, {_until(made)}. This is the only time it is shown."
        click.echo(told, err=True)

    session.tell({"ok": True, "token": token, **_document(made)}, shown)


@command.command("list", epilog="\b\nExample:  headrace token list")
@session_options
def list_tokens(session: Session) -> None:
    """List tokens: their names, what they allow, until when."""
    from headrace.cli.terminal import print_table

    tokens = _tokens(session)
    found, usable = tokens.all(), {one.name for one in tokens.usable()}

    def shown() -> None:
        if not found:
            click.echo("There are no tokens: 'headrace token new' makes one.")
            return
        heads = ("name", "scopes", "made", "expires", "")
        print_table("", heads, [_row(one, one.name in usable) for one in found])

    session.tell({"ok": True, "tokens": [_document(one) | {"valid": one.name in usable} for one in found]}, shown)


@command.command("revoke", epilog="\b\nExample:  headrace token revoke till")
@click.argument("name")
@session_options
def revoke(session: Session, name: str) -> None:
    """Take a token back: services that run refuse it within two seconds."""
    from headrace.cli.terminal import say

    gone = _tokens(session).revoke(name)
    session.tell({"ok": True, "revoked": gone.name}, lambda: say(f"{gone.name} opens nothing any more", "green"))


def _tokens(session: Session) -> Tokens:
    """Return the tokens of the project, which need not be executed for it."""
    from headrace.run.settings import find_folder, read_settings
    from headrace.serve.access import Tokens

    folder = find_folder(Path.cwd()) if session.folder is None else session.folder
    return Tokens(folder / read_settings(folder, session.target).chosen.path)


def _expires_in(text: str) -> int | None:
    from headrace.types import duration_us

    if text == "never":
        return None
    try:
        return duration_us(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no duration such as 90d or 12h, and not never", param_hint="--expires"
        ) from None


def _document(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": list(token.scopes),
        "created": _moment(token.created_us),
        "expires": None if token.expires_us is None else _moment(token.expires_us),
    }


def _row(token: Token, valid: bool) -> Sequence[str]:
    expires = "never" if token.expires_us is None else _moment(token.expires_us)
    return token.name, ", ".join(token.scopes), _moment(token.created_us), expires, "" if valid else "expired"


def _until(token: Token) -> str:
    return "for ever" if token.expires_us is None else f"until {_moment(token.expires_us)}"


def _moment(us: int) -> str:
    from headrace import clock

    return f"{clock.from_us(us):%Y-%m-%dT%H:%M:%SZ}"
