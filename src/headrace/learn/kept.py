"""What a version keeps of the code and the packages that it was trained with: a diff to the commit, or the files."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

DIFF, ZIP, PACKAGES = "code.diff", "code.zip", "requirements.txt"
_CODE = (".py", ".toml", ".sql")
_SECRET_NAMES = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "id_rsa*",
    ".netrc",
    ".pypirc",
    "*secret*",
    "*credential*",
    "*password*",
)
_SECRETS = re.compile(
    r"://[^/\s:@\"'{}$]+:[^/\s@\"'{}$]+@"  # an address with a password
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|(?<![a-z])(?:password|passwd|secret|token|api_?key)[\"']?\s*[=:]\s*[\"'][^\"'{}$\s]{6,}[\"']",
    re.IGNORECASE,
)
_EACH = re.compile(r"^(?=diff --git )", re.MULTILINE)
_LARGEST = 1_000_000
_PATIENCE_S = 20
_FIRST = (1980, 1, 1, 0, 0, 0)


def kept_of(folder: Path | None) -> dict[str, bytes]:
    """Return what a version keeps beside its model file: packages, and the code as far as no commit has it.

    In git that is the difference of the working tree to the commit, with new files of code; elsewhere all files of
    code below the folder. What is named or looks like a secret is left out, and the file says so.

    Args:
        folder: of the project; None where there is none, as in a notebook.

    Returns:
        ``requirements.txt``; ``code.diff`` where the tree differs from its commit; ``code.zip`` outside of git.
    """
    kept = {PACKAGES: packages().encode()}
    if folder is None:
        return kept
    try:
        changed = _changed(folder)
    except (OSError, subprocess.SubprocessError):
        return {**kept, ZIP: _zipped(folder)}
    return {**kept, DIFF: changed} if changed else kept


def packages() -> str:
    """Return all installed packages as the lines of a requirements file, by name.

    What was installed from elsewhere than an index is marked; from where is not said, as it may hold a password.
    """
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name:
            elsewhere = "  # not from an index" if one.read_text("direct_url.json") else ""
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), f"{name}=={one.version}{elsewhere}")
    return "".join(f"{found[name]}\n" for name in sorted(found))


def write_code(files: dict[str, bytes], commit: str, source: Path, to: Path) -> None:
    """Write a project's code as it was when a version was trained.

    Args:
        files: of the version, as ``kept_of`` gave them.
        commit: of the version's origin, with ``+`` where the tree differed.
        source: folder of the project, in whose git the commit is.
        to: folder to write to; it exists.

    Raises:
        LookupError: when the code cannot be had any more; the text says why.
    """
    if ZIP in files:
        with zipfile.ZipFile(io.BytesIO(files[ZIP])) as packed:
            packed.extractall(to)
        return
    if not commit:
        raise LookupError("the version keeps no code: it was not trained in a project's folder")
    try:
        packed_tree = _git(source, "archive", "--format=zip", commit.rstrip("+"))
    except (OSError, subprocess.SubprocessError):
        raise LookupError(f"commit {commit[:12]} is not in the git of this project") from None
    with zipfile.ZipFile(io.BytesIO(packed_tree)) as packed:
        packed.extractall(to)
    if commit.endswith("+") and DIFF not in files:
        raise LookupError(f"the version keeps no difference to commit {commit[:12]}, from which its code differed")
    if b"diff --git" in files.get(DIFF, b""):
        try:
            _git(to, "apply", "--whitespace=nowarn", "-", given=files[DIFF], alone=True)
        except (OSError, subprocess.SubprocessError):
            raise LookupError(f"{DIFF} cannot be applied to commit {commit[:12]}") from None


def _changed(folder: Path) -> bytes:
    """The difference of the working tree to the commit; new files count where they are code and not ignored."""
    listed = _git(folder, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    entries = [(one[:2], top / one[3:]) for one in listed.decode(errors="surrogateescape").split("\0") if one]
    new = [path for state, path in entries if state == "??" and path.suffix in _CODE]
    mine = {path.resolve() for path in _code_below(folder)} if new else set()
    paths = [path for state, path in entries if state != "??"] + [path for path in new if path.resolve() in mine]
    wanted, left_out = _without_secrets(paths, folder)
    parts = _diff(folder, wanted) if wanted else []
    left_out += [_of(part) for part in parts if _SECRETS.search(part)]
    head = "".join(f"# left out, as it may hold a secret or is too large: {name}\n" for name in left_out)
    told = head + "".join(part for part in parts if not _SECRETS.search(part))
    return told.encode(errors="surrogateescape")


def _diff(folder: Path, paths: Iterable[Path]) -> list[str]:
    """The difference of each file, in an index of our own: new files show, and the user's index stays as it is."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as place:
        index, names = Path(place) / "index", [str(path) for path in paths]
        _git(folder, "read-tree", "HEAD", index=index)
        there = [name for name in names if Path(name).exists()]
        if there:
            _git(folder, "add", "--intent-to-add", "--force", "--", *there, index=index)
        words = ("--binary", "--no-color", "--no-ext-diff", "--no-renames", "--relative")
        told = _git(folder, "diff", *words, "--", *names, index=index)
    return [one for one in _EACH.split(told.decode(errors="surrogateescape")) if one]


def _of(part: str) -> str:
    return part.partition("\n")[0].rpartition(" b/")[2]


def _git(
    folder: Path, *words: str, given: bytes | None = None, index: Path | None = None, alone: bool = False
) -> bytes:
    """Run git; ``alone`` keeps it from a repository that may lie above the folder."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    env = {**os.environ, "LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}
    env |= {"GIT_INDEX_FILE": str(index)} if index is not None else {}
    env |= {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)} if alone else {}
    done = subprocess.run(  # noqa: S603 - fixed words, and paths behind "--"
        command, input=given, capture_output=True, check=True, timeout=_PATIENCE_S, env=env
    )
    return done.stdout


def _zipped(folder: Path) -> bytes:
    """All files of code below a folder, as a file that is the same for the same content."""
    wanted, left_out = _without_secrets(sorted(_code_below(folder)), folder)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in wanted:
            packed.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix(), _FIRST), path.read_bytes())
        if left_out:
            packed.writestr(zipfile.ZipInfo("LEFT-OUT.txt", _FIRST), "".join(f"{name}\n" for name in left_out))
    return held.getvalue()


def _code_below(folder: Path) -> Iterator[Path]:
    """Files of code, but for hidden folders, environments and what tools keep."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [
            one
            for one in folders
            if not one.startswith(".")
            and one not in ("__pycache__", "node_modules", "site-packages")
            and not (here / one / "pyvenv.cfg").exists()
        ]
        yield from (here / name for name in names if (here / name).suffix in _CODE)


def _without_secrets(paths: Iterable[Path], folder: Path) -> tuple[list[Path], list[str]]:
    """The files that may be kept, and the names of those that may not."""
    wanted, left_out = [], []
    for path in paths:
        if _may_be_kept(path):
            wanted.append(path)
        else:
            left_out.append(os.path.relpath(path, folder))
    return wanted, left_out


def _may_be_kept(path: Path) -> bool:
    if any(fnmatch(path.name.lower(), pattern) for pattern in _SECRET_NAMES):
        return False
    if path.is_symlink() or not path.is_file():
        return not path.exists() or path.is_symlink()
    return path.stat().st_size <= _LARGEST and not _SECRETS.search(path.read_text(encoding="utf-8", errors="replace"))
