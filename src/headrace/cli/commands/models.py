"""``headrace models``: the versions in the registry, what each came from and proved, and who serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, model_names, session_options

if TYPE_CHECKING:
    from headrace.learn import Version
    from headrace.run.cleaning import Cleaned

_EXAMPLE = "\b\nExample:  headrace models list"


@click.group("models", epilog=_EXAMPLE)
def command() -> None:
    """Versions of models: what they came from, what they proved, and who serves; each subcommand takes --json."""


@command.command("list", epilog=_EXAMPLE)
@click.argument("model", required=False, shell_complete=model_names)
@session_options
def list_versions(session: Session, model: str | None) -> None:
    """List the versions of all models, or of MODEL, and what waits for being registered."""
    from headrace.cli.versions import print_list
    from headrace.run import registry
    from headrace.run.versions import Shown, require_model

    loaded = session.load()
    kept = registry(loaded)
    versions = kept.versions() if model is None else require_model(loaded, kept, model)
    found = [Shown(one, {}, kept.size(one)) for one in versions]
    waiting = [one.record for one in kept.pending() if model in (None, one.record.model)]
    told = [{"model": one.model, "digest": one.digest} for one in waiting]
    document = {"ok": True, "versions": [one.as_dict() for one in found], "waiting": told}
    session.tell(document, lambda: print_list(found, waiting))


@command.command("show", epilog="\b\nExample:  headrace models show fraud_score 3")
@click.argument("model", shell_complete=model_names)
@click.argument("version", required=False)
@session_options
def show(session: Session, model: str, version: str | None) -> None:
    """Show all that is known of VERSION of MODEL, by default the champion, or the newest where there is none.

    VERSION is a number, an alias (champion, challenger) or latest. Exit code 1 when a file was altered or is gone.
    """
    from headrace.cli.versions import print_version
    from headrace.run import registry
    from headrace.run.versions import NEWEST, shown, version_named

    loaded = session.load()
    kept = registry(loaded)
    serves = "champion" if kept.champion(model) is not None else NEWEST
    one = shown(kept, version_named(loaded, kept, model, version or serves))
    whole = set(one.files.values()) <= {"intact"}
    document = {"ok": whole, **one.as_dict()} | ({} if whole else {"exit_code": 1})
    session.tell(document, lambda: print_version(one))
    if not whole:
        raise click.exceptions.Exit(1)


@command.command("compare", epilog="\b\nExample:  headrace models compare fraud_score 3 5")
@click.argument("model", shell_complete=model_names)
@click.argument("before", required=False)
@click.argument("after", required=False)
@session_options
def compare(session: Session, model: str, before: str | None, after: str | None) -> None:
    """Show what two versions of MODEL proved side by side, and in what they differ.

    BEFORE and AFTER are numbers, aliases (champion, challenger) or latest; by default the champion and the latest.
    """
    from headrace.cli.versions import print_compared
    from headrace.run.versions import compare as compare_versions

    found = compare_versions(session.load(), model, before, after)
    session.tell(found.as_dict(), lambda: print_compared(found))


@command.command("promote", epilog='\b\nExample:  headrace models promote fraud_score 3 --reason "4 blocks too much"')
@click.argument("model", shell_complete=model_names)
@click.argument("version")
@click.option("--reason", help="Why; kept with the version. Must be given for a version that failed a gate.")
@session_options
def promote(session: Session, model: str, version: str, reason: str | None) -> None:
    """Make VERSION of MODEL the champion, and keep on record who did it, when and why.

    VERSION is a number, or an alias such as challenger. Running services take it up, and what it would have decided
    while it was a shadow is told.
    """
    from headrace.cli.terminal import print_faults, say
    from headrace.run import promote as promote_version
    from headrace.run import registry
    from headrace.run.versions import version_named

    loaded = session.load()
    number = version_named(loaded, registry(loaded), model, version).number
    promoted = promote_version(loaded, model, number, reason)

    def human() -> None:
        say(repr(promoted), "bold")
        for one in promoted.saw:
            say(f"  {one}")

    session.tell(promoted.as_dict(), human)
    print_faults(promoted.warnings)


@command.command("shadow", epilog="\b\nExample:  headrace models shadow fraud_score challenger")
@click.argument("model", shell_complete=model_names)
@click.argument("version", required=False)
@click.option("--off", is_flag=True, help="Score no version beside the champion any more.")
@click.option("--reason", help="Why; kept with the version.")
@session_options
def shadow(session: Session, model: str, version: str | None, off: bool, reason: str | None) -> None:
    """Score VERSION of MODEL beside the champion, after each answer; 'headrace shadow' shows what it would decide.

    VERSION is a number, or an alias such as challenger. Running services take it up within seconds, and answer as fast
    as before.
    """
    from headrace.cli.terminal import say
    from headrace.run.shadowing import end_shadow, set_shadow

    if off is (version is not None):
        raise click.UsageError("name a VERSION, or say --off")
    loaded = session.load()
    found = end_shadow(loaded, model, reason) if version is None else set_shadow(loaded, model, version, reason)
    session.tell(found.as_dict(), lambda: say(repr(found), "bold"))


@command.command("restore", epilog="\b\nExample:  headrace models restore fraud_score 3 --to ../as-it-was")
@click.argument("model", shell_complete=model_names)
@click.argument("version")
@click.option("--reason", help="Why; kept with the version. Must be given for a version that failed a gate.")
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Only write it to a new folder."
)
@session_options
def restore(session: Session, model: str, version: str, reason: str | None, to: Path | None) -> None:
    """Bring back VERSION of MODEL, which served before: it is checked as a whole, and the champion again.

    With --to the registry stays as it is, and the folder gets the model file, the record, the code as it was, the list
    of packages and the training set; train_again.py there trains it once more and says whether the same file comes out.
    """
    from headrace.cli.terminal import print_faults, say
    from headrace.run.restored import restore_model, write_out

    loaded = session.load()
    if to is not None:
        written = write_out(loaded, model, version, to)
        told = f"{model} version {written.version.number} is in {to}: {', '.join(written.names)}"
        session.tell(written.as_dict(), lambda: say(told))
        print_faults(written.lost)
        return
    found = restore_model(loaded, model, version, reason)
    session.tell(found.as_dict(), lambda: say(repr(found.promoted), "bold"))
    print_faults([*found.promoted.warnings, *found.lost])


@command.command("register", epilog="\b\nExample:  headrace models register")
@session_options
def register(session: Session) -> None:
    """Register what was fitted while MLflow could not be told of it; 'headrace train' does it, too."""
    from headrace.cli.terminal import say
    from headrace.run import registry

    versions = registry(session.load()).resume()
    told = [{"model": one.name, "version": one.number, "standing": one.standing} for one in versions]

    def human() -> None:
        for one in versions:
            say(f"{one.name} version {one.number}: {one.standing or 'not settled: headrace train'}")
        if not versions:
            say("Nothing waits.")

    session.tell({"ok": True, "registered": told}, human)


@command.command("clean", epilog="\b\nExample:  headrace models clean --older-than 90d --dry-run")
@click.option("--older-than", "older", default="90d", show_default=True, help="Only versions registered so long ago.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed, and what stays and why.")
@session_options
def clean(session: Session, older: str, dry_run: bool) -> None:
    """Remove old versions that nothing needs any more, with their files.

    What stays: versions with an alias, those that a decision on record names, the champion before the present one, and
    what was trained from what is declared now.
    """
    from headrace.run.cleaning import clean_models
    from headrace.types import duration_us

    try:
        older_us = duration_us(older)
    except ValueError as error:
        raise click.BadParameter(f"{error}: write a duration such as 90d", param_hint="--older-than") from None
    found = clean_models(session.load(), older_us, dry_run=dry_run)
    session.tell(found.as_dict(), lambda: _print_cleaned(found))


@command.command("remove", epilog="\b\nExample:  headrace models remove fraud_score 2")
@click.argument("model", shell_complete=model_names)
@click.argument("version")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@session_options
def remove(session: Session, model: str, version: str, yes: bool) -> None:
    """Remove VERSION of MODEL for good; one that serves, or that a decision on record names, is refused."""
    from headrace.run.cleaning import remove_version

    loaded = session.load()
    if not yes:
        session.ask(f"Remove version {version} of {model}?", "say --yes")
    found = remove_version(loaded, model, version)
    session.tell(found.as_dict(), lambda: _print_cleaned(found))


def _print_cleaned(found: Cleaned) -> None:
    from headrace.cli.terminal import print_table, say
    from headrace.cli.versions import size_of

    does = "would be removed" if found.dry_run else "removed"

    def row(one: Version, what: str) -> list[str]:
        return [one.name, str(one.number), what]

    rows = [row(one, does) for one in found.removed] + [row(one, f"stays: {why}") for one, why in found.kept]
    if rows:
        print_table("", ("model", "version", ""), rows, right=("version",))
    say(f"{len(found.removed)} versions and {found.files} files of {size_of(found.bytes)} {does}")
