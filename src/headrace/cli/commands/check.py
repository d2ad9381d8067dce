"""``headrace check``: all faults of the declarations at once."""

from __future__ import annotations

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault, HeadraceError


@click.command("check", epilog="\b\nExample:  headrace check --project bank")
@session_options
def command(session: Session) -> None:
    """Check the declarations, without touching data; all faults at once, exit code 2 when there are errors."""
    from headrace.cli.terminal import print_faults, say
    from headrace.plan import resolutions
    from headrace.run import check

    loaded = session.load()
    faults = check(loaded.project)
    errors = [fault for fault in faults if fault.severity != "warning"]
    if errors:
        raise HeadraceError(faults)
    nodes, steps = loaded.project.nodes(), resolutions(loaded.project)

    def human() -> None:
        print_faults(faults)
        for exponent in sorted(set(steps.values())):
            names = ", ".join(name for name, step in steps.items() if step == exponent)
            say(f"totals of floats in steps of 2^{exponent} ({2.0**exponent:.1e}), from their bounds: {names}", "dim")
        say(f"{loaded.project.name}: {_counted(list(nodes))}; no faults{_warnings(faults)}")

    told = {"nodes": list(nodes), "faults": [fault.as_dict() for fault in faults]}
    session.tell({"ok": True, **told, "resolutions": {name: 2.0**step for name, step in steps.items()}}, human)


def _warnings(faults: tuple[Fault, ...]) -> str:
    return f", {len(faults)} to know" if faults else ""


def _counted(names: list[str]) -> str:
    kinds = dict.fromkeys(name.split(":")[0] for name in names)
    numbers = {kind: sum(name.startswith(f"{kind}:") for name in names) for kind in kinds}
    words = {"features": "feature group", "training_set": "training set"}
    return ", ".join(f"{n} {words.get(kind, kind)}{'s' if n > 1 else ''}" for kind, n in numbers.items())
