"""Databases, collections, APIs and functions: each a reader in a file of its own, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.connect.origins.api import ApiReader
from headrace.connect.origins.collection import CollectionReader
from headrace.connect.origins.databases import open_database
from headrace.connect.origins.reader import Away, Batch, Place, Reader, away
from headrace.connect.origins.rows import RowsReader
from headrace.declare.origins import Api, Collection, Database, Origin, Rows

__all__ = ["Away", "Batch", "Place", "Reader", "away", "reader_of"]

_READERS: dict[type[Origin], Callable[[Any, Place], Reader]] = {
    Api: ApiReader,
    Collection: CollectionReader,
    Database: open_database,
    Rows: RowsReader,
}
"""Of each kind of origin, what opens it."""


def reader_of(origin: Origin, place: Place) -> Reader:
    """Return the open reader of an origin; to be closed.

    Args:
        origin: as declared.
        place: for whom it is read.

    Raises:
        HeadraceError: what keeps it from being opened; ``Away`` where another try may help.
    """
    return _READERS[type(origin)](origin, place)
