"""Watching the files that declare a project: looked at now and then, told when they have come to rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_NOT_OURS = ("node_modules", "__pycache__", "site-packages")
Seen = dict[str, tuple[int, int]]


class Watch:
    """The Python files below a folder, and ``headrace.toml``.

    Args:
        folder: of the project.
        state_dir: where nothing is declared.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> watch = Watch(folder, folder / ".headrace")
        >>> _ = (folder / "project.py").write_text("# a bank")
        >>> watch.changed(), watch.changed(), watch.changed()
        (False, True, False)
    """

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self._folder, self._state_dir = folder, state_dir
        self._known = self._before = self._look()

    def changed(self) -> bool:
        """Whether files have changed, and are as they were at the last look: who saves many is not done at once."""
        now = self._look()
        rests, self._before = now == self._before, now
        if not rests or now == self._known:
            return False
        self._known = now
        return True

    def _look(self) -> Seen:
        return dict(self._files(self._folder))

    def _files(self, folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        if any(one.name == "pyvenv.cfg" for one in entries):
            return
        for one in entries:
            try:
                if one.is_dir(follow_symlinks=False):
                    if not one.name.startswith(".") and one.name not in _NOT_OURS and Path(one) != self._state_dir:
                        yield from self._files(Path(one))
                elif one.name.endswith(".py") or (one.name == "headrace.toml" and folder == self._folder):
                    said = one.stat()
                    yield one.path, (said.st_mtime_ns, said.st_size)
            except OSError:  # removed meanwhile
                continue
