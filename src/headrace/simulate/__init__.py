"""Seeded worlds for demos, templates and tests: no real data, the same bytes for the same seed."""

from headrace.simulate.files import Planted, write
from headrace.simulate.payments import World, payments

__all__ = ["Planted", "World", "payments", "write"]
