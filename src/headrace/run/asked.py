"""What a run is asked for, beside the project itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.run.backfill import Period
from headrace.run.retry import Retry


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Args:
        names: of what is to be brought up to date, see ``selecting.chosen``; everything by default.
        full: whether what is named is made anew, though nothing changed.
        period: only this span of event time of the tables by query is made anew.
        retry: how often a step is tried again after a fault that may pass.
    """

    names: tuple[str, ...] = ()
    full: bool = False
    retry: Retry = field(default_factory=Retry)
    period: Period | None = None


EVERYTHING = Asked()
