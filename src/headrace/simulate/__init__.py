"""Seeded worlds for demos, templates and tests: no real data, the same bytes for the same seed."""

from headrace.simulate.faults import FAULTS
from headrace.simulate.files import Planted, write
from headrace.simulate.going_on import going_on
from headrace.simulate.world import World, payments

__all__ = ["FAULTS", "Planted", "World", "going_on", "payments", "write"]
