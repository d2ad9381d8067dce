"""State of keys in LMDB: the events of one entity, ready for the next request, kept up to date from the lake."""

from headrace.online.build import build
from headrace.online.reading import Asked, Reading, Slice
from headrace.online.slots import Slot, slots_of
from headrace.online.state import State

__all__ = ["Asked", "Reading", "Slice", "Slot", "State", "build", "slots_of"]
