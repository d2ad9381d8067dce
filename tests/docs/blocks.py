"""The fenced blocks of README and docs: what they are, and how to run them as a reader would.

``python -m tests.docs.blocks`` says how many run and which do not.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
RUN = ("python", "console")
SHOWN = ("text", "toml", "sql", "json", "html", "mermaid", "{toctree}", "{literalinclude}")
"""Languages of blocks that show something and cannot be run."""

_OPEN = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_EXIT = re.compile(r"\s*#\s*exit (\d+)\s*$")
_PATIENCE_S = 240
_PORT = "8479"
"""The port of services in the pages; it stands for a free one, since pages may be run side by side."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its file, the line of its first line of text (from 1), its info string, its text."""

    path: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split()[0] if self.info else ""

    @property
    def runs(self) -> bool:
        return self.language in RUN and "no-run" not in self.info.split()

    @property
    def place(self) -> str:
        return f"{self.path.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One ``$`` line of a console block, the exit code that it must end with, and the output that must be in it."""

    text: str
    exit_code: int
    output: str


def pages() -> list[Path]:
    """README and all Markdown files below docs, in the order of their paths."""
    built = ROOT / "docs" / "_build"
    below = sorted(path for path in (ROOT / "docs").rglob("*.md") if built not in path.parents)
    return [path for path in (ROOT / "README.md",) if path.exists()] + below


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a file, in order; the indentation of a fence is taken off its text."""
    return list(_blocks(path, path.read_text(encoding="utf-8").splitlines()))


def _blocks(path: Path, lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        opening = _OPEN.match(lines[at])
        at += 1
        if opening is None:
            continue
        indent, fence, first = len(opening["indent"]), opening["fence"], at
        while at < len(lines) and not re.fullmatch(rf" *{fence[0]}{{{len(fence)},}} *", lines[at]):
            at += 1
        text = "\n".join(re.sub(rf"^ {{0,{indent}}}", "", line) for line in lines[first:at])
        yield Block(path, first + 1, opening["info"].strip(), text)
        at += 1


def commands(text: str) -> list[Command]:
    """The commands of a console block; ``# exit N`` on the command's line or on the next one names its exit code."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if found and len(found[-1]) == 1 and found[-1][0].endswith("\\"):
            found[-1][0] = found[-1][0][:-1] + line.removeprefix(">").strip()
        elif line.startswith("$ "):
            found.append([line[2:].rstrip()])
        elif found:
            found[-1].append(line)
        elif line.strip():
            raise ValueError(f"a console block begins with a line that is no '$ command': {line!r}")
    return [_command(first, rest) for first, *rest in found]


def _command(first: str, rest: list[str]) -> Command:
    exit_code = 0
    if match := _EXIT.search(first):
        first, exit_code = first[: match.start()], int(match[1])
    elif rest and (match := _EXIT.fullmatch(rest[0])):
        rest, exit_code = rest[1:], int(match[1])
    return Command(first, exit_code, "\n".join(rest).strip())


def says(expected: str, real: str) -> bool:
    """Whether the expected lines stand in the real output; ``...`` stands for anything, blanks are all alike."""
    parts = (" ".join(part.split()) for part in expected.split("..."))
    pattern = ".*?".join(re.escape(part) for part in parts)
    return re.search(pattern, " ".join(real.split())) is not None


@dataclass
class Reader:
    """Follows a page from top to bottom: one folder, one set of names, one shell's place.

    Attributes:
        folder: where the reader stands; ``$ cd`` moves it, for Python too.
        page: the module that the page's Python blocks fill; a real one, as declarations look up their module.
        started: what runs in the background until the reader leaves.
        port: where this reader's service listens.
    """

    folder: Path
    page: ModuleType = field(default_factory=lambda: ModuleType("page_of_the_docs"))
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    port: str = field(default_factory=lambda: _free_port())

    def __post_init__(self) -> None:
        sys.modules[self.page.__name__] = self.page

    def follow(self, block: Block) -> None:
        """Run one block; raise AssertionError, or what its code raises, with the line of the page."""
        block = replace(block, text=block.text.replace(_PORT, self.port))
        if block.language == "python":
            self._python(block)
        else:
            for command in commands(block.text):
                self._shell(command, block.place)

    def _python(self, block: Block) -> None:
        # Padded, so that line numbers and inspect.getsource are those of the page itself.
        code = compile("\n" * (block.line - 1) + block.text, str(block.path), "exec", dont_inherit=True)
        before = Path.cwd()
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))  # as of a notebook that lies there
        try:
            exec(code, vars(self.page))
        finally:
            sys.path.remove(str(self.folder))
            os.chdir(before)

    def _shell(self, command: Command, place: str) -> None:
        if command.text.startswith("cd "):
            self.folder = (self.folder / command.text[3:].strip()).resolve(strict=True)
        elif command.text.endswith("&"):
            self.started.append(self._start(command.text.rstrip("& ")))
        else:
            self._finish(command, place)

    def _start(self, text: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", text],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _finish(self, command: Command, place: str) -> None:
        process = self._start(command.text)
        try:
            real, _ = process.communicate(timeout=_PATIENCE_S)
        finally:
            _stop(process)
        where = f"{place}: $ {command.text}"
        assert process.returncode == command.exit_code, f"{where}\nexit {process.returncode}\n{real}"
        assert says(command.output, real), f"{where}\n-- expected --\n{command.output}\n-- real --\n{real}"

    def leave(self) -> None:
        """Stop what ``$ command &`` lines have started, and forget the page's names."""
        for name in (self.page.__name__, "project"):
            sys.modules.pop(name, None)
        for process in self.started:
            _stop(process)


def _free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def _environment() -> dict[str, str]:
    mine = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
    return {**os.environ, **mine, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _stop(process: subprocess.Popen[str]) -> None:
    """End a command with all that it started: its session is its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def main() -> None:
    """Say how many blocks run, and name those that could and do not."""
    every = [block for path in pages() for block in blocks(path)]
    idle = [block for block in every if block.language in RUN and not block.runs]
    shown = sum(block.language not in RUN for block in every)
    places = f" ({', '.join(block.place for block in idle)})" if idle else ""
    print(f"docs: {sum(block.runs for block in every)} blocks run, {len(idle)} not run{places}, {shown} only show")


if __name__ == "__main__":
    main()
