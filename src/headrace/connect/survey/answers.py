"""A look at what comes as documents: collections of MongoDB, and answers of APIs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from headrace.connect.origins.api import ApiReader
from headrace.connect.origins.collection import CollectionReader
from headrace.connect.origins.named import next_named
from headrace.connect.origins.reader import Place
from headrace.connect.survey.found import SAMPLE_ROWS, Found, Sample, nothing, sample_of
from headrace.connect.survey.guess import guessed
from headrace.connect.survey.objects import objects_of
from headrace.connect.survey.paged import LOOKED_AT, first_of, pages_of, total_of
from headrace.contracts.names import table_name
from headrace.declare import Api, Collection, Contract
from headrace.errors import Fault, HeadraceError, nearest

_PAGES, _FEW = 5, 500
"""Pages that are looked at where it is seen how they are found; rows of them, where the first page was not read."""


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
        yield guessed(_askable(_sample(name, texts)), address, "" if name == collection else collection, frozenset())


def _askable(sample: Sample) -> Sample:
    """A sample without the fields that MongoDB cannot be asked for: it takes their names for paths or operators."""
    odd = [name for name in sample.rows.column_names if "." in name or name.startswith("$")]
    notes = [f"Left out, {name}: MongoDB takes that name for a path or an operator." for name in odd]
    return replace(sample, rows=sample.rows.drop_columns(odd), notes=(*sample.notes, *notes)) if odd else sample


def in_api(address: str, folder: Path, names: Sequence[str]) -> Iterator[Found]:
    """Yield what the rows of an API are taken to be; where they are in an answer is found in the answer."""
    path = [part for part in urlsplit(address).path.split("/") if part]
    name = (names[0] if names else table_name(path[-1].partition(".")[0]) if path else "") or "rows"
    seen = _seen(Api(address), Place(name, Contract, folder))
    if not seen.texts:
        raise HeadraceError(nothing(Api(address).address, "an answer without a row"))
    sample = _sample(name, seen.texts)
    if not seen.whole:
        sample = replace(sample, whole=False, looked=seen.looked, notes=seen.notes)
    found = guessed(sample, address, seen.origin.rows, frozenset())
    yield replace(found, pages=seen.origin.pages or "", params=seen.origin.params)


@dataclass(frozen=True)
class _Seen:
    """What an API answered: how it is declared, rows of it, whether these are all, and what is to be said of that."""

    origin: Api
    texts: list[str]
    whole: bool
    looked: str = "the first answer"
    notes: tuple[str, ...] = ()


def _seen(origin: Api, place: Place) -> _Seen:
    """Ask an API; where its rows are, and how it pages, is found in the answer, and tried."""
    reader, texts = _asked(origin, place, SAMPLE_ROWS + 1)
    if texts is None and reader.lists:
        origin = replace(origin, rows=reader.lists[0])
        reader, texts = _asked(origin, place, SAMPLE_ROWS + 1)
    said = reader.said or {}
    texts = texts or []  # none where a header names the next page
    how = pages_of(said, reader.link, len(texts))
    if how:
        begin = {"page": "0"} if how == "page:page" and first_of(said) == "0" else {}
        paged, most = replace(origin, pages=how, params=begin), min(SAMPLE_ROWS, max(_PAGES * len(texts), _FEW))
        _, more = _asked(paged, place, most + 1)
        if more is not None and len(more) >= len(texts):
            note = f"Pages are found by {how!r}, as the answer shows it."
            return _Seen(paged, more[:most], len(more) <= most, "the first answers", (note,))
    total = total_of(said)
    if total == len(texts):
        return _Seen(origin, texts, whole=True)
    there = "" if total is None else f"The answer says that there are {total:,}. "
    note = f"{there}If the API has more pages, say how the next one is found: pages=… of hr.Api."
    return _Seen(origin, texts, whole=False, notes=(note,))


def _asked(origin: Api, place: Place, most: int) -> tuple[ApiReader, list[str] | None]:
    """Return a reader and what it read, None where its rows are elsewhere in the answer, or on other pages, too.

    Raises:
        HeadraceError: what else keeps it from being read.
    """
    reader = ApiReader(origin, place, looks=LOOKED_AT)
    with closing(reader):
        try:
            return reader, list(islice(reader.texts(most), most))
        except HeadraceError:
            if not (reader.lists or reader.link or next_named(reader.said or {}) or origin.pages):
                raise
            return reader, None


def _sample(name: str, texts: list[str]) -> Sample:
    return sample_of(name, objects_of(texts[:SAMPLE_ROWS]), len(texts) <= SAMPLE_ROWS)
