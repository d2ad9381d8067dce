"""init --from an API: what its answer shows of other pages is tried, and what it does not show is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.testing.server import Answer, Request, Server
from tests.cli.test_init_from import call, here, runs  # noqa: F401 - a fixture

ROWS = [{"id": n, "at": f"2026-01-01T00:{n:02}:00Z"} for n in range(25)]
Answers = Callable[[Request], Answer]


def page(number: int, size: int = 10) -> list[dict[str, Any]]:
    return ROWS[number * size : (number + 1) * size]


def by_link(request: Request) -> Answer:
    number = int(request.params.get("p", "0"))
    more = {"Link": f'<?p={number + 1}>; rel="next"'} if page(number + 1) else {}
    return Answer(page(number), headers=more)


def by_next(request: Request) -> Answer:
    number = int(request.params.get("p", "0"))
    following = f"/orders?p={number + 1}" if page(number + 1) else None
    return Answer({"results": page(number), "links": {"next": following}})


def by_token(request: Request) -> Answer:
    number = int(request.params.get("cursor", "t0")[1:])
    return Answer({"items": page(number), "meta": {"next_cursor": f"t{number + 1}" if page(number + 1) else None}})


def by_number(request: Request) -> Answer:
    start = int(request.params.get("cursor", "0"))
    return Answer({"items": ROWS[start : start + 10], "next_cursor": start + 10 if start + 10 < 25 else 0})


def by_page(request: Request) -> Answer:
    number = int(request.params.get("page", "1"))
    return Answer({"data": page(number - 1), "page": number, "total": 25})


def from_zero(request: Request) -> Answer:
    number = int(request.params.get("page", "0"))
    return Answer({"content": page(number), "number": number, "totalElements": 25})


def by_odata(request: Request) -> Answer:
    start = int(request.params.get("$skip", "0"))
    more = {"@odata.nextLink": f"/orders?$skip={start + 10}"} if start + 10 < 25 else {}
    return Answer({"@odata.count": 25, "value": ROWS[start : start + 10], **more})


def by_hal(request: Request) -> Answer:
    number = int(request.params.get("p", "0"))
    more = {"next": {"href": f"/orders?p={number + 1}"}} if page(number + 1) else {}
    return Answer({"_embedded": {"orders": page(number)}, "_links": {"self": {"href": "/orders"}, **more}})


def by_offset(request: Request) -> Answer:
    start = int(request.params.get("skip", "0"))
    return Answer({"data": ROWS[start : start + 10], "meta": {"skip": start, "total": 25}})


@pytest.mark.parametrize(
    ("answers", "pages"),
    [(by_link, "link"), (by_next, "next:links.next"), (by_token, "token:cursor:meta.next_cursor"),
     (by_number, "token:cursor:next_cursor"), (by_page, "page:page"), (by_offset, "offset:skip"),
     (from_zero, "page:page"), (by_odata, "next:@odata.nextLink"), (by_hal, "next:_links.next.href")],
)  # fmt: skip
def test_pages_that_the_answer_shows_are_declared_and_read(here: Path, answers: Answers, pages: str) -> None:  # noqa: F811
    with Server(answers) as server:
        made = call("init", "shop", "--from", f"{server.url}/orders")
        assert made.exit_code == 0, made.output
        python = (here / "shop" / "project.py").read_text()
        assert f'pages="{pages}"' in python
        assert "# Guessed from all 25 rows." in python
        assert runs(here / "shop") == {"orders": 25}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ROWS, "If the API has more pages"),
        ({"data": ROWS, "next": None}, "If the API has more pages"),
        ({"data": ROWS, "total": 99}, "The answer says that there are 99. If the API has more pages"),
        ({"data": ROWS, "page": 1, "total": 99}, "The answer says that there are 99."),
    ],
)
def test_of_an_answer_that_does_not_show_it_only_what_was_seen_is_said(here: Path, answer: Any, said: str) -> None:  # noqa: F811
    with Server([Answer(answer)]) as server:  # the same page, whatever is asked for
        made = call("init", "shop", "--from", f"{server.url}/orders")
        assert made.exit_code == 0, made.output
        python = (here / "shop" / "project.py").read_text()
        assert "# Guessed from 25 rows of the first answer." in python
        assert said in python
        assert "say how the next one is found: pages=… of hr.Api." in " ".join(python.replace("#", "").split())
        assert 'pages="' not in python
        assert runs(here / "shop") == {"orders": 25}


def test_an_answer_that_says_that_it_is_all(here: Path) -> None:  # noqa: F811
    with Server([Answer({"data": ROWS, "total": 25})]) as server:
        made = call("init", "shop", "--from", f"{server.url}/orders", "--json")
        assert json.loads(made.stdout)["found"][0]["whole"] is True
    assert "# Guessed from all 25 rows." in (here / "shop" / "project.py").read_text()


@pytest.mark.parametrize(
    "more", [{"next_cursor": "abc"}, {"next_cursor": 12345}, {"links": {"next": {"href": "a token alone"}}}]
)
def test_what_names_more_and_gives_the_same_again_is_written_and_not_taken_for_all(here: Path, more: Any) -> None:  # noqa: F811
    with Server([Answer({"data": ROWS, **more})]) as server:
        assert call("init", "shop", "--from", f"{server.url}/orders").exit_code == 0
        assert "If the API has more pages" in (here / "shop" / "project.py").read_text()
        assert "HR-SOURCE-047" in call("run", "--project", str(here / "shop")).output
