"""Tables in a bucket of S3: addresses that are used as paths are; keys come from the environment."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.fs as pafs

SCHEME = "s3://"


@dataclass(frozen=True, order=True)
class Address:
    """Where something is in a bucket: as much of ``pathlib.Path`` as a lake needs.

    Args:
        key: bucket and path, without the scheme and without a slash at the end.
    """

    key: str

    def __str__(self) -> str:
        return SCHEME + self.key

    def __truediv__(self, part: str) -> Address:
        return Address(f"{self.key}/{part}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Address:
        """What it lies in."""
        return Address(self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Whether there is such an object, or one below it."""
        import pyarrow.fs as pafs

        return bool(system().get_file_info(self.key).type != pafs.FileType.NotFound)

    def mkdir(self, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Do nothing: a bucket has no folders."""

    def iterdir(self) -> Iterator[Address]:
        """Yield what lies directly in it."""
        return (Address(one.path.rstrip("/")) for one in self._within(recursive=False))

    def files(self) -> Iterator[tuple[str, int, int]]:
        """Yield the objects directly in it: name, bytes, and last change in microseconds UTC."""
        import pyarrow.fs as pafs

        for one in self._within(recursive=False):
            if one.type == pafs.FileType.File:
                yield Address(one.path).name, one.size, one.mtime_ns // 1000

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return what an object holds."""
        with system().open_input_stream(self.key) as stream:
            return str(stream.readall().decode(encoding))

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove an object; one that is not there is removed already."""
        try:
            system().delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmtree(self) -> None:
        """Remove it and all objects below it."""
        system().delete_dir(self.key)

    def _within(self, *, recursive: bool) -> list[Any]:
        import pyarrow.fs as pafs

        selector = pafs.FileSelector(self.key, recursive=recursive, allow_not_found=True)
        return list(system().get_file_info(selector))


Place = Path | Address
"""A folder or file of a lake: of this machine, or in a bucket."""


def place(root: Path | str | Address) -> Place:
    """Return where a lake is, from a path or an address.

    Example:
        >>> place("s3://bank/lake/") / "payments"
        Address(key='bank/lake/payments')
    """
    if isinstance(root, Address):
        return root
    text = str(root)
    if text.startswith(SCHEME):
        return Address(text.removeprefix(SCHEME).rstrip("/"))
    return Path(root)


def source(file: Place | str) -> Any:
    """Return what pyarrow reads a Parquet file from: a path, or an open object."""
    found = place(file)
    return system().open_input_file(found.key) if isinstance(found, Address) else str(found)


def sink(file: Place) -> Any:
    """Return what pyarrow writes a new file to."""
    import pyarrow as pa

    return system().open_output_stream(file.key) if isinstance(file, Address) else pa.OSFile(str(file), "wb")


def files(folder: Place) -> list[tuple[str, int, int]]:
    """Return the Parquet files directly in a folder, sorted: name, bytes, and last change in microseconds UTC."""
    if isinstance(folder, Address):
        return sorted(one for one in folder.files() if one[0].endswith(".parquet"))
    stats = ((file.name, file.stat()) for file in folder.glob("*.parquet"))
    return sorted((name, one.st_size, one.st_mtime_ns // 1000) for name, one in stats)


def endpoint() -> str | None:
    """Return where S3 is, if it is not of AWS: Arrow does not read this variable, as other clients do."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def system() -> pafs.FileSystem:
    """Return the file system of all buckets, for the endpoint and keys that the environment names."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN")
    return _system(endpoint(), region(), tuple(os.environ.get(one) for one in names))


@functools.lru_cache(4)
def _system(at: str | None, region: str | None, _keys: tuple[str | None, ...]) -> pafs.FileSystem:
    import pyarrow.fs as pafs

    return pafs.S3FileSystem(endpoint_override=at, region=region)


def region() -> str | None:
    """Return the region that the environment names."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def options(path: Place) -> dict[str, str] | None:
    """Return what deltalake needs to know of a bucket, keys aside, which it finds itself.

    A commit is an object that must not be there yet, so of two writers one is told that it came second.
    """
    if isinstance(path, Path):
        return None
    at = endpoint()
    given = {"aws_conditional_put": "etag", "aws_endpoint": at, "aws_region": region()}
    plain = {"aws_allow_http": "true"} if at is not None and at.startswith("http://") else {}
    return {name: value for name, value in given.items() if value is not None} | plain
