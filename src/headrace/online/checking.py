"""Reading a whole state once, in a process of its own: of a file whose pages are no pages LMDB may end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lmdb

from headrace.online.packed import unpack

_SLOT = b"slot-"
_DATABASES = 256


def sound(folder: Path) -> bool:
    """Return whether all of a state can be read, and every chunk of it is what was written.

    Args:
        folder: of the state; others may write to it meanwhile, whose lock it takes part in.
    """
    command = [sys.executable, "-P", "-m", "headrace.online.checking", str(folder)]
    quiet = subprocess.DEVNULL
    return subprocess.run(command, stdout=quiet, stderr=quiet, check=False).returncode == 0  # noqa: S603 - fixed words


def _read(folder: Path) -> None:
    with (
        lmdb.open(str(folder), readonly=True, create=False, max_dbs=_DATABASES) as env,
        env.begin(buffers=True) as transaction,
    ):
        names = [bytes(name) for name, _ in transaction.cursor()]
        for name in names:
            for _, chunk in transaction.cursor(db=env.open_db(name, transaction, create=False)):
                if name.startswith(_SLOT):
                    unpack(chunk)


if __name__ == "__main__":
    _read(Path(sys.argv[1]))
