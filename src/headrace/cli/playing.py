"""Playing: a process that posts generated payments to a service, as a gateway would, at a chosen speed.

``python -m headrace.cli.playing`` reads on stdin what it is to do, and goes on until it is ended.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from headrace import clock
from headrace.cli.sample import TERMINALS_A_CUSTOMER
from headrace.client import Client
from headrace.errors import HeadraceError
from headrace.lake import Lake

_TURN_S = 0.05
"""What falls due in this time is posted at once."""
_MOST = 5_000
_PATIENCE_S = 1.0
_AGAIN = ("HR-SERVE-005", "HR-CLIENT-001", "HR-CLIENT-002", "HR-WIRE-003")
"""A load that is going on, or a service that is not there: the same events are posted again, and taken once."""

Event = tuple[int, str, dict[str, Any]]


def orders(url: str, lake: str, seed: int, rate: float | None, speed: float | None) -> dict[str, Any]:
    """Return what the process is told.

    Args:
        url: of the service.
        lake: address of the tables, behind whose newest payment it begins.
        seed: of the sample data.
        rate: events a second; None to go by the events' own times.
        speed: how many times as fast these pass.
    """
    return {"url": url, "lake": lake, "seed": seed, "rate": rate, "speed": speed}


def due(events: Iterator[Event], rate: float | None, speed: float | None) -> Iterator[Sequence[Event]]:
    """Yield the events that fall due in each turn; at most so many at once, and what is late comes after."""
    begun, first, done = clock.monotonic_s(), None, 0
    waiting = next(events)
    while True:
        passed, some = clock.monotonic_s() - begun, list[Event]()
        first = waiting[0] if first is None else first
        while len(some) < _MOST:
            if rate is not None and done + len(some) >= rate * passed:
                break
            if rate is None and (waiting[0] - first) / 1e6 > passed * (speed or 1.0):
                break
            some.append(waiting)
            waiting = next(events)
        done += len(some)
        yield some


def play(order: Mapping[str, Any]) -> None:
    """Post events without end."""
    from headrace.simulate import going_on

    with Client(order["url"], timeout=30.0) as client:
        events = going_on(*_known(order["lake"]), order["seed"])
        for some in due(events, order["rate"], order["speed"]):
            for stream, group in itertools.groupby(some, key=lambda one: one[1]):
                rows = [row for _, _, row in group]
                _post(client, stream, rows)
            time.sleep(_TURN_S)


def _known(address: str) -> tuple[str, int, int]:
    """The day behind the newest payment, and how many customers and terminals there are."""
    last = Lake(address).sql("select max(at) as at, max(customer_id) + 1 as customers from payments").to_pylist()[0]
    customers = int(last["customers"])
    return (last["at"] + timedelta(days=1)).date().isoformat(), customers, TERMINALS_A_CUSTOMER * customers


def _post(client: Client, stream: str, rows: Sequence[Mapping[str, Any]]) -> None:
    while True:
        try:
            client.post_events(stream, rows)
            return
        except HeadraceError as error:
            if error.faults[0].code not in _AGAIN:
                raise
            time.sleep(_PATIENCE_S)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        play(json.loads(sys.stdin.readline()))
