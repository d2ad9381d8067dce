"""Tables with versions: plain Delta tables in one folder, appended to, read as of, and queried with SQL."""

from headrace.lake.lock import exclusive
from headrace.lake.merge import MergeReport
from headrace.lake.tables import Lake
from headrace.lake.within import Within

__all__ = ["Lake", "MergeReport", "Within", "exclusive"]
