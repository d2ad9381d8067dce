"""APIs of HTTP: rows of JSON, page by page; no row of a page is taken before the page is whole."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa

from headrace.connect.origins.cursors import Cursors, field_of
from headrace.connect.origins.gather import gathered
from headrace.connect.origins.http import Access, Answer, Client
from headrace.connect.origins.named import SAID_AT
from headrace.connect.origins.page import NoPage, Page, Path, aside, page_of
from headrace.connect.origins.paging import Ask, Paging
from headrace.connect.origins.reader import Batch, Place
from headrace.connect.origins.shape import Shape, at, json_text
from headrace.connect.secrets import resolved
from headrace.declare.origins import SECRET, Api

_FIRST = {"page": "1", "offset": "0"}
"""Where pages and offsets begin, unless the address or ``params=`` say it."""


class ApiReader:
    """Reads an API.

    Args:
        origin: as it is declared.
        place: for whom.
        pause: waits some seconds.
        read_s: seconds without a byte after which an answer is given up.
        looks: paths of the first answer that are kept in ``said``, beside those that paging needs.
    """

    ordered = False

    def __init__(
        self,
        origin: Api,
        place: Place,
        pause: Callable[[float], object] = time.sleep,
        read_s: float = 60.0,
        looks: tuple[Path, ...] = (),
    ) -> None:
        self._origin, self._place = origin, place
        self.lists: list[str] = []
        """Names under which an answer has lists, where it has its rows in one of them."""
        self.said: Mapping[Path, Any] | None = None
        self.link: str | None = None
        """The next page, as the header of the first answer names it."""
        self._looks = looks
        secret = {name for name, value in origin.params.items() if SECRET.search(value)}
        params = self._resolved(origin.params)
        self._params = {name: value for name, value in params.items() if name not in secret}
        self._url = resolved(origin.url, place.folder, origin.place, within_url=True)
        access = Access(self._resolved(origin.headers), {name: params[name] for name in secret})
        self._client = Client(origin.address, origin.place, self._url, access, origin.rate, pause, read_s)

    def columns(self) -> None:
        """Return None: each row has fields of its own."""

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        """Yield the rows of all pages, from the value ``since`` of the cursor on."""
        origin, contract = self._origin, self._place.contract
        path = (origin.cursor or "").split(".")
        shape, cursors = Shape(contract), None
        if origin.cursor is not None:
            cursors = Cursors(field_of(origin.cursor, contract.fields().values()), since)
        for page in self._pages(since):
            rows = ((shape.text(one), at(one, path)) for one in page.objects())
            yield from gathered(rows, cursors, batch_rows)

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        """Yield nothing: an API is not asked which rows are gone."""
        yield from ()

    def close(self) -> None:
        self._client.close()

    def texts(self, most: int) -> Iterator[str]:
        """Yield rows as they are, as JSON: to be looked at before there is a contract."""
        for page in self._pages(None):
            yield from (json_text(one) for one in islice(page.objects(), most))

    def _pages(self, since: Any) -> Iterator[Page]:
        asked = self._first(since)
        paging = Paging(self._origin.pages, asked, strict=not self._looks)
        following: Ask | None = asked
        first = True
        while following is not None:
            asked, answer = following, self._client.ask(following.url, dict(following.params))
            if answer is None and (first or not paging.counts):
                raise self._client.missing()
            if answer is None:  # many say so of the page behind the last
                return
            page, following = self._page(paging, asked, answer)
            with page.texts:
                yield page
            first = False

    def _page(self, paging: Paging, asked: Ask, answer: Answer) -> tuple[Page, Ask | None]:
        path = tuple(self._origin.rows.split(".")) if self._origin.rows else ()
        try:
            with answer.body:
                wanted = (*paging.wanted, *SAID_AT, *self._looks)
                page = Page(aside()) if answer.is_empty else page_of(answer.body, path, wanted)
            self._look_at_object(page)
            if self.said is None:
                self.said, self.link = page.said, answer.link
            return page, paging.after(asked, page, answer.link, answer.header)
        except NoPage as error:
            raise self._client.no_page(error, answer) from error

    def _look_at_object(self, page: Page) -> None:
        """Tell an answer that has its rows in a list from one that is a row itself."""
        lists = page.said.get((), [])
        names = set(Shape(self._place.contract).tops)
        if page.rows != 1 or not lists or any(name in names for one in page.objects() for name, _ in one):
            return
        self.lists = lists
        raise NoPage("an object with a list in it", "a list of rows", f"say where they are: rows={lists[0]!r}")

    def _first(self, since: Any) -> Ask:
        named = {} if since is None or self._origin.since is None else {self._origin.since: _written(since)}
        kind, _, param = (self._origin.pages or "").partition(":")
        own = dict(parse_qsl(urlsplit(self._url).query))
        start = {param: own.get(param, _FIRST[kind])} if kind in _FIRST else {}
        return Ask(self._url, start | self._params | named)

    def _resolved(self, given: Mapping[str, str]) -> dict[str, str]:
        return {name: resolved(value, self._place.folder, self._origin.place) for name, value in given.items()}


def _written(since: Any) -> str:
    """Return the last value of a cursor as a parameter: times in ISO 8601, in UTC."""
    if isinstance(since, datetime.datetime) and since.tzinfo is not None:
        return since.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    return since.isoformat() if isinstance(since, datetime.date) else str(since)
