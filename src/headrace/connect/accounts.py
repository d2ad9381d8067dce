"""What a stream or table has received until now, told from the lake itself."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.connect.loads import Ledger
from headrace.connect.quality import refused_loads
from headrace.lake import Lake


@dataclass(frozen=True)
class Account:
    """All that a stream or table has received until now, from files and live; ``received`` is what became of it.

    Args:
        accepted: rows in its table; where rows take the place of others, all that ever came in.
        quarantined: rows in ``quarantine_<name>``.
        files: loaded to their end.
        unfinished: files whose load was cut off; their rows so far are among the others.
        refused: files of which no row was taken, since they break a rule that stops their load.
    """

    accepted: int
    quarantined: int
    files: int
    unfinished: int
    refused: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.quarantined


def account(lake: Lake, stream: str, *, merged: bool = False) -> Account:
    """Return what a stream or table has received, from the lake itself: no run has to have ended well.

    Args:
        lake: with its tables.
        stream: its name.
        merged: whether rows take the place of others, so that only the ledger knows how many came.
    """
    accepted, quarantined = (lake.rows(name) if lake.exists(name) else 0 for name in (stream, f"quarantine_{stream}"))
    ledger = Ledger(lake, stream)
    files = sum(past.finished for past in ledger.by_name.values())
    if merged:
        accepted = sum(past.accepted for past in ledger.by_id.values() if past.finished)
    refused = _refused(lake, stream, ledger, merged)
    return Account(accepted, quarantined, files, len(ledger.unfinished) - refused, refused)


def _refused(lake: Lake, stream: str, ledger: Ledger, merged: bool) -> int:
    """Count loads that are not finished since they were refused; of a table, one refuses what came with it, too."""
    ids = refused_loads(lake, stream) if ledger.unfinished else set()
    if not ids:
        return 0
    reached = lake.committed_each(stream, [f"load:{past.id}" for past in ledger.unfinished])
    nothing = [past for past in ledger.unfinished if reached[f"load:{past.id}"] <= 0]
    found = [past for past in nothing if past.id in ids]
    return len(nothing) if found and merged else len(found)
