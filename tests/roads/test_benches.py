"""Benchmarks compare what is right: a small size of each, without the rivals that must be installed."""

import sys
from pathlib import Path

import pytest

from bench import apart, loading, report, report_page
from bench.measure import Result
from headrace.lake import Lake


def test_a_file_is_loaded_as_its_maker_says(tmp_path: Path) -> None:
    expected = loading.world(tmp_path / "rows.csv", 30_000)
    assert expected["refused"] > 5
    assert loading.load(tmp_path)["found"] == expected
    assert Lake(tmp_path / "lake").rows("payments") == 30_000 - expected["refused"]


def test_memory_is_that_of_a_program_and_of_all_that_it_starts(tmp_path: Path) -> None:
    inner = "held = bytearray(300_000_000); import time; time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}]); print('{{\"seconds\": 1}}')"
    found = apart.answer([sys.executable, "-c", code], tmp_path)
    assert found.said == {"seconds": 1}
    assert 0.3 < found.peak_gb < 0.5


def test_a_program_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(apart.Absent, match="could not run here: ValueError: of no use"):
        apart.answer([sys.executable, "-c", "raise ValueError('of no use')"], tmp_path)


def test_the_page_of_a_model_is_whole() -> None:
    (found,) = report_page.suite(small=True)
    assert found.agreed == "every part is there"
    assert "20,000 rows" in found.what


def test_a_suite_has_its_table_in_its_own_page() -> None:
    one = Result("serving", "what", {"ours": 6.5e-5, "theirs": 0.00065}, "equal", "5x", {"note": "of it"})
    text = "# A page\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nand more\n"
    written = report.with_table(text, [one], "benchmarks.md", notes=True)
    assert "| **serving**: what; equal<br>note: of it | ours: 65 µs<br>theirs: 650 µs | 10.0 x theirs | 5x |" in written
    assert written.startswith("# A page\n<!-- bench:begin -->\n| what")
    assert "(benchmarks.md)" in written
    assert "old" not in written
    assert report.with_table(written, [one], "benchmarks.md", notes=True) == written
    assert report.with_table("no marks", [one]) == "no marks"
