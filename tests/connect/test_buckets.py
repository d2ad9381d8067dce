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


def test_marks_of_addresses_are_letters_of_names(bucket: Any, tmp_path: Path) -> None:
    for key in ("odd/1.csv", "odd/2#.csv", "odd/deep/3.csv", "odd/x[1].csv", "odd/.part.csv"):
        bucket.put_object(Bucket="shop", Key=key, Body=b"x")
    assert names("s3://shop/odd/?.csv") == ["s3://shop/odd/1.csv"]
    assert names("s3://shop/odd/2#.csv") == ["s3://shop/odd/2#.csv"]
    assert names("s3://shop/odd/x[1].csv") == ["s3://shop/odd/x[1].csv"]
    assert names("s3://shop/odd/[12]*.csv") == ["s3://shop/odd/1.csv", "s3://shop/odd/2#.csv"]
    assert "s3://shop/odd/.part.csv" not in names("s3://shop/odd/*")


@pytest.mark.parametrize("folder", ["what?", "x[1]", "deep/[z]", "half["])
def test_so_are_those_of_folders(bucket: Any, folder: str) -> None:
    for key in (f"{folder}/1.csv", f"{folder}/er/2.csv", f"{folder}/.part.csv", "whats/3.csv", "x1/3.csv"):
        bucket.put_object(Bucket="shop", Key=f"letters/{key}", Body=b"x")
    found = [f"s3://shop/letters/{folder}/1.csv", f"s3://shop/letters/{folder}/er/2.csv"]
    assert names(f"s3://shop/letters/{folder}") == names(f"s3://shop/letters/{folder}/") == found
    assert names(f"s3://shop/letters/{folder}/1.csv") == found[:1]


def test_an_object_that_changes_while_it_is_loaded(bucket: Any, tmp_path: Path) -> None:
    stream = hr.Table("payments", Payment, source="s3://shop/moving/*.csv")
    bucket.put_object(Bucket="shop", Key="moving/1.csv", Body=_many())
    bucket.put_object(Bucket="shop", Key="moving/2.csv", Body=b"payment_id,amount\nq1,2\n")
    left = [b"payment_id,amount\nq2,3\nq3,4\n"]

    def told(_: int, what: str) -> None:
        if left and what.startswith("loading"):
            bucket.put_object(Bucket="shop", Key="moving/2.csv", Body=left.pop())

    report = ingest(stream, tmp_path, Lake(tmp_path / "lake"), told)
    assert [(one.code, one.place) for one in report.faults] == [("HR-SOURCE-018", "s3://shop/moving/2.csv")]
    assert ingest(stream, tmp_path, Lake(tmp_path / "lake")).accepted == 2


def _many() -> bytes:
    return b"payment_id,amount\n" + b"".join(b"p%d,1\n" % number for number in range(150_000))
