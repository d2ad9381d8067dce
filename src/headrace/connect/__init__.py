"""Sources: each yields Arrow batches; loading brings them through their contract into the lake, each row once."""

from headrace.connect.files import find_files, read_batches
from headrace.connect.ingest import IngestReport, ingest
from headrace.connect.loads import Account, account
from headrace.connect.restore import Restored, restore, restores

__all__ = [
    "Account",
    "IngestReport",
    "Restored",
    "account",
    "find_files",
    "ingest",
    "read_batches",
    "restore",
    "restores",
]
