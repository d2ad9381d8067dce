"""What was added to a table and taken out of it between two versions: whole files, as the log names them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow.parquet as pq

from headrace.lake.bucket import Place, files, source


@dataclass(frozen=True)
class Changed:
    """Files whose rows came to a table, and files whose rows left it; rows that are in both have not changed.

    Args:
        added: names of Parquet files.
        removed: names of Parquet files.
        rows: of those that were added, or of those that were removed where these are more.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rows: int = 0


def changed(path: Place, since: int, until: int) -> Changed | None:
    """Return what changed in a table after one version and up to another; None where that can no longer be read.

    Compactions change nothing: the log says so of their files.
    """
    count: Counter[str] = Counter()
    for version in range(since + 1, until + 1):
        entry = path / "_delta_log" / f"{version:020}.json"
        if not entry.exists():
            return None
        for line in entry.read_text("utf-8").splitlines():
            action = json.loads(line) if line.strip() else {}
            for kind, number in (("add", 1), ("remove", -1)):
                told = action.get(kind)
                if told is not None and told.get("dataChange", True):
                    count[unquote(told["path"])] += number
    # A file in neither was added and taken out: what stayed of it is in another that was added.
    added, removed = (tuple(sorted(one for one, n in count.items() if n * sign > 0)) for sign in (1, -1))
    if not {*added, *removed} <= {one[0] for one in files(path)}:
        return None
    return Changed(added, removed, max(_rows(path, some) for some in (added, removed)))


def _rows(path: Place, names: tuple[str, ...]) -> int:
    return sum(int(pq.read_metadata(source(path / one)).num_rows) for one in names)
