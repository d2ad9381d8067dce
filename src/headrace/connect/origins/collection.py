"""Collections of MongoDB: documents as the server has them, flattened by rule, each value judged by the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from headrace.connect.formats.documents import rows_of
from headrace.connect.formats.library import needed
from headrace.connect.origins.cursors import Cursors, field_of
from headrace.connect.origins.gather import gathered
from headrace.connect.origins.ordering import Order, kinds_of
from headrace.connect.origins.reader import Batch, Place, away
from headrace.connect.origins.shape import Shape, at, json_text
from headrace.connect.secrets import resolved
from headrace.contracts import MALFORMED
from headrace.declare.origins import Collection
from headrace.errors import Fault, HeadraceError, nearest

_PATIENCE_MS = 10_000
_AT_ONCE = 1000
"""Documents of an answer of the server."""
_GONE = (43, 237)
"""Codes of a server that has lost the place in a reading: CursorNotFound, CursorKilled."""
_NOT_LET_IN = (13, 18)
_TOO_MUCH_TO_SORT = (292, 17007)
_ENOUGH = 100_000
"""Documents of a kind that are counted at most."""


class CollectionReader:
    """Reads a collection; one with a cursor in its order, those of equal cursor by their ``_id``."""

    def __init__(self, origin: Collection, place: Place) -> None:
        self.ordered = origin.cursor is not None
        self._origin, self._place = origin, place
        self._name = origin.name or place.name
        self._at = f"{origin.address}/{self._name}"
        self._mongo = needed("pymongo", self._at, "mongo")
        self._bson = needed("bson", self._at, "mongo")
        self._json = needed("bson.json_util", self._at, "mongo")
        self._path = (origin.cursor or "").split(".")
        self._client = self._opened()

    def columns(self) -> None:
        """Return None: each document has fields of its own."""

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        """Yield the documents as rows of JSON, from the value ``since`` of the cursor on."""
        with self._told():
            self._look_there()
        shape = Shape(self._place.contract, other=self._extended)
        if not self.ordered:
            yield from gathered(self._rows(shape, {}), None, batch_rows)
            return
        order = self._order(since)
        cursors = Cursors(None, since, order.kind)
        yield from gathered(self._rows(shape, order.since(since), order), cursors, batch_rows)

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        """Yield the keys of all documents; of those that are no key the contract lets no row in."""
        names = list(self._place.contract.key_fields())
        shape = Shape(self._place.contract, names, self._extended)
        for batch in gathered(self._rows(shape, {}), None, batch_rows):
            table = rows_of(batch.rows.to_pylist(), self._place.contract, names)
            if MALFORMED in table.column_names:
                table = table.filter(table[MALFORMED].is_null()).drop_columns([MALFORMED])
            yield table

    def close(self) -> None:
        self._client.close()

    def names(self) -> list[str]:
        """Return the collections that there are."""
        with self._told():
            database = self._client.get_default_database()
            found = database.list_collection_names(authorizedCollections=True, nameOnly=True)
        return sorted(one for one in found if not one.startswith("system."))

    def texts(self, most: int) -> Iterator[str]:
        """Yield documents as they are, as JSON: to be looked at before there is a contract."""
        with self._told():
            self._look_there()
            for document in self._collection().find(dict(self._origin.where)).limit(most):
                yield json_text(document, self._extended)

    def _opened(self) -> Any:
        url = resolved(self._origin.url, self._place.folder, self._origin.place, within_url=True)
        patience = {} if "timeoutms" in url.lower() else {"serverSelectionTimeoutMS": _PATIENCE_MS}
        try:
            with self._told():
                client = self._mongo.MongoClient(url, appname="headrace", **patience)
                client.get_default_database()
        except ValueError as error:  # of a port that is none
            raise HeadraceError(self._no_address(type(error).__name__)) from error
        return client

    def _collection(self) -> Any:
        options = self._bson.codec_options
        codec = options.CodecOptions(
            tz_aware=True,
            # A year beyond 9999, or letters that are no Unicode, are the fault of one document and not of all.
            datetime_conversion=options.DatetimeConversion.DATETIME_AUTO,
            unicode_decode_error_handler="surrogateescape",
        )
        return self._client.get_default_database().get_collection(self._name, codec_options=codec)

    def _look_there(self) -> None:
        """Tell a name that there is not: MongoDB itself reads an unknown collection as an empty one."""
        database = self._client.get_default_database()
        names = database.list_collection_names(authorizedCollections=True, nameOnly=True)
        if self._name in names or self._origin.may_be_empty:
            return
        found = f"no collection {self._name} in the database {database.name}"
        cure = nearest(self._name, names) if names else "look at the name of the database: it has no collection"
        raise HeadraceError(Fault("HR-SOURCE-040", self._origin.place, found, "the name of one that is there", cure))

    def _order(self, since: Any) -> Order:
        """Return by which kind of values the collection is ordered, of those that the field of the cursor takes."""
        name = self._origin.cursor or ""
        kinds = kinds_of(field_of(name, self._place.contract.fields().values()), since, self._bson.ObjectId.is_valid)
        if len(kinds) > 1:
            with self._told():
                kinds = [max(kinds, key=self._count_of)]
        return Order(name, kinds[0], self._bson)

    def _count_of(self, kind: str) -> int:
        where = {"$and": [self._where(), {self._origin.cursor: {"$type": kind}}]}
        return int(self._collection().count_documents(where, limit=_ENOUGH))

    def _rows(self, shape: Shape, since: Mapping[str, Any], order: Order | None = None) -> Iterator[tuple[str, Any]]:
        wanted = {name: 1 for name in [*shape.tops, *self._path[:1]] if name}
        own = self._where()
        where = {"$and": [own, dict(since)]} if since else own
        with self._told():
            found = self._collection().find(where, projection={"_id": 1, **wanted}, batch_size=_AT_ONCE)
            if self._origin.cursor is not None:
                found = found.sort([(self._origin.cursor, 1), ("_id", 1)]).allow_disk_use(True)
            for document in found:
                yield shape.text(document), None if order is None else order.value(at(document, self._path))

    def _where(self) -> Any:
        """Return the filter as the driver takes it: times and ids are said by extended JSON."""
        try:
            return self._json.loads(json.dumps(dict(self._origin.where)))
        except (self._bson.errors.BSONError, TypeError, ValueError) as error:
            expected, cure = "extended JSON", "write times as {'$date': '2026-01-31T12:00:00Z'}, ids as {'$oid': '…'}"
            raise HeadraceError(
                Fault("HR-SOURCE-044", self._origin.place, "where= of hr.Collection", expected, cure)
            ) from error

    def _extended(self, value: Any) -> Any:
        """Return a value of a kind of MongoDB's own: its text where it has one, else as its extended JSON says it."""
        match type(value).__name__:
            case "ObjectId":
                return str(value)
            case "Decimal128":
                number = value.to_decimal()
                return number if number.is_finite() else str(number)
        return self._json.default(value, self._json.CANONICAL_JSON_OPTIONS)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the driver says into faults: its own texts quote documents, filters and addresses."""
        errors = self._mongo.errors
        try:
            yield
        except (errors.ConfigurationError, errors.InvalidURI) as error:
            raise HeadraceError(self._no_address(type(error).__name__)) from error
        except errors.OperationFailure as error:
            if error.code in _GONE:
                raise away(self._at, "a server that lost the place in the reading", "run again") from error
            raise HeadraceError(self._refused(error.code)) from error
        except self._bson.errors.BSONError as error:
            found, cure = "a document that the driver cannot decode", "repair the collection: validate it on the server"
            raise HeadraceError(Fault("HR-SOURCE-043", self._at, found, "BSON", cure)) from error
        except errors.PyMongoError as error:
            cure = "start it, or look at the address, the network and its limit of connections"
            raise away(self._at, f"no answer of MongoDB ({type(error).__name__})", cure) from error

    def _no_address(self, kind: str) -> Fault:
        cure = "write mongodb://user:${NAME}@host/database; for mongodb+srv:// pip install 'pymongo[srv]'"
        return Fault("HR-SOURCE-041", self._origin.place, f"an address that pymongo refuses ({kind})", "one", cure)

    def _refused(self, code: int | None) -> Fault:
        if code in _NOT_LET_IN:
            cure = "give the address a user and a password that may read it: mongodb://user:${NAME}@host/database"
            return Fault("HR-SOURCE-042", self._at, "a server that does not let us read", "one that does", cure)
        if code in _TOO_MUCH_TO_SORT:
            cure = f"make an index on {self._origin.cursor} and _id, in this order"
            return Fault("HR-SOURCE-044", self._at, f"too much to sort by {self._origin.cursor}", "an index", cure)
        cure = "look at where= of hr.Collection, and at the log of the server"
        return Fault(
            "HR-SOURCE-044", self._at, f"a reading that the server refuses (code {code})", "one it takes", cure
        )
