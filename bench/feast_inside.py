"""Run by Feast's own Python, without Headrace: join rows and states as of each row, when told to.

``python -I feast_inside.py FOLDER`` has ``rows.parquet`` of the folder in memory. It reads words from its input and
answers each with a line: ``join`` joins them with ``states.parquet``, ``write`` writes what was found as
``answer.parquet``, ``notes`` tells of the run.
"""

import json
import resource
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

MEMORY = 14_000_000_000
"""Bytes of address space. The store joins on keys alone before it looks at times, which may be very many rows."""


def store_of(folder: Path) -> Any:
    """Return a feature store with one view over the states, its stores and provider the defaults of Feast."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    registry = str(folder / "registry.db")
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=registry,
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    source = FileSource(name="states", path=str(folder / "states.parquet"), timestamp_field="since")
    forever = timedelta(0)
    fields = [Field(name="level", dtype=Float64)]
    store.apply([key, FeatureView(name="levels", entities=[key], ttl=forever, schema=fields, source=source)])
    return store


def main(folder: Path) -> None:
    """Join a few rows to be warm, then do what is asked."""
    import pandas as pd

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    store = store_of(folder)
    rows = pd.read_parquet(folder / "rows.parquet").rename(columns={"at": "event_timestamp"})

    def join(asked: Any) -> Any:
        return store.get_historical_features(entity_df=asked, features=["levels:level"]).to_df()

    found = join(rows.head(1000))
    for word in map(str.strip, sys.stdin):
        said = {}
        if word == "join":
            found = None
            found = join(rows)
        elif word == "write":
            found[["row", "level"]].to_parquet(folder / "answer.parquet")
        else:
            used = ", ".join(f"{name} {version(name)}" for name in ("dask", "pandas", "pyarrow"))
            # not ru_maxrss, which a process inherits from the one that starts it
            status = Path("/proc/self/status").read_text()
            peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e6
            said["Feast"] = f"in a process of its own, {used}, peak memory {peak:.1f} GB"
            said["rows that Feast leaves out"] = f"{len(rows) - len(found):,}, compared as nulls"
        print(f"feast_inside: {json.dumps(said)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
