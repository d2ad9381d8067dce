"""Kinds of files: each is a small declaration in a file of its own; a new one is a file and a line here."""

from __future__ import annotations

from headrace.connect.formats import arrow, avro, delimited, excel, jsondocs, jsonlines, parquet
from headrace.connect.formats.format import Format
from headrace.connect.places import PACKED, File

_MODULES = (delimited, jsonlines, jsondocs, parquet, arrow, avro, excel)
FORMATS = tuple(one for module in _MODULES for one in module.FORMATS)
SUFFIXES = tuple(
    suffix + end for one in FORMATS for suffix in one.suffixes for end in ("", *(PACKED if one.packed else ()))
)
"""Endings of all files that can be read."""

__all__ = ["FORMATS", "SUFFIXES", "Format", "format_of"]


def format_of(file: File) -> Format | None:
    """Return the kind of a file by its name, or None."""
    plain, name = file.plain.lower(), file.name.lower()
    return next((one for one in FORMATS if (plain if one.packed else name).endswith(one.suffixes)), None)
