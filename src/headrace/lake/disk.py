"""What is acknowledged is on the disk: files and the names in their folders are synced before anyone is told."""

from __future__ import annotations

import errno
import os

from headrace.lake.bucket import Address, Place

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says when there is no room: on the disk, in a quota, or in one file."""


def sync(*paths: Place) -> None:
    """Wait until files, and for folders the names in them, would survive a power cut.

    Args:
        paths: of files and folders; a file is safe when the folder that names it was synced as well. What is in a
            bucket is safe once it is there.

    Raises:
        OSError: when the disk has no room after all.
    """
    for path in paths:
        if isinstance(path, Address):
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
