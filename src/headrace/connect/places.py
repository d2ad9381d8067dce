"""Where files are: folders of this machine and buckets of S3, found by one name and read through one small value."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from headrace.errors import Fault, HeadraceError
from headrace.lake.bucket import system

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.fs as pafs

PACKED = {".gz": "gzip", ".zst": "zstd"}
"""Endings of compressed files, and what they are compressed by."""
_BLOCK = 1 << 20
_FEED, _RETURN = b"\n\r"
_BY_SERVER = re.compile(r"AWS Error|HTTP status|Unable to connect|curlCode")
"""What Arrow says when it is the server that fails, or the way to it, and not what a file holds."""
_KINDS = ("ACCESS_DENIED", "EXPIRED", "INVALID_ACCESS_KEY", "SIGNATURE", "NO_SUCH_BUCKET", "NETWORK_CONNECTION",
          "SLOW_DOWN", "INTERNAL_FAILURE", "SERVICE_UNAVAILABLE", "INVALID")  # fmt: skip
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class File:
    """A file of a source.

    Args:
        name: as the project knows it: its path relative to the project's folder, or its address.
        path: in its file system.
        size: in bytes.
        mark: changes when the file is written anew: its size and the time of its last change.
        system: of files.
    """

    name: str
    path: str
    size: int
    mark: str
    system: pafs.FileSystem = field(compare=False, repr=False)

    @property
    def plain(self) -> str:
        """Its name without the ending that says how it is compressed."""
        return next((self.name[: -len(end)] for end in PACKED if self.name.lower().endswith(end)), self.name)

    @property
    def packed(self) -> str | None:
        """How it is compressed, or None."""
        return next((kind for end, kind in PACKED.items() if self.name.lower().endswith(end)), None)

    def stream(self) -> pa.NativeFile:
        """Open what it holds, unpacked, to be read once from its beginning."""
        return self.system.open_input_stream(self.path, compression=self.packed, buffer_size=_BLOCK)

    def random(self) -> pa.NativeFile:
        """Open its bytes as they are, to be read anywhere."""
        return self.system.open_input_file(self.path)

    def rests(self) -> bool | None:
        """Return whether it is as it was found; None where only its content can tell.

        A bucket lists times that may be finer than those which it tells of one object.
        """
        info = self.system.get_file_info(self.path)
        if info.size != self.size:
            return False
        second, rest = divmod(info.mtime_ns, 10**9)
        same = self.mark == _mark(info.size, info.mtime_ns)
        return same or (rest == 0 and self.mark.startswith(f"{info.size}:{second}")) or None

    def beginnings(self, sizes: npt.NDArray[np.int64], *, unpacked: bool = False) -> dict[str, int]:
        """Return the SHA-256 of its first bytes, for each of some sizes that are less than its own; and these.

        Args:
            sizes: in order; those count where a line ends here, or a compressed part.
            unpacked: whether to read what a compressed file holds.
        """
        found, read, before, first = {}, hashlib.sha256(), 0, b""
        mine = sizes if unpacked else sizes[: sizes.searchsorted(self.size)]
        with self._opened(unpacked=unpacked) as raw:
            while len(mine) and (block := raw.read(_BLOCK)):
                first = first or block[:2]
                here, mine = np.split(mine, [mine.searchsorted(before + len(block), "right")])
                ends, done = here - before, 0
                for end in ends[_may_end(block, ends, first)]:
                    read.update(block[done:end])
                    found[read.hexdigest()], done = before + int(end), int(end)
                read.update(block[done:])
                before += len(block)
        return found

    def digest(self, size: int | None = None, *, unpacked: bool = False) -> str:
        """Return the SHA-256 of its bytes, of its first ``size`` bytes, or of all that it holds unpacked, in hex."""
        found = hashlib.sha256()
        left = sys.maxsize if unpacked else self.size if size is None else size
        with self._opened(unpacked=unpacked) as raw:
            while left > 0 and (block := raw.read(min(left, _BLOCK))):
                left -= len(block)
                found.update(block)
        return found.hexdigest()

    def _opened(self, *, unpacked: bool) -> pa.NativeFile:
        return self.stream() if unpacked else self.system.open_input_stream(self.path, compression=None)


def _may_end(block: bytes, ends: npt.NDArray[np.int64], first: bytes) -> npt.NDArray[np.bool_]:
    """Whether something may end before some places of a block: a line, or a part whose next begins as the file does."""
    data = np.frombuffer(block + first + first, np.uint8)
    before, behind = data[ends - 1], data[ends]
    found: npt.NDArray[np.bool_] = (before == _FEED) | (behind == _FEED) | (behind == _RETURN)
    found |= (behind == data[-2]) & (data[ends + 1] == data[-1])
    return found


def local(path: Path, folder: Path) -> File:
    """Return a file of this machine under the name that a project in ``folder`` knows it by."""
    import pyarrow.fs as pafs

    stat = path.stat()
    mark = _mark(stat.st_size, stat.st_mtime_ns)
    return File(known_as(path, folder), str(path), stat.st_size, mark, pafs.LocalFileSystem())


def _mark(size: int, changed_ns: int | None) -> str:
    return f"{size}:{changed_ns}"


def known_as(path: Path, folder: Path) -> str:
    """Return the name that a project in ``folder`` knows a file of this machine by."""
    return Path(os.path.relpath(path, folder)).as_posix()


def find_files(folder: Path, source: str, suffixes: Iterable[str]) -> list[File]:
    """Return the files that a source names, in the order of their names.

    Args:
        folder: of the project.
        source: file, folder (searched through for files of the given endings) or glob, relative to ``folder``; or such
            an address in a bucket, ``s3://bucket/path``.
        suffixes: endings of the files that a folder is searched for.

    Raises:
        HeadraceError: HR-SOURCE-001 when there is none, 015 when a bucket cannot be read.
    """
    found = (
        _in_bucket(source, tuple(suffixes)) if source.startswith("s3://") else _here(folder, source, tuple(suffixes))
    )
    if not found:
        cure = "put files there, or change source in the declaration"
        raise HeadraceError(Fault("HR-SOURCE-001", source, "no file", "a file, a folder or a glob of files", cure))
    return sorted(found, key=lambda file: file.name)


def _here(folder: Path, source: str, suffixes: tuple[str, ...]) -> list[File]:
    named = folder / source
    if named.is_dir():
        found = [path for path in named.rglob("*") if is_meant(path, named, suffixes) and path.is_file()]
    elif named.is_file():
        found = [named]
    else:
        # Python 3.11 takes ** at the end for folders alone.
        pattern = Path(source, "*") if Path(source).name == "**" else Path(source)
        base = Path(pattern.anchor) if pattern.anchor else folder
        meant = base.glob(str(pattern.relative_to(pattern.anchor)))
        spelled = _hidden(pattern)
        found = [path for path in meant if (spelled or not _hidden(path.relative_to(base))) and path.is_file()]
    return [local(path, folder) for path in found]


def is_meant(path: PurePath, folder: PurePath | str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file below a folder is one of its rows: of a known ending, and not hidden as half-written ones are."""
    return path.name.lower().endswith(suffixes) and not _hidden(path.relative_to(folder))


def _hidden(path: PurePath) -> bool:
    """Whether a file is hidden, or in a hidden folder; the file that a spreadsheet keeps while one is open is, too."""
    return any(part.startswith((".", "~$")) and part != ".." for part in path.parts)


def _in_bucket(source: str, suffixes: tuple[str, ...]) -> list[File]:
    """The files below an address; keys, secrets and the endpoint come from the environment, as in every S3 client."""
    import pyarrow.fs as pafs

    path = source.removeprefix("s3://").rstrip("/")
    try:
        store = system()
        named = store.get_file_info(path)
        glob = _GLOB.search(path) if named.type == pafs.FileType.NotFound else None
        below = pafs.FileSelector(
            path[: glob.start()].rpartition("/")[0] if glob else path, recursive=True, allow_not_found=True
        )
        infos = [named] if named.type == pafs.FileType.File else store.get_file_info(below)
    except OSError as error:
        raise HeadraceError(_unreachable(source, error)) from error
    files = [info for info in infos if info.type == pafs.FileType.File]
    if glob:
        spelled = _hidden(PurePosixPath(path))
        files = [one for one in files if _fits(one.path, path) and (spelled or not _hidden(PurePosixPath(one.path)))]
    elif named.type != pafs.FileType.File:
        files = [info for info in files if is_meant(PurePosixPath(info.path), path, suffixes)]
    return [File(f"s3://{one.path}", one.path, one.size, _mark(one.size, one.mtime_ns), store) for one in files]


def _fits(path: str, pattern: str) -> bool:
    """Whether a path fits a glob part by part, as in a folder; ``**`` stands for any number of parts."""
    return _match(path.split("/"), pattern.split("/"))


def _match(parts: list[str], patterns: list[str]) -> bool:
    if not patterns or not parts:
        return not parts and all(one == "**" for one in patterns)
    if patterns[0] == "**":
        return _match(parts, patterns[1:]) or _match(parts[1:], patterns)
    return fnmatch.fnmatchcase(parts[0], patterns[0]) and _match(parts[1:], patterns[1:])


def withheld(name: str, error: Exception) -> Fault | None:
    """Return what is to be said of an object that its bucket does not give, None for one that it gives as it is.

    Args:
        name: of the file.
        error: of reading it, which may as well be of its content.
    """
    if not name.startswith("s3://") or not isinstance(error, OSError) or not _BY_SERVER.search(str(error)):
        return None
    kind = _kind_of(error)
    found = f"an object that the bucket lists and does not give ({kind or 'it fails'})"
    cure = "see that the keys may read it (s3:GetObject) and are not expired, and that the server is well; run again"
    return Fault("HR-SOURCE-015", name, found, "one that can be read", cure)


def _kind_of(error: OSError) -> str:
    """What a client of S3 says may hold keys: only the kind of the error is told."""
    said = str(error)
    return next((word for word in _KINDS if word in said), "")


def _unreachable(source: str, error: OSError) -> Fault:
    kind = _kind_of(error)
    found = f"a bucket that cannot be read{f' ({kind})' if kind else ''}"
    cure = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL where it is not of AWS"
    return Fault("HR-SOURCE-015", source, found, "one that lists its objects", cure)
