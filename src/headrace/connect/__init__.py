"""Sources: each yields Arrow batches; loading brings them through their contract into the lake, each row once."""

from headrace.connect.files import find_files, read_batches
from headrace.connect.ingest import IngestReport, ingest
from headrace.connect.loads import Account, account

__all__ = ["Account", "IngestReport", "account", "find_files", "ingest", "read_batches"]
