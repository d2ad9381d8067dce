"""The documents run: every Python and console block of README and docs is executed, in order, as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, RUN, SHOWN, Block, Command, Reader, blocks, commands, pages, says

_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
_FROM_THE_NET = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//"""
)
_CSS_FROM_THE_NET = re.compile(r"""url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//""")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [path for path in pages() if any(one.runs for one in blocks(path))], ids=_name)
def test_page_runs(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for block in blocks(page):
            if block.runs:
                reader.follow(block)
    finally:
        reader.leave()


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    strange = [one.place for one in blocks(page) if one.language not in (*RUN, *SHOWN)]
    assert not strange, f"blocks in no known language (python, console, or one of {SHOWN}): {strange}"


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    targets = [target for target in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    listed: set[Path] = {docs / "index.md"}
    for page in pages():
        for block in blocks(page):
            if block.language == "{toctree}":
                entries = [
                    line.strip() for line in block.text.splitlines() if line.strip() and not line.startswith(":")
                ]
                listed |= {(page.parent / f"{entry.removesuffix('.md')}.md").resolve() for entry in entries}
    missing = [_name(page) for page in pages() if docs in page.parents and page.resolve() not in listed]
    assert not missing, f"add these to a toctree: {missing}"


def test_pages_build_and_load_nothing_from_the_network(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the docs group is not installed")
    # The places of caches and the site are ours; warnings are errors.
    words = ["-b", "html", "-W", "--keep-going", "-q", "-d", tmp_path / "cache", ROOT / "docs", tmp_path / "site"]
    built = subprocess.run([sys.executable, "-m", "sphinx", *map(str, words)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    site = tmp_path / "site"
    assert (site / "semantics.html").exists()
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*") if path.suffix in (".html", ".css")}
    outside = [
        path.name for path, text in texts.items() if _FROM_THE_NET.search(text) or _CSS_FROM_THE_NET.search(text)
    ]
    assert not outside


# -- the machinery itself ----------------------------------------------------------------------------------------------


def test_blocks_know_their_line_their_language_and_whether_they_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# T\n\n```python\nx = 1\n```\n- a\n\n  ```python no-run\n  y = 2\n  ```\n\n~~~text\n```\n~~~\n")
    expected = [
        Block(page, 4, "python", "x = 1"),
        Block(page, 9, "python no-run", "y = 2"),
        Block(page, 13, "text", "```"),
    ]
    assert blocks(page) == expected
    assert [block.runs for block in blocks(page)] == [True, False, False]


def test_commands_carry_their_exit_code_and_output() -> None:
    text = "$ one --a \\\n>   --b\n$ two  # exit 1\nfound ...\n$ three\n# exit 2\n\nlast\n"
    assert commands(text) == [
        Command("one --a --b", 0, ""),
        Command("two", 1, "found ..."),
        Command("three", 2, "last"),
    ]


@pytest.mark.parametrize(
    ("expected", "real", "holds"),
    [
        ("", "anything", True),
        ("rows 10", "read\nrows   10\nend", True),
        ("rows ...\nend", "rows 10\nmore\nend", True),
        ("end ... rows", "rows 10\nend", False),
        ("rows (10)", "rows 10", False),
    ],
)
def test_output_is_compared_up_to_wildcards(expected: str, real: str, holds: bool) -> None:
    assert says(expected, real) is holds


def test_reader_keeps_names_and_place_and_fails_on_a_wrong_exit_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    fence = "`" * 3
    page.write_text(
        f"{fence}console\n$ mkdir inner\n$ cd inner\n$ sleep 60 &\n{fence}\n{fence}python\nhere = 'inner'\n{fence}\n"
        f"{fence}python\nfrom pathlib import Path\nassert Path.cwd().name == here\n{fence}\n"
        f"{fence}console\n$ false\n{fence}\n"
    )
    reader = Reader(tmp_path)
    first, second, third, wrong = blocks(page)
    for block in (first, second, third):
        reader.follow(block)
    with pytest.raises(AssertionError, match="exit 1"):
        reader.follow(wrong)
    reader.leave()
    assert reader.started[0].returncode is not None


def test_a_fault_in_a_page_is_told_with_the_line_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n\n```python\nok = 1\nraise KeyError('here')\n```\n")
    with pytest.raises(KeyError) as caught:
        Reader(tmp_path).follow(blocks(page)[0])
    assert caught.traceback[-1].lineno + 1 == 5
