"""Sources: each yields Arrow batches; loading brings them through their contract into the lake, each row once."""

from headrace.connect.files import find_files, read_batches
from headrace.connect.ingest import IngestReport, ingest

__all__ = ["IngestReport", "find_files", "ingest", "read_batches"]
