"""Model files and what is kept beside them: one folder, each file under its digest, there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.lake.disk import sync
from headrace.learn.scorer import digest_of

INTACT, ALTERED, GONE = "intact", "altered", "gone"


class Files:
    """Files by their SHA-256 digest.

    Args:
        folder: of them; made with the first.

    Example:
        >>> import tempfile
        >>> files = Files(Path(tempfile.mkdtemp()))
        >>> digest = files.keep("notes.txt", b"two lines")
        >>> files.state("notes.txt", digest), files.path("notes.txt", digest).name[-4:]
        ('intact', '.txt')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, digest: str) -> Path:
        """Return where a file lies; the ending of its name stays, so that other programs know what it is."""
        return self.folder / f"{digest}{Path(name).suffix}"

    def state(self, name: str, digest: str) -> str:
        """Return whether a file is ``intact``, ``altered`` or ``gone``."""
        path = self.path(name, digest)
        if not path.is_file():
            return GONE
        return INTACT if digest_of(path.read_bytes()) == digest else ALTERED

    def keep(self, name: str, content: bytes) -> str:
        """Write a file and return its digest; a damaged one is replaced.

        Raises:
            HeadraceError: HR-LEARN-020 when it cannot be written.
        """
        digest = digest_of(content)
        path = self.path(name, digest)
        if path.exists() and path.read_bytes() == content:
            return digest
        try:
            write(path, content)
        except OSError as error:
            found = f"a model file that cannot be written ({error.strerror})"
            cure = "make room on the disk and run again: nothing was registered"
            raise HeadraceError(Fault("HR-LEARN-020", "", found, "a folder with room", cure)) from error
        return digest

    def others(self, wanted: Collection[Path]) -> Iterator[Path]:
        """Yield the files that are not among some paths, what killed processes left half written among them."""
        if self.folder.is_dir():
            yield from (path for path in sorted(self.folder.iterdir()) if path not in wanted)


def write(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that it is there whole or not at all.

    Raises:
        OSError: when the disk refuses it; nothing half is left.
    """
    half = path.with_suffix(".half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        sync(path.parent)
    except OSError:
        half.unlink(missing_ok=True)
        raise
