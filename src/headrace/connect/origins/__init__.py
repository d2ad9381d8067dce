"""Databases, collections, APIs and functions: each a reader in a file of its own, and a line here."""

from __future__ import annotations

from headrace.connect.origins.reader import Away, Batch, Place, Reader

__all__ = ["Away", "Batch", "Place", "Reader"]
