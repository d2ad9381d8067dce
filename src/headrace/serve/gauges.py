"""Gauges: what of an office is read when somebody looks at its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.serve.journal import segments

if TYPE_CHECKING:
    from headrace.serve.office import Office


def gauges(office: Office) -> None:
    """Say of each figure of a running service how it is read."""
    meters, journal, live, shadows = office.meters, office.journal, office.live, office.shadows

    def model_info() -> dict[tuple[str, ...], float]:
        desks = office.desks.items()
        return {(name, one.version.name, str(one.version.number), one.version.digest): 1 for name, one in desks}

    def spool_bytes() -> float:
        files = [*segments(journal.folder), journal.folder.parent / "data.mdb"]
        return sum(path.stat().st_blocks * 512 for path in files if path.exists())

    def state_age() -> dict[str, float]:
        now = office.now()
        return {name: max(0, now - at) / 1e6 for name, at in office.state.newest().items()}

    meters.gauge("headrace_model_info", model_info)
    meters.gauge("headrace_spool_records", lambda: office.waiting)
    meters.gauge("headrace_spool_bytes", spool_bytes)
    meters.gauge("headrace_state_age_seconds", state_age)
    meters.gauge("headrace_state_bytes", lambda: office.state.size()["bytes"])
    meters.gauge("headrace_state_rebuilding", lambda: float(office.rebuilding.under_way))
    meters.gauge("headrace_parity_compared_total", lambda: live.figures().compared)
    meters.gauge("headrace_parity_differing_total", lambda: live.figures().differing)
    meters.gauge("headrace_shadow_records_total", shadows.records)
    meters.gauge("headrace_shadow_failing", shadows.failing)
