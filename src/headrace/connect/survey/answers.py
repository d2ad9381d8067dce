"""A look at what comes as documents: collections of MongoDB, and answers of APIs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from headrace.connect.origins.api import ApiReader
from headrace.connect.origins.collection import CollectionReader
from headrace.connect.origins.reader import Place
from headrace.connect.survey.found import SAMPLE_ROWS, Found, Sample, nothing
from headrace.connect.survey.guess import guessed
from headrace.connect.survey.objects import table_of
from headrace.contracts.names import table_name
from headrace.declare import Api, Collection, Contract
from headrace.errors import Fault, HeadraceError, nearest


def in_collections(address: str, folder: Path, names: Sequence[str]) -> Iterator[Found]:
    """Yield what the collections of a database are taken to be: all, or those that are named."""
    shown = Collection(address).address
    with closing(CollectionReader(Collection(address), Place("", Contract, folder))) as reader:
        there = reader.names()
    if missing := [one for one in names if one not in there]:
        raise HeadraceError(
            Fault("HR-SOURCE-036", shown, f"no collection {one}", "names that there are", nearest(one, there))
            for one in missing
        )
    if not there:
        raise HeadraceError(nothing(shown, "a database without a collection"))
    for collection in names or there:
        name = table_name(collection) or "documents"
        with closing(CollectionReader(Collection(address, collection), Place(name, Contract, folder))) as reader:
            texts = list(reader.texts(SAMPLE_ROWS + 1))
        yield guessed(_sample(name, texts), address, "" if name == collection else collection, frozenset())


def in_api(address: str, folder: Path, names: Sequence[str]) -> Iterator[Found]:
    """Yield what the rows of an API are taken to be; where they are in an answer is found in the answer."""
    path = [part for part in urlsplit(address).path.split("/") if part]
    name = (names[0] if names else table_name(path[-1].partition(".")[0]) if path else "") or "rows"
    rows, texts = _answer(address, name, folder)
    if not texts:
        raise HeadraceError(nothing(Api(address).address, "an answer without a row"))
    yield guessed(_sample(name, texts), address, rows, frozenset())


def _answer(address: str, name: str, folder: Path) -> tuple[str, list[str]]:
    reader = ApiReader(Api(address), Place(name, Contract, folder))
    with closing(reader):
        try:
            return "", list(reader.texts(SAMPLE_ROWS + 1))
        except HeadraceError:
            if not reader.lists:
                raise
    rows = reader.lists[0]
    with closing(ApiReader(Api(address, rows=rows), Place(name, Contract, folder))) as again:
        return rows, list(again.texts(SAMPLE_ROWS + 1))


def _sample(name: str, texts: list[str]) -> Sample:
    rows, loose, mixed, written = table_of(texts[:SAMPLE_ROWS], nested=True)
    return Sample(name, rows, {}, len(texts) <= SAMPLE_ROWS, loose, mixed=mixed, written=written)
