"""Situations: what may be the matter when a service is asked, and what it is to do then."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headrace.errors import Fault, nearest

SITUATIONS: Mapping[str, str] = {
    "rebuilding": "the state of keys is being made anew",
    "future": "the row's time is more than an hour ahead of the service's clock",
    "missing_table": "a stream or table that features read was never loaded",
    "stale": "a stream has had no news for longer than stale_after=",
    "cold_key": "neither the stream of the rows nor a state table knows one of the row's entities",
}
"""In the order in which they are looked at: the first that has something to say decides."""
ANSWER, REFUSE = "answer", "refuse"


def situation_faults(when: Mapping[str, str], decisions: Collection[str], place: str, service: str) -> list[Fault]:
    """Return what is wrong with ``when=`` of a service.

    Args:
        when: situation to what is done in it.
        decisions: of the service.
        place, service: of it.
    """
    faults = []
    for situation, done in when.items():
        if situation not in SITUATIONS:
            found, cure = f"when={{{situation!r}: …}} of service {service}", nearest(str(situation), SITUATIONS)
            faults.append(Fault("HR-SERVICE-004", place, found, ", ".join(SITUATIONS), cure))
            continue
        known = [REFUSE, *decisions] if situation == "rebuilding" else [ANSWER, REFUSE, *decisions]
        if done not in known:
            found, cure = f"when={{{situation!r}: {done!r}}} of service {service}", nearest(str(done), known)
            faults.append(Fault("HR-SERVICE-004", place, found, ", ".join(known), cure))
    return faults


def done_in(when: Mapping[str, str], situation: str) -> str:
    """Return what is done in a situation."""
    return when.get(situation, REFUSE if situation == "rebuilding" else ANSWER)
