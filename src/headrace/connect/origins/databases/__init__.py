"""SQL databases, one file each: how a table or a query is read in batches, typed so that no digit is lost."""

from __future__ import annotations

from headrace.connect.origins.databases.database import DatabaseReader, open_database

__all__ = ["DatabaseReader", "open_database"]
