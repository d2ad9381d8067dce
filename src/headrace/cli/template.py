"""Templates of projects: plain files, in which ``{{name}}`` stands for the name of the project."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from headrace.errors import Fault, HeadraceError

TEMPLATES = ("fraud",)
PLAIN = "plain"
"""All but ``project.py``, which ``init --from`` writes."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ENDING = ".template"
"""Under its own name, a file of a template would be taken by git, linters and test runners as one of ours."""


def make_project(folder: Path, name: str, template: str, python: str | None = None) -> list[str]:
    """Write a template's files into a new folder and return their paths relative to it.

    Args:
        folder: to make; an empty one may be there already.
        name: of the project.
        template: one of ``TEMPLATES``, or ``plain``.
        python: the text of ``project.py``, where the template has none.

    Raises:
        HeadraceError: HR-INIT-001 bad name, 002 the folder is in use, 003 it cannot be written.

    Example:
        >>> import tempfile
        >>> sorted(make_project(Path(tempfile.mkdtemp()) / "bank", "bank", "fraud"))[:2]
        ['.gitignore', 'README.md']
    """
    check_new(folder, name)
    try:
        written = [_copy(path, source, folder, name) for path, source in _files(template)]
        if python is not None:
            (folder / "project.py").write_text(python, encoding="utf-8")
            written.append("project.py")
    except OSError as error:
        found = f"{folder.name} could not be written: {error.strerror or error}"
        cure = "go to a folder that is yours, or make room; then remove what was begun"
        raise HeadraceError(Fault("HR-INIT-003", "", found, "a folder that can be written", cure)) from error
    return sorted(written)


def check_new(folder: Path, name: str) -> None:
    """Refuse a name that no project can have, and a folder that holds something.

    Raises:
        HeadraceError: HR-INIT-001, 002.
    """
    if not _NAME.fullmatch(name):
        expected = "lower-case letters, digits and underscores, beginning with a letter, at most 63"
        raise HeadraceError(Fault("HR-INIT-001", "", f"a project named {name!r}", expected, _better(name)))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        cure = "choose another name, or remove what is there"
        raise HeadraceError(Fault("HR-INIT-002", "", f"{folder.name} exists already", "a new folder", cure))


def _better(name: str) -> str:
    better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:63]
    return f"name it {better!r}" if _NAME.fullmatch(better) else "choose another name"


def _files(template: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []

    def walk(at: Traversable, prefix: str) -> None:
        for one in sorted(at.iterdir(), key=lambda entry: entry.name):
            if one.is_dir():
                walk(one, f"{prefix}{one.name}/")
            elif one.name.endswith(_ENDING):
                found.append((f"{prefix}{one.name.removesuffix(_ENDING)}", one))

    walk(resources.files("headrace.cli") / "templates" / template, "")
    return found


def _copy(path: str, source: Traversable, folder: Path, name: str) -> str:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
    return path
