"""Sample data for the templates: generated, seeded, no real person's."""

from __future__ import annotations

from pathlib import Path

TERMINALS_A_CUSTOMER = 2


def write_sample(folder: Path, *, customers: int, days: int, seed: int) -> list[str]:
    """Write card payments, chargebacks and customers as files, and return their paths from the project's folder.

    Args:
        folder: to write into; made where it is absent.
        customers: how many; each makes about two payments a day.
        days: how long.
        seed: the same seed gives the same bytes.
    """
    from headrace import simulate

    world = simulate.payments(days, customers, TERMINALS_A_CUSTOMER * customers, seed)
    planted = simulate.write(world, folder, format="mixed")
    return [f"{folder.name}/{path.name}" for path in planted.files]
