"""Files that commands write: whole, or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import Fault, HeadraceError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file beside another one, which it becomes when the block ends well.

    Raises:
        HeadraceError: HR-CLI-002 when it cannot be written.
    """
    half = path.with_name(f"{path.name}.part")
    try:
        try:
            yield half
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        found = f"{path.name} could not be written: {error.strerror or error}"
        cure = "name another file, or make room"
        raise HeadraceError(Fault("HR-CLI-002", "", found, "a file that can be written", cure)) from error
