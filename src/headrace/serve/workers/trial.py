"""Trying a new declaration on what was just asked, before any of its processes answers."""

from __future__ import annotations

import heapq
import json
from collections import deque

from headrace.errors import Fault, HeadraceError
from headrace.serve.drain import journals, spool_of
from headrace.serve.fields import Row
from headrace.serve.journal import frames, segments
from headrace.serve.loaded import Loaded
from headrace.serve.office import Office
from headrace.serve.record import unpacked
from headrace.serve.swap import OF_STATE, RECENT


def tried(office: Office, loaded: Loaded) -> dict[str, int]:
    """Decide the rows that were just asked as the new declaration does; return how many of each service.

    Rows that its contract no longer takes are passed over: that is what was declared.

    Raises:
        HeadraceError: HR-SERVE-022 where rows that were answered cannot be any more.
    """
    rows, faults, counts = _recent(office, loaded), list[Fault](), dict[str, int]()
    for name, some in rows.items():
        desk = office.desks[name]
        found = desk.decide_all(some, office.state, office.now(), [0] * len(some), office.missing) if some else []
        failed = [one.faults[0].code for one in found if isinstance(one, HeadraceError)]
        failed = [code for code in failed if code not in OF_STATE]
        counts[name] = len(some)
        if failed:
            told = f"a declaration of {name} that fails on {len(failed)} of {len(some)} recent rows ({failed[0]})"
            cure = "mend what was declared, and let it be loaded again"
            faults.append(Fault("HR-SERVE-022", desk.service.place, told, "an answer to each", cure))
    if faults:
        raise HeadraceError(faults)
    return counts


def _recent(office: Office, loaded: Loaded) -> dict[str, list[Row]]:
    """The last rows of each service, out of the journals."""
    found = {name: deque[Row](maxlen=RECENT) for name in office.desks}
    folders = journals(spool_of(loaded.state_dir))
    # the newest file of each journal is enough
    newest = ((folder, int(paths[-1].stem) - 1) for folder in folders if (paths := segments(folder)))
    kept = (unpacked(frames(folder, after), after) for folder, after in newest)
    for one in heapq.merge(*kept, key=lambda one: one.decided_at):
        if one.service not in found:
            continue
        desk = office.desks[one.service]
        try:
            asked = json.loads(office.opened(one.record(""))["request"])
            given = {name: value for name, value in asked.items() if name in desk.reader.fields and value is not None}
            found[one.service].append(desk.reader.read(json.dumps(given).encode()))
        except HeadraceError:
            continue
    return {name: list(rows) for name, rows in found.items()}
