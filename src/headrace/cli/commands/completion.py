"""``headrace completion``: lets the shell complete commands, options and names of models."""

from __future__ import annotations

import click


@click.command("completion", epilog='\b\nExample:  eval "$(headrace completion bash)"    # in ~/.bashrc')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and names of models."""
    from click.shell_completion import get_completion_class

    root = ctx.find_root().command
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(root, {}, "headrace", "_HEADRACE_COMPLETE").source())
