"""What columns and features are like: distribution, time, the label, segments, other columns, suspects of leaks."""

from headrace.explore.explored import explore, explored
from headrace.explore.found import Facet
from headrace.explore.shown import Explored

__all__ = ["Explored", "Facet", "explore", "explored"]
