"""Objects that a bucket lists and does not give: told from files that are damaged."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.lake import Lake
from headrace.run.retry import may_pass
from tests.buckets import served
from tests.connect.test_files import GOOD, Payment

OWN = ("content-length", "connection", "transfer-encoding", "server", "date")


@contextmanager
def refusing(behind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A server in front of a bucket that answers as it is told when an object is asked for."""
    told: dict[str, Any] = {"status": 0, "code": ""}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer("HEAD")

        def do_GET(self) -> None:
            self.answer("GET")

        def answer(self, method: str) -> None:
            if method == "GET" and "list-type" not in self.path and told["status"]:
                status, headers = told["status"], {}
                body = f"<?xml version='1.0'?><Error><Code>{told['code']}</Code><Message>no</Message></Error>".encode()
            else:
                sent = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                reply = httpx.request(method, behind + self.path, headers=sent)
                status, body = reply.status_code, reply.content
                headers = {name: value for name, value in reply.headers.items() if name not in OWN}
                if method == "HEAD":
                    headers["Content-Length"] = reply.headers.get("content-length", "0")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if method == "GET":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if method == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", told
    finally:
        server.shutdown()
        server.server_close()


def test_an_object_that_is_withheld_is_no_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, stream = Lake(tmp_path / "lake"), hr.Table("payments", Payment, source="s3://shop/in/*.csv")
    with served(tmp_path, "shop") as bucket, refusing(os.environ["AWS_ENDPOINT_URL"]) as (front, told):
        monkeypatch.setenv("AWS_ENDPOINT_URL", front)
        bucket.put_object(Bucket="shop", Key="in/a.csv", Body=GOOD.encode())
        for status, code in ((403, "AccessDenied"), (500, "InternalError"), (400, "ExpiredToken")):
            told.update(status=status, code=code)
            faults = ingest(stream, tmp_path, lake).faults
            assert [(one.code, one.place) for one in faults] == [("HR-SOURCE-015", "s3://shop/in/a.csv")], code
            assert may_pass(faults)
            assert "s3:GetObject" in faults[0].cure
            assert "secret" not in str(faults[0])
        told.update(status=0)
        assert ingest(stream, tmp_path, lake).accepted == 1
        bucket.put_object(Bucket="shop", Key="in/b.csv", Body=b'payment_id,amount\n"q1,2\n')
        assert "HR-SOURCE-015" not in str(ingest(stream, tmp_path, lake).faults)
