"""How the next page of an API is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from headrace.connect.origins.named import following, goes_on, is_said, next_named, paths_of
from headrace.connect.origins.page import NoPage, Page, Path


@dataclass(frozen=True)
class Ask:
    """A page to be asked for: an address, and parameters that are added to it."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Paging:
    """Goes from page to page, and tells one that comes again.

    Args:
        how: as ``pages`` of ``hr.Api`` says it.
        first: the first page.
        strict: whether a page that is left out is a fault; not so where it is only looked at how there are pages.

    Example:
        >>> Paging("token:after:meta.next", Ask("https://shop.example")).wanted
        (('meta', 'next'), ('meta.next',))
    """

    how: str | None
    first: Ask
    strict: bool = True
    _rows: int = 0
    _pages: int = 0
    _seen: set[object] = field(default_factory=set)

    @property
    def wanted(self) -> tuple[Path, ...]:
        """Paths of the answer at which something is said about the next page."""
        kind, _, rest = (self.how or "").partition(":")
        path = rest.partition(":")[2] if kind == "token" else rest
        return paths_of(path) if kind in ("next", "token") else ()

    @property
    def counts(self) -> bool:
        """Whether pages are counted, so that the last one is known by having no rows."""
        return (self.how or "").startswith(("page:", "offset:"))

    def after(self, asked: Ask, page: Page, link: str | None, header: str = "") -> Ask | None:
        """Return the page behind one that was read, None behind the last.

        Args:
            asked: what was asked for.
            page: what came.
            link: address of the next page that the header of the answer names.
            header: name of another one by which a server tells of a next page.

        Raises:
            NoPage: the same rows as on an earlier page, or a next page that was read already.
        """
        if page.rows:
            self._once(page.digest, "a page with the rows of an earlier one")
        self._rows += page.rows
        self._pages += 1
        kind, _, rest = (self.how or "").partition(":")
        if self.how is None and link is not None:
            raise NoPage("one page of several: a header Link names the next", "all pages", "pages='link'")
        if self.how is None and header and page.rows and goes_on(page.said) is not False:
            cure = "pages='page:page', by the name of the parameter that the server takes"
            raise NoPage(f"one page of several: the header {header} tells of more", "all pages", cure)
        ahead = self._following(kind, rest, asked, page, link)
        if ahead is None and not self.counts and (named := self._left_out(page)) is not None:
            how = f"pages={named!r}" if named else "say by pages= how the next is found, or read it by hr.Rows"
            cure = f"{how}; or leave no page out, by parameters that ask for all rows at once"
            raise NoPage("one page of several: the answer names the next", "all pages", cure)
        return ahead

    def _left_out(self, page: Page) -> str | None:
        """How an answer shows another page that is not gone to; None where it shows none."""
        if not self.strict or goes_on(page.said) is False:
            return None
        if self.how is None:
            return following(page.said, page.rows) if page.rows else None
        named = next_named(page.said)
        return named if named not in ("", self.how) else None

    def _following(self, kind: str, rest: str, asked: Ask, page: Page, link: str | None) -> Ask | None:
        match kind:
            case "page":
                return self._counted(rest, page, self._start(rest, 1) + self._pages)
            case "offset":
                return self._counted(rest, page, self._start(rest, 0) + self._rows)
            case "link":
                return self._followed(asked, link)
            case "next" | "token" if goes_on(page.said) is not False:
                said = next((str(text) for one in self.wanted if is_said(text := page.said.get(one))), None)
                param = rest.partition(":")[0]
                return self._followed(asked, said) if kind == "next" else self._continued(param, said)
        return None

    def _start(self, param: str, default: int) -> int:
        given = self.first.params.get(param, "")
        return int(given) if given.isdigit() else default

    def _counted(self, param: str, page: Page, number: int) -> Ask | None:
        return self._with(param, str(number)) if page.rows else None

    def _continued(self, param: str, token: str | None) -> Ask | None:
        if token is None:
            return None
        self._once(token, "a page that names itself, or an earlier one, as the next")
        return self._with(param, token)

    def _followed(self, asked: Ask, link: str | None) -> Ask | None:
        if link is None:
            return None
        url = urljoin(asked.url, link)
        self._once(url, "a page that names itself, or an earlier one, as the next")
        return Ask(url)

    def _with(self, param: str, value: str) -> Ask:
        return replace(self.first, params={**self.first.params, param: value})

    def _once(self, mark: object, found: str) -> None:
        if mark in self._seen:
            cure = "look at pages= of hr.Api: the server does not take the parameter, or goes in a circle"
            raise NoPage(found, "each page once", cure)
        self._seen.add(mark)
