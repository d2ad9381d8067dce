"""What is printed stands there as it is: rich reads no markup in names and paths."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from headrace.cli.progress import Bars
from headrace.cli.terminal import print_table
from headrace.run import StepReport
from tests.cli.test_init_from import call, here  # noqa: F401 - a fixture


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_titles_heads_and_cells_keep_their_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("at data/[x]/a.csv", ("[bold]n", "m [red]"), [("[/x]", 1)])
    told = capsys.readouterr().out
    assert all(one in told for one in ("at data/[x]/a.csv", "[bold]n", "m [red]", "[/x]"))


def test_so_do_the_steps_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Bars() as bars:
        bars.begins("load:[x]", ())
        bars.ends(StepReport("load:[y]", "done", (), 1.0, {}))
    assert "load:[x]" in terminal.getvalue()
    assert "load:[y]" in terminal.getvalue()


def test_init_names_the_folder_that_it_looked_at(here: Path) -> None:  # noqa: F811
    (here / "data" / "[x]").mkdir(parents=True)
    (here / "data" / "[x]" / "a.csv").write_text("n\n1\n")
    made = call("init", "shop", "--from", "data/[x]/a.csv")
    assert made.exit_code == 0, made.output
    assert "data/[x]/a.csv" in made.stdout
