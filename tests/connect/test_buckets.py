"""Files in buckets of S3, from a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connect import find_files, ingest
from headrace.lake import Lake
from tests.buckets import served
from tests.connect.test_files import GOOD, Payment


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(tmp_path_factory.mktemp("s3"), "shop") as client:
        yield client


def names(source: str) -> list[str]:
    return [file.name for file in find_files(Path("/nowhere"), source)]


def test_what_an_address_names(bucket: Any) -> None:
    for key in ("in/a.csv", "in/b.csv.gz", "in/deep/er/c.csv", "in/notes.txt", "other/d.csv"):
        bucket.put_object(Bucket="shop", Key=key, Body=b"x")
    assert names("s3://shop/in") == ["s3://shop/in/a.csv", "s3://shop/in/b.csv.gz", "s3://shop/in/deep/er/c.csv"]
    assert names("s3://shop/in/a.csv") == ["s3://shop/in/a.csv"]
    assert names("s3://shop/in/*.csv") == ["s3://shop/in/a.csv"]
    assert names("s3://shop/**/*.csv") == ["s3://shop/in/a.csv", "s3://shop/in/deep/er/c.csv", "s3://shop/other/d.csv"]
    assert names("s3://shop/in/n*") == ["s3://shop/in/notes.txt"]
    with pytest.raises(hr.HeadraceError, match="HR-SOURCE-001 s3://shop/none: found no file"):
        names("s3://shop/none")


def test_new_objects_are_taken_once_and_one_that_changed_is_noticed(bucket: Any, tmp_path: Path) -> None:
    lake, stream = Lake(tmp_path / "lake"), hr.Table("payments", Payment, source="s3://shop/new/*.csv")
    bucket.put_object(Bucket="shop", Key="new/1.csv", Body=GOOD.encode())
    assert ingest(stream, tmp_path, lake).accepted == 1
    bucket.put_object(Bucket="shop", Key="new/2.csv", Body=b"payment_id,amount\nq1,2\nq2,-1\n")
    report = ingest(stream, tmp_path, lake)
    assert (report.files_new, report.files_skipped, report.accepted, report.quarantined) == (1, 1, 1, 1)
    bucket.put_object(Bucket="shop", Key="new/1.csv", Body=GOOD.encode() + b"q3,3\n")
    report = ingest(stream, tmp_path, lake)
    assert [(fault.code, fault.place) for fault in report.faults] == [("HR-SOURCE-003", "s3://shop/new/1.csv")]
    assert lake.rows("payments") == 2


def test_a_bucket_that_cannot_be_read_is_told_without_its_keys(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(hr.HeadraceError, match="HR-SOURCE-001 s3://nobody/x: found no file"):
        names("s3://nobody/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(hr.HeadraceError, match="HR-SOURCE-015 s3://shop/in: found a bucket that cannot be") as told:
        names("s3://shop/in")
    assert "secret" not in str(told.value)
    assert "AWS_ENDPOINT_URL" in told.value.faults[0].cure
