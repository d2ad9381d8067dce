"""Files that lie beside those of a source and are read by none are told once, by plan and by status."""

import pytest

from headrace.declare import Contract, Stream
from headrace.run import load_project, plan_changes, status
from headrace.run.unread import unread_files
from tests.run.bank import edit, make_bank


def _told(folder):
    fault = unread_files(
        [Stream("a", Contract, source="data/a*.parquet"), Stream("b", Contract, source="data/b.csv")], folder
    )
    return None if fault is None else fault.found


def test_files_that_no_source_names(tmp_path):
    (tmp_path / "data" / "old").mkdir(parents=True)
    assert _told(tmp_path) is None
    for name in ("a-1.parquet", "b.csv", "notes.txt", "old/a-0.csv"):
        (tmp_path / "data" / name).touch()
    assert _told(tmp_path) is None
    for name in ("a-2.csv", ".half.csv", "~$a-1.xlsx"):
        (tmp_path / "data" / name).touch()
    assert _told(tmp_path) == "1 file that no source names: data/a-2.csv"
    for name in ("c.csv", "d.csv.gz", "e.parquet"):
        (tmp_path / "data" / name).touch()
    assert _told(tmp_path) == "4 files that no source names: data/a-2.csv, data/c.csv, data/d.csv.gz and 1 more"


@pytest.mark.parametrize("source", ["data", "data/**/*.csv", "{}/data/*.csv", "data/x[0-9].csv"])
def test_the_folder_that_a_source_names(tmp_path, source):
    (tmp_path / "data").mkdir()
    for name in ("x1.csv", "y.parquet"):
        (tmp_path / "data" / name).touch()
    fault = unread_files([Stream("x", Contract, source=source.format(tmp_path))], tmp_path)
    assert (None if fault is None else fault.found) == (
        None if source == "data" else "1 file that no source names: data/y.parquet"
    )


def test_plan_and_status_tell_of_them(tmp_path):
    folder = make_bank(tmp_path / "bank")
    assert status(load_project(folder)).warnings == plan_changes(load_project(folder)).warnings == ()
    edit(folder, "data/payments*", "data/payments*.parquet")
    for told in (status(load_project(folder)).warnings, plan_changes(load_project(folder)).warnings):
        assert [(fault.code, fault.severity) for fault in told] == [("HR-SOURCE-014", "warning")]
