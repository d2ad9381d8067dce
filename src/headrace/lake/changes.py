"""What was added to a table and taken out of it between two versions: whole files, as the log names them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow.parquet as pq

from headrace.lake.bucket import Place, place, source


@dataclass(frozen=True)
class Changed:
    """Files whose rows came to a table, and files whose rows left it; rows that are in both have not changed.

    Args:
        added: paths of Parquet files.
        removed: paths of Parquet files.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def rows(self) -> int:
        """Return the number of rows that came, or that went where these are more."""
        return max(
            sum(int(pq.read_metadata(source(one)).num_rows) for one in some) for some in (self.added, self.removed)
        )


def _rows(files: tuple[str, ...]) -> int:
    return sum(int(pq.read_metadata(source(one)).num_rows) for one in files)


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
    added, removed = ([str(path / one) for one, n in count.items() if n * sign > 0] for sign in (1, -1))
    # A file in neither was added and taken out: what stayed of it is in another that was added.
    if not all(place(one).exists() for one in (*added, *removed)):
        return None
    return Changed(tuple(sorted(added)), tuple(sorted(removed)))
