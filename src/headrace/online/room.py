"""Room: files of LMDB that only their owner can read, and what it says when the disk is full or one is broken."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from headrace.errors import Fault, HeadraceError
from headrace.lake.lock import exclusive

DAMAGED = "HR-ONLINE-001"
REBUILD = "a running service makes it anew from the lake by itself; 'headrace state rebuild' does so where none runs"
RESTORE = "restore the folder 'spool' of the project's state: answers that are not in the lake yet are in it"
_READERS = 512
_LOCK_BYTES = 64 << 10
"""More than LMDB needs for so many readers."""
_BROKEN = (
    lmdb.CorruptedError | lmdb.PageNotFoundError | lmdb.InvalidError | lmdb.PanicError
    # of a look that goes on behind a page that it could not read, and of a page that lists databases
    | lmdb.BadTxnError | lmdb.BadDbiError | lmdb.IncompatibleError
)  # fmt: skip
_FULL = ("No space left", "File too large", "quota", "Input/output")


def environment(
    folder: Path, map_bytes: int, databases: int, cure: str, metasync: bool = True, sync: bool = True
) -> Any:
    """Open an LMDB environment (mode 0600), made where it is absent.

    Args:
        folder: of its files.
        map_bytes: upper bound of its size; it only takes what is used.
        databases: at most so many named ones.
        cure: what helps when its file is broken.
        metasync: whether also the last transaction survives the loss of power, besides the wholeness of all.
        sync: whether anything does; without it the files are to be deleted when the machine begins anew.

    Raises:
        HeadraceError: HR-ONLINE-001 when the file is broken, 002 when the disk is full.
    """
    try:
        with no_room():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "opening.lock").touch(mode=0o600)
            with exclusive(folder / "opening.lock"):
                _take_room(folder / "lock.mdb")
                _remove_stub(folder / "data.mdb")
                how: dict[str, Any] = {"map_size": map_bytes, "max_dbs": databases, "max_readers": _READERS}
                opened = lmdb.open(str(folder), mode=0o600, metasync=metasync, sync=sync, **how)
                _reach(opened, folder / "data.mdb")
                return opened
    except lmdb.Error as error:
        found = f"a file of LMDB that cannot be opened ({type(error).__name__})"
        raise HeadraceError(Fault(DAMAGED, "", found, "an intact one", cure)) from error


def is_damage(error: BaseException) -> bool:
    """Return whether an error says that a file is not what was written."""
    if isinstance(error, HeadraceError):
        return error.faults[0].code == DAMAGED
    return isinstance(error, _BROKEN)


def intact(folder: Path) -> bool:
    """Return whether a file of LMDB, if there is one, has all the pages that it speaks of.

    In one that was cut short LMDB reads where nothing is, which ends the process.
    """
    data = folder / "data.mdb"
    if not data.exists() or data.stat().st_size < 2 * mmap.PAGESIZE:
        return True  # nothing was written yet
    try:
        with lmdb.open(str(folder), readonly=True, lock=False, create=False) as env:
            return data.stat().st_size >= _page_bytes(env)
    except lmdb.Error:
        return False


def named(env: Any, names: Iterable[bytes]) -> list[Any]:
    """Return databases of an environment by name, made where they are absent.

    Raises:
        HeadraceError: HR-ONLINE-002 when the disk is full.
    """
    with no_room():
        return [env.open_db(name) for name in names]


def _take_room(lock: Path) -> None:
    """Take the blocks of the file of readers: LMDB maps it with holes, and a full disk would end the process there."""
    if lock.exists() and lock.stat().st_blocks * 512 >= _LOCK_BYTES:
        return  # closing it anew would free the locks that this process has on it
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(file, 0, _LOCK_BYTES)
    finally:
        os.close(file)


def has_pages(data: Path) -> bool:
    """Whether a file of LMDB has its two first pages: one that a full disk cut off before never held anything."""
    return data.exists() and data.stat().st_size >= 2 * mmap.PAGESIZE


def _remove_stub(data: Path) -> None:
    if not has_pages(data):
        data.unlink(missing_ok=True)


def _page_bytes(env: Any) -> int:
    """Return as far as the pages of a file are numbered."""
    return int((env.info()["last_pgno"] + 1) * env.stat()["psize"])


def _reach(env: Any, data: Path) -> None:
    """Let a file that was cut off reach as far as its pages are numbered.

    LMDB maps it: a page behind its end would end the process (SIGBUS), one of zeros is found to be no page. That it is
    shorter is no proof that something is lost, free pages at the end may never have been written: all are looked at.
    """
    whole = _page_bytes(env)
    if data.stat().st_size >= whole:
        return
    os.truncate(data, whole)
    try:
        with env.begin() as transaction:
            names = [bytes(name) for name, _ in transaction.cursor()]
        for name in names:
            database = env.open_db(name, create=False)
            with env.begin(db=database) as transaction, transaction.cursor() as cursor:
                for _ in cursor:
                    pass
    except lmdb.Error:
        env.close()
        raise


@contextmanager
def no_room() -> Iterator[None]:
    """Turn a full disk, or a full file of LMDB, into HR-ONLINE-002."""
    try:
        yield
    except (lmdb.MapFullError, lmdb.DiskError, OSError) as error:
        raise _full(error) from error
    except lmdb.Error as error:
        if any(sign in str(error) for sign in _FULL):
            raise _full(error) from error
        raise


def _full(error: Exception) -> HeadraceError:
    found = f"a disk that takes no more ({type(error).__name__})"
    cure = "free some space: nothing was answered that is not on record"
    return HeadraceError(Fault("HR-ONLINE-002", "", found, "room for state and records", cure))
