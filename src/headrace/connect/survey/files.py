"""Files to look at: one, those of a glob, or a folder of several sorts of files, each sort a source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from glob import escape
from itertools import count
from pathlib import Path

from headrace.connect.files import find_files
from headrace.connect.places import PACKED, File
from headrace.connect.survey.found import Found, nothing
from headrace.connect.survey.guess import guessed
from headrace.connect.survey.sampled import sample_of_files
from headrace.contracts.names import table_name
from headrace.declare.project import names_of_the_lake
from headrace.errors import Fault, HeadraceError, nearest

_NUMBERED = re.compile(r"[-_. ]*(part)?[-_. ]*\d[-\d_.TZ]*$")
_GLOB = re.compile(r"[*?\[]")


def seen_from(path: str, folder: Path) -> str:
    """Return a path, relative to where the command is run, as a project in a folder knows it."""
    return Path(os.path.relpath(Path.cwd() / path, folder)).as_posix()


def in_files(address: str, folder: Path, tables: Sequence[str]) -> tuple[list[Found], list[Fault]]:
    """Return what files are taken to be: those that are called alike are one source.

    Of several sources those of which no file can be read are left out, unless they are named: what they are told is the
    second that is returned, as warnings.

    Args:
        address: file, folder or glob, relative to where the command is run, or such an address in a bucket.
        folder: of the project to be.
        tables: names of sources to look at; all by default.

    Raises:
        HeadraceError: HR-SOURCE-036 nothing that could be looked at; and what keeps files from being read, where it is
            all of them or those that are named.
    """
    files = [one for one in find_files(Path.cwd(), address) if one.size]
    if not files:
        raise HeadraceError(nothing(address, "files without a row"))
    groups = {address: files} if _is_glob(address, files) else _groups(files, of_folder=not _is_file(address, files))
    names = _names({source: _named_after(source, members) for source, members in groups.items()})
    if missing := [one for one in tables if one not in names.values()]:
        raise HeadraceError(
            Fault("HR-SOURCE-036", address, f"no files of {one}", "names that are there", nearest(one, names.values()))
            for one in missing
        )
    found: list[Found] = []
    faults: list[Fault] = []
    for source, members in groups.items():
        if tables and names[source] not in tables:
            continue
        where = source if source.startswith("s3://") else seen_from(source, folder)
        try:
            found.append(guessed(sample_of_files(names[source], members), where, "", frozenset()))
        except HeadraceError as error:
            faults += error.faults
            if tables:
                raise
    if not found:
        raise HeadraceError(faults)
    return found, [replace(one, severity="warning") for one in faults]


def _is_glob(address: str, files: list[File]) -> bool:
    """Whether an address is a glob, and neither a file nor a folder that has such letters in its name."""
    if not _GLOB.search(address):
        return False
    if not address.startswith("s3://"):
        return not (Path.cwd() / address).exists()
    return not (_is_file(address, files) or all(one.name.startswith(f"{address.rstrip('/')}/") for one in files))


def _is_file(address: str, files: list[File]) -> bool:
    return files[0].name == address if address.startswith("s3://") else (Path.cwd() / address).is_file()


def _named_after(source: str, members: list[File]) -> str:
    """A glob of all files of an ending says nothing of them: then the file does that is there."""
    return members[0].name if source.rpartition("/")[2].startswith("*") else source


def _groups(files: list[File], *, of_folder: bool) -> dict[str, list[File]]:
    """Files that are called alike but for a number or a day are one source: its glob, and the files.

    The only file of its kind in a folder is the first of others to come.
    """
    found: dict[tuple[str, str, str], list[File]] = {}
    for file in files:
        before, _, name = file.name.rpartition("/")
        stem, ending = _split(name)
        found.setdefault((before, _NUMBERED.sub("", stem), ending), []).append(file)
    sources = {}
    for (before, stem, ending), members in found.items():
        folder = f"{escape(before)}/" if before else ""
        kin = [one for one in found if one != (before, stem, ending) and (one[0], one[2]) == (before, ending)]
        rest = "[-_.0-9]*" if any(one[1].startswith(stem) for one in kin) else "*"
        glob = f"{folder}{escape(stem)}{rest}{ending}"
        alone = len(members) == 1 and members[0].name == f"{before}/{stem}{ending}".lstrip("/")
        if alone and of_folder and not kin and ending:
            glob = f"{folder}*{ending}"
        elif alone:
            glob = members[0].name
        sources[glob] = members
    return sources


def _split(name: str) -> tuple[str, str]:
    packed = next((end for end in PACKED if name.endswith(end)), "")
    stem, dot, ending = name.removesuffix(packed).rpartition(".")
    return (stem, f"{dot}{ending}{packed}") if stem else (name, "")


def _names(called: Mapping[str, str]) -> dict[str, str]:
    """Names of sources to be: of those that are called alike, with the ending of their files, or else a number."""
    plain = {source: _name_of(path) for source, path in called.items()}
    names: dict[str, str] = {}
    for source, name in plain.items():
        twins = list(plain.values()).count(name) > 1
        ending = table_name(_split(called[source].rpartition("/")[2])[1]) if twins else ""
        wanted = f"{name}_{ending}" if ending else name
        others = [one for one in plain.values() if one != name]
        taken = {*names.values(), *others, *names_of_the_lake(others)}
        numbered = (wanted if number == 1 else f"{wanted}_{number}" for number in count(1))
        names[source] = next(one for one in numbered if one not in taken)
    return names


def _name_of(source: str) -> str:
    """A name for what a path or glob holds: that of its files, else of the nearest folder that has one."""
    parts = [part for part in source.removeprefix("s3://").split("/") if part not in (".", "..", "")]
    for at, part in enumerate(reversed(parts)):
        stem = _split(part)[0] if at == 0 else part
        stem = _NUMBERED.sub("", re.sub(r"\[.*?\]|[*?]", "", stem))
        if (name := table_name(stem)) and name not in ("part", "data"):
            return name
    return "rows"
