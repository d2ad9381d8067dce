"""Sources: each yields Arrow batches; loading brings them through their contract into the lake, each row once."""

from headrace.connect.accounts import Account, account
from headrace.connect.files import find_files, read_batches
from headrace.connect.loading.ingest import IngestReport, drop, ingest
from headrace.connect.quality import age_us, freshness, looks_up, newest, quality_now
from headrace.connect.repair.replay import replays
from headrace.connect.repair.restore import Restored, restore, restores

__all__ = [
    "Account",
    "IngestReport",
    "Restored",
    "account",
    "age_us",
    "drop",
    "find_files",
    "freshness",
    "ingest",
    "looks_up",
    "newest",
    "quality_now",
    "read_batches",
    "replays",
    "restore",
    "restores",
]
