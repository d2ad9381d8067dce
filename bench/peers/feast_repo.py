"""Run by Feast's Python: features of ``features.parquet`` by customer and terminal, in its online store of SQLite."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64


def main(folder: Path) -> None:
    """Write the store's settings, declare two views, and put the newest values online."""
    (folder / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: registry.db\noffline_store:\n  type: file\n"
        "online_store:\n  type: sqlite\n  path: online.db\nentity_key_serialization_version: 3\n"
    )
    store, held = FeatureStore(repo_path=str(folder)), pd.read_parquet(folder / "features.parquet")
    for key in ("customer_id", "terminal_id"):
        names = [name for name in held.columns if name.startswith(f"{key}__")]
        own = held[[key, *names]].drop_duplicates(key, keep="last").assign(at=pd.Timestamp.now(tz="UTC"))
        own.to_parquet(folder / f"{key}.parquet")
        entity = Entity(name=key, join_keys=[key], value_type=ValueType.INT64)
        source = FileSource(name=f"of_{key}", path=str(folder / f"{key}.parquet"), timestamp_field="at")
        fields = [Field(name=name, dtype=Float64) for name in names]
        view = FeatureView(name=f"by_{key}", entities=[entity], ttl=timedelta(0), schema=fields, source=source)
        store.apply([entity, view])
        store.write_to_online_store(view.name, own)


if __name__ == "__main__":
    main(Path.cwd())
