"""Databases, collections, APIs and functions: each a reader in a file of its own, and a line here."""

from __future__ import annotations

from headrace.connect.origins.reader import Away, Batch, Place, Reader, away
from headrace.declare.origins import Origin

__all__ = ["Away", "Batch", "Place", "Reader", "away", "reader_of"]


def reader_of(origin: Origin, place: Place) -> Reader:
    """Return an open reader of an origin."""
    raise NotImplementedError
