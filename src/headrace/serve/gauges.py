"""Gauges: what of an office is read when somebody looks at its figures."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import TYPE_CHECKING

from headrace.serve.drain import journals
from headrace.serve.journal import segments
from headrace.serve.streaming.decided import NAME, refused_of, topic_of
from headrace.serve.streaming.latency import latencies

if TYPE_CHECKING:
    from headrace.serve.office import Office


def gauges(office: Office) -> None:
    """Say of each figure of a running service how it is read."""
    meters, journal, shadows = office.meters, office.journal, office.shadows

    def model_info() -> dict[tuple[str, ...], float]:
        desks = office.desks.items()
        return {(name, one.version.name, str(one.version.number), one.version.digest): 1 for name, one in desks}

    def spool_bytes() -> float:
        spool = journal.folder.parent
        files = [*(path for folder in journals(spool) for path in segments(folder)), spool / "data.mdb"]
        return sum(path.stat().st_blocks * 512 for path in files if path.exists())

    def state_age() -> dict[str, float]:
        now = office.now()
        return {name: max(0, now - at) / 1e6 for name, at in office.state.newest().items()}

    def reached(topic: Callable[[str], str]) -> Callable[[], dict[str, float]]:
        log = office.spool.log
        return lambda: {name: n for name in office.desks if (n := log.last(topic(name)))}

    def lag() -> dict[str, float]:
        log = office.spool.log
        reached = {name: log.positions(name).get(NAME) for name in log.topics()}
        return {name: max(0, log.last(name) - at) for name, at in reached.items() if at is not None}

    meters.gauge("headrace_stream_lag", lag)
    meters.gauge("headrace_stream_decided_total", reached(topic_of))
    meters.gauge("headrace_stream_refused_total", reached(refused_of))
    meters.gauge("headrace_stream_latency_seconds", lambda: latencies(office.spool.log.folder))
    meters.gauge("headrace_model_info", model_info)
    meters.gauge("headrace_spool_records", lambda: office.waiting)
    meters.gauge("headrace_spool_bytes", spool_bytes)
    meters.gauge("headrace_state_age_seconds", state_age)
    meters.gauge("headrace_state_bytes", lambda: office.state.size()["bytes"])
    meters.gauge("headrace_state_rebuilding", lambda: float(office.rebuilding.under_way))
    meters.gauge("headrace_parity_compared_total", lambda: office.live.figures().compared if office.live else nan)
    meters.gauge("headrace_parity_differing_total", lambda: office.live.figures().differing if office.live else nan)
    meters.gauge("headrace_shadow_records_total", shadows.records)
    meters.gauge("headrace_shadow_failing", shadows.failing)
