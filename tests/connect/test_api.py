"""APIs of HTTP, from a server that answers as servers do: page by page, late, cut off, and wrongly."""

from __future__ import annotations

import datetime
import email.utils
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.origins import Away, page
from headrace.connect.origins.api import ApiReader
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.testing import Answer, Request, Server
from tests.connect.orders import Order, order, pairs, place_in, texts

ALL = [order(number) for number in range(7)]
IDS = [str(number) for number in range(7)]


def ids(rows: list[str]) -> list[str]:
    return [json.loads(row)["order_id"] for row in rows]


def reader(url: str, waits: list[float] | None = None, read_s: float = 5, **how: Any) -> ApiReader:
    origin = hr.Api(url, **how)
    assert not origin.faults
    pause = time.sleep if waits is None else waits.append
    return ApiReader(origin, place_in(Path()), pause, read_s)


def read(answers: Any, **how: Any) -> list[str]:
    with Server(answers) as server:
        return texts(reader(server.url, [], **how))


def refused(answers: Any, **how: Any) -> str:
    with pytest.raises(HeadraceError) as found:
        read(answers, **how)
    return str(found.value)


def third(number: int) -> list[dict[str, Any]]:
    return ALL[number * 3 : number * 3 + 3]


def test_a_row_is_handed_on_as_it_was_written() -> None:
    body = b'[{"order_id":"1","amount":12.10,"customer":{"id":12345678901234567890},"tags":["\xc3\xb6"],"x":{}}]'
    (text,) = read([Answer(body)])
    assert text == '{"order_id":"1","amount":12.10,"customer_id":12345678901234567890,"tags":["\\u00f6"]}'


PAGED: dict[str, tuple[dict[str, str], Callable[[Request], Answer]]] = {
    "page": ({"rows": "data", "pages": "page:p"}, lambda asked: Answer({"data": third(int(asked.params["p"]) - 1)})),
    "page from 0": (
        {"pages": "page:p", "params": {"p": "0", "size": "3"}},  # type: ignore[dict-item]
        lambda asked: Answer(third(int(asked.params["p"]))) if asked.params["size"] == "3" else Answer(status=400),
    ),
    "next under a name with a point": (
        {"rows": "value", "pages": "next:@odata.nextLink"},
        lambda asked: Answer(
            {
                "value": third(int(asked.params.get("n", 0))),
                **{"": {"@odata.nextLink": "?n=1"}, "1": {"@odata.nextLink": "?n=2"}}.get(
                    asked.params.get("n", ""), {}
                ),
            }
        ),
    ),
    "page until there is none": (
        {"pages": "page:p"},
        lambda asked: Answer(
            third(int(asked.params["p"]) - 1) or b"", 200 if third(int(asked.params["p"]) - 1) else 404
        ),
    ),
    "offset": ({"pages": "offset:skip"}, lambda asked: Answer(ALL[int(asked.params["skip"]) :][:3])),
    "next": (
        {"rows": "data.items", "pages": "next:meta.next"},
        lambda asked: Answer(
            {
                "data": {"total": 7, "items": third(int(asked.params.get("n", 0)))},
                "meta": {"next": {"": "?n=1", "1": "/?n=2"}.get(asked.params.get("n", ""))},
            }
        ),
    ),
    "token": (
        {"rows": "data", "pages": "token:after:next"},
        lambda asked: Answer(
            {
                "next": {"": "1", "1": "2"}.get(asked.params.get("after", ""), ""),
                "data": third(int(asked.params.get("after", 0))),
            }
        ),
    ),
    "link": (
        {"pages": "link"},
        lambda asked: Answer(
            third(int(asked.params.get("n", 0))),
            headers={"Link": f'</?n={int(asked.params.get("n", 0)) + 1}>; rel="next"'}
            if asked.params.get("n") != "2"
            else {},
        ),
    ),
}


@pytest.mark.parametrize("how", PAGED)
def test_every_way_to_the_next_page_gives_every_row_once(how: str) -> None:
    said, answers = PAGED[how]
    assert ids(read(answers, **said)) == IDS


@pytest.mark.parametrize(("query", "pages"), [("?p=0", "page:p"), ("?p=0&size=3", "page:p"), ("?n=2", "offset:n")])
def test_counting_begins_where_the_address_says(query: str, pages: str) -> None:
    def answer(asked: Request) -> Answer:
        start = int(asked.params["n"]) - 2 if "n" in asked.params else 3 * int(asked.params["p"])
        return Answer(ALL[start : start + 3])

    with Server(answer) as server:
        assert ids(texts(reader(server.url + query, pages=pages))) == IDS


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ALL).encode(),
        "\n".join(map(json.dumps, ALL)).encode(),
        b"\xef\xbb\xbf" + json.dumps(ALL, indent=2).encode(),
        gzip.compress(json.dumps(ALL).encode()),
        pa.compress(json.dumps(ALL).encode(), "zstd", asbytes=True),
    ],
    ids=["list", "lines", "BOM", "gzip", "zstd"],
)
def test_bodies_of_every_kind(body: bytes) -> None:
    assert ids(read([Answer(body)])) == IDS


def test_a_page_larger_than_memory_allows_goes_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "IN_MEMORY", 1000)
    long = order(8, customer={"id": 8, "name": {"last": "x" * (10 << 20)}})
    rows = read([Answer(gzip.compress(json.dumps([*ALL, long]).encode(), 1))])
    assert ids(rows) == [*IDS, "8"]
    assert len(rows[-1]) > 10 << 20


def test_a_page_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LARGEST", 1 << 20)
    assert "HR-SOURCE-047" in refused([Answer(gzip.compress(bytes(2 << 20)))])


def test_a_busy_server_is_asked_again_after_the_time_that_it_says() -> None:
    later = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90))
    waits: list[float] = []
    busy = [Answer(status=429, headers={"Retry-After": "7"}), Answer(status=503, headers={"Retry-After": later})]
    with Server([*busy, Answer(status=500), Answer(status=502), Answer(ALL)]) as server:
        assert ids(texts(reader(server.url, waits))) == IDS
    assert waits[0] == 7
    assert 60 < waits[1] <= 90
    assert 1 <= waits[2] <= 2 <= waits[3] <= 4  # longer each time, by no fixed length


def test_a_server_that_asks_for_an_hour_ends_the_run() -> None:
    with Server([Answer(status=429, headers={"Retry-After": "3600"})]) as server, pytest.raises(Away) as found:
        texts(reader(server.url))
    assert "3,600 seconds" in str(found.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Answer(status=500), "HTTP 500"),
        (Answer(ALL, cut=10), "cut off"),
        (Answer(b"5\r\n[{},{\r\nzz", headers={"Transfer-Encoding": "chunked"}), "cut off"),
        (Answer(gzip.compress(json.dumps(ALL).encode())[:-20]), "not JSON to its end"),
        (Answer(ALL, after_s=0.6), "no answer in time"),
    ],
    ids=["500", "cut", "chunks", "gzip", "slow"],
)
def test_what_goes_wrong_is_tried_again_and_nothing_is_doubled(bad: Answer, said: str) -> None:
    first = [Answer(third(0), headers={"Link": '</?n=1>; rel="next"'}), bad, bad]
    with Server([*first, Answer(third(1))]) as server:
        assert ids(texts(reader(server.url, [], 0.3, pages="link"))) == IDS[:6]
    with Server([bad]) as server, pytest.raises(Away) as found:
        texts(reader(server.url, [], 0.05))
    assert "HR-SOURCE-020" in str(found.value)
    assert f"{said}, after 6 tries" in str(found.value)
    assert "the next run begins at the first page again" in found.value.faults[0].cure


def test_a_server_that_is_not_there_is_away() -> None:
    with Server([]) as server:
        url = server.url
    with pytest.raises(Away, match="no connection"):
        texts(reader(url, []))


@pytest.mark.parametrize(
    ("answers", "how", "said"),
    [
        ([Answer({}, 401)], {}, "HTTP 401: we are not let in"),
        ([Answer({}, 403)], {}, "look at the secret"),
        ([Answer({}, 404)], {"pages": "page:p"}, "HTTP 404: nothing at this address"),
        ([Answer({"error": "Ann Smith"}, 422)], {}, "HTTP 422"),
        ([Answer(b"<!doctype html><html>")], {}, "a page of HTML"),
        ([Answer(b"[{")], {}, "not JSON to its end"),
        ([Answer(b"")], {}, "not JSON to its end"),
        ([Answer('[{"a": "ö"}]'.encode("latin-1"))], {}, "not UTF-8"),
        ([Answer({"data": ALL})], {}, "Cure: say where they are: rows='data'"),
        ([Answer({"data": ALL})], {"rows": "items"}, "nothing at 'items' of the answer"),
        ([Answer({"data": {"1": {}}})], {"rows": "data"}, "an object at 'data' of the answer"),
        ([Answer(b"7")], {}, "neither a list nor an object"),
        ([Answer(ALL)], {"pages": "page:p"}, "a page with the rows of an earlier one"),
        ([Answer(ALL, headers={"Link": '</>; rel="next"'})], {}, "Cure: pages='link'"),
        (lambda _: Answer([], headers={"Link": '</>; rel="next"'}), {"pages": "link"}, "names itself"),
        ([Answer({"data": ALL, "next": "/?n=1"})], {"rows": "data"}, "Cure: pages='next:next'"),
        ([Answer({"data": ALL, "next": "visits?page=2"})], {"rows": "data"}, "Cure: pages='next:next'"),
        ([Answer({"data": ALL, "next_cursor": "a8"})], {"rows": "data"}, "Cure: pages='token:cursor:next_cursor'"),
        ([Answer({"data": ALL, "next_cursor": 12345})], {"rows": "data"}, "Cure: pages='token:cursor:next_cursor'"),
        ([Answer({"data": ALL, "links": {"next": {"href": "a81f"}}})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "next": {"href": 7}})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "meta": {"next_page": "a81f"}})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "page": 1, "next_page": 2})], {"rows": "data"}, "Cure: pages='page:page'"),
        ([Answer({"data": ALL, "nextRecordsUrl": "/q-2"})], {"rows": "data"}, "Cure: pages='next:nextRecordsUrl'"),
        ([Answer({"data": ALL, "meta": {"has_more": True}})], {"rows": "data"}, "say by pages= how the next is found"),
        ([Answer({"data": ALL, "links": [{"rel": "next", "href": "/2"}]})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "links": [{"rel": ["next"], "href": "/2"}]})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "has_more": 1})], {"rows": "data"}, "say by pages="),
        ([Answer({"data": ALL, "pageInfo": {"hasNextPage": "true"}})], {"rows": "data"}, "say by pages="),
        (
            [Answer({"data": ALL, "links": {"next": "/?n=1"}})],
            {"rows": "data", "pages": "next:meta.next"},
            "one page of several: the answer names the next",
        ),
        ([Answer([], 302, {"Location": "/"})], {}, "redirects without an end"),
    ],
)
def test_what_is_no_page_is_told_with_its_cure(answers: Any, how: dict[str, str], said: str) -> None:
    told = refused(answers, **how)
    assert said in told
    assert "test_api.py:" in told
    assert "Smith" not in told


def test_of_a_page_that_repeats_nothing_is_doubled() -> None:
    with Server([Answer(ALL)]) as server:
        batches = reader(server.url, pages="offset:n").batches(None, 100)
        assert len(next(batches).rows) == 7
        with pytest.raises(HeadraceError, match="an earlier one"):
            next(batches)
        assert len(server.requests) == 2


def test_nothing_there_is_nothing() -> None:
    assert read([Answer([])]) == []
    assert read([Answer({"data": None})], rows="data") == []
    assert read([Answer(status=204)], rows="data") == []


def test_what_is_no_object_is_a_row_that_the_contract_refuses() -> None:
    assert read([Answer([1, None, "a", [2]])]) == ["1", "null", '"a"', "[2]"]


def test_only_what_is_new_is_asked_for_and_taken(tmp_path: Path) -> None:
    since = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
    with Server([Answer(ALL)]) as server:
        found = pairs(reader(server.url, cursor="at", since="updated_since"), since)
        assert [json.loads(row)["order_id"] for row, _ in found] == ["4", "5", "6"]
        assert found[0][1] == since
        assert server.requests[0].params == {"updated_since": "2026-01-05T00:00:00Z"}


def test_a_cursor_may_be_nested_and_outside_of_the_contract() -> None:
    rows = [order(n, meta={"serial": n, "seen": f"2026-01-0{n}T01:00:00+01:00"}) for n in (1, 2)] + [order(3)]
    with Server([Answer(rows)]) as server:
        assert [one for _, one in pairs(reader(server.url, cursor="meta.serial"))] == [1, 2, None]
        seen = [one for _, one in pairs(reader(server.url, cursor="meta.seen"))]
    assert seen == [datetime.datetime(2026, 1, n, tzinfo=datetime.UTC) for n in (1, 2)] + [None]


def test_secrets_go_to_the_server_that_was_named_and_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    how = {"headers": {"Authorization": "Bearer ${SHOP_TOKEN}"}, "params": {"api_key": "${SHOP_TOKEN}", "n": "5"}}
    with Server([Answer(ALL)]) as other:
        away_from = Answer(status=302, headers={"Location": f"{other.url}/elsewhere"})
        own = [
            Answer(status=302, headers={"Location": "/here"}),
            Answer(third(0), headers={"Link": '</2>; rel="next"'}),
        ]
        with Server([*own, away_from]) as server:
            assert len(texts(reader(server.url, pages="link", **how))) == 10  # type: ignore[arg-type]
            here = [one.path for one in server.requests if one.headers.get("authorization") == "Bearer s3cret"]
            assert here == ["/", "/here", "/2"]
            assert [one.params.get("api_key") for one in server.requests] == ["s3cret"] * 3
        (elsewhere,) = other.requests
        assert "s3cret" not in str(elsewhere)


def test_no_fault_holds_a_secret(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for secret in ("s3cret", "s3cret\nof two lines"):
        monkeypatch.setenv("SHOP_TOKEN", secret)
        for status in (401, 500):
            how = {"headers": {"X-Key": "${SHOP_TOKEN}"}, "params": {"key": "${SHOP_TOKEN}"}}
            with Server([Answer({}, status)]) as server:
                url = server.url.replace("127", "u:${SHOP_TOKEN}@127")
                with pytest.raises(HeadraceError) as found:
                    texts(reader(url, [], **how))  # type: ignore[arg-type]
            assert "s3cret" not in str(found.value)
    assert "s3cret" not in caplog.text


def test_a_rate_is_kept() -> None:
    waits: list[float] = []
    with Server(lambda asked: Answer(third(int(asked.params["p"]) - 1))) as server:
        texts(reader(server.url, waits, pages="page:p", rate="30/m"))
    assert len(waits) == 3
    assert all(1 < one <= 2 for one in waits)


def test_an_api_is_loaded_through_its_contract_each_row_once(tmp_path: Path) -> None:
    rows = [*ALL, order(7, amount="-1"), order(8, customer={"id": "eight"}), order(9, at="yesterday")]
    deep = json.loads('{"a":' * 90 + "1" + "}" * 90)
    with Server([Answer([*rows, order(10, lines=[deep]), 5])]) as server:
        stream = hr.Stream("orders", Order, source=f"{server.url}/v1")
        lake = Lake(tmp_path / "lake")
        found = [ingest(stream, tmp_path, lake) for _ in range(2)]
        assert [(one.received, one.accepted, one.quarantined) for one in found] == [(12, 8, 4), (0, 0, 0)]
    table = lake.read("orders")
    assert table["customer_id"].to_pylist() == [*range(7), 10]
    assert set(table["customer_name_last"].to_pylist()) == {"Li"}
    assert json.loads(table["lines"].to_pylist()[-1]) == [deep]
    assert lake.read("quarantine_orders").num_rows == 4


WHOLE: list[dict[str, Any]] = [
    {"next": None}, {"next": ""}, {"next": "0"}, {"next": "none"}, {"has_more": False, "next_cursor": "abc"},
    {"page_info": {"has_next_page": False, "end_cursor": "abc"}}, {"paging": {"cursors": {"after": "abc"}}},
    {"has_next": False, "next": "/v?page=2"}, {"links": [{"rel": "next", "href": None}]},
    {"links": [{"rel": "self", "href": "/"}]}, {"page": 1, "pages": 1, "next_page": 1}, {"page": 1, "total": 3},
    {"next_page": 0}, {"has_more": 0, "next_cursor": "abc"}, {"next_cursor": 0}, {"next_cursor": -1},
    {"links": {"next": {"href": None}}}, {"links": {"next": {"href": "#"}}}, {"has_more": False, "next_cursor": 12345},
    {"page": 3, "total_pages": 3, "next_page": None}, {"page": 1, "total_pages": 1, "next_page": "1"},
    {"page": 0, "totalPages": 1, "last": True}, {"total": 500}, {"last": "/v?page=9", "pages": 1},
    {"total": 7, "limit": 9}, {"last": True, "next": "/v?page=2"}, {"next_offset": None, "limit": 50},
]  # fmt: skip


@pytest.mark.parametrize("more", WHOLE)
def test_an_answer_that_is_all_there_is_is_taken(more: dict[str, Any]) -> None:
    assert ids(read([Answer({"data": ALL, **more})], rows="data")) == IDS


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        *(({"page": 1, name: 3}, {}) for name in ("total_pages", "totalPages", "pages", "last_page")),
        ({"meta": {"current_page": 1, "last_page": 3}}, {}),
        ({"last": False, "totalPages": 3, "number": 0}, {}),
        ({"is_last": False}, {}),
        ({"next_offset": 2}, {}),
        ({"pagination": {"total": 500, "limit": 2}}, {}),
        ({"links": [{"rel": "last next", "href": "/2"}]}, {}),
        ({}, {"X-Next-Page": "2"}),
        ({}, {"X-Next-Cursor": "abc"}),
        ({}, {"X-Page": "1", "X-Total-Pages": "3"}),
        ({}, {"Link": '</2>; rel="last next"'}),
    ],
)
def test_an_answer_that_counts_its_pages_is_one_of_several(more: dict[str, Any], headers: dict[str, str]) -> None:
    with pytest.raises(HeadraceError, match="HR-SOURCE-047.*one page of several"):
        read([Answer({"data": ALL, **more}, headers=headers)], rows="data")


def test_a_page_that_says_outright_that_it_is_the_last_names_none_behind_it() -> None:
    more = {"next": "b", "links": {"next": "/v?page=2"}}
    pages = [Answer({"data": ALL[:3], "next": "b"}), Answer({"data": ALL[3:], "last": True, **more})]
    assert ids(read(pages, rows="data", pages="token:c:next")) == IDS
