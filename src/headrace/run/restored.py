"""A version of a model brought back: it serves again, or all that it was is written to a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import Fault, HeadraceError
from headrace.run.project import LoadedProject
from headrace.run.promotion import Promoted, promote
from headrace.run.versions import version_named

if TYPE_CHECKING:
    from headrace.learn import Registry, Version

CODE, SET, AGAIN, RECORD = "project", "training_set", "train_again.py", "record.json"
"""What is in a folder that a version was written to, beside its files."""
_AGAIN = '''"""Train version {number} of {model} once more from what is beside this file.

Exit code 0 when the same file comes out; the packages are those of requirements.txt.
"""

import sys
from pathlib import Path

from headrace.run.once_more import train_once_more

again = train_once_more(Path(__file__).resolve().parent)
print(again)
sys.exit(0 if again.same else 1)
'''


@dataclass(frozen=True)
class RestoredModel:
    """A version that serves again.

    Args:
        promoted: what became of it.
        lost: warnings of what it came from and that can no longer be had.
    """

    promoted: Promoted
    lost: tuple[Fault, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        told = self.promoted.as_dict()
        return told | {"faults": [*told["faults"], *(fault.as_dict() for fault in self.lost)]}


@dataclass(frozen=True)
class WrittenOut:
    """A version in a folder.

    Args:
        version: it.
        folder: with its files.
        names: of files and folders there.
        lost: warnings of what can no longer be had.
    """

    version: Version
    folder: Path
    names: tuple[str, ...]
    lost: tuple[Fault, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        about = {"ok": True, "model": self.version.name, "version": self.version.number, "digest": self.version.digest}
        return {**about, "files": list(self.names), "faults": [fault.as_dict() for fault in self.lost]}


def restore_model(loaded: LoadedProject, model: str, version: str, reason: str | None = None) -> RestoredModel:
    """Make a version that served before the champion again, after all that it was is checked.

    Args:
        loaded: the project.
        model: its name.
        version: number or alias.
        reason: why; kept with the version, and asked for where it failed a gate.

    Raises:
        HeadraceError: HR-RUN-005 no such model, HR-LEARN-014 no such version, 011 a file that was altered, 033 a
            version that never served.
        CheckFailed: HR-LEARN-015 when it failed a gate and no reason is given.
    """
    registry = loaded.registry()
    one = version_named(loaded, registry, model, version)
    if not one.promotions:
        found = f"version {one.number} of {model}, which never was the champion"
        cure = f"headrace models promote {model} {one.number}"
        raise HeadraceError(Fault("HR-LEARN-033", "", found, "a version that served before", cure))
    lost = tuple(what_is_lost(loaded, registry, one))
    why = reason or ("restored" if one.passed else None)
    return RestoredModel(promote(loaded, model, one.number, why), lost)


def what_is_lost(loaded: LoadedProject, registry: Registry, version: Version) -> Iterator[Fault]:
    """Yield a warning for each thing that a version came from and that can no longer be had.

    Raises:
        HeadraceError: HR-LEARN-011 when its model file is lost, or any of its files was altered.
    """
    registry.load(version)
    yield from (_lost(version, f"its file {name}") for name in _files(registry, version)[1])
    if _set_of(loaded, version) is None:
        yield _lost(version, f"its training set {version.record.origin.training_set[:16]}")
    lake = loaded.lake()
    for table, number in version.record.origin.data.items():
        if not lake.exists(table):
            yield _lost(version, f"table {table}")
        elif number > lake.version(table) or number in lake.unreadable(table):
            yield _lost(version, f"version {number} of table {table}")


def _lost(version: Version, what: str) -> Fault:
    found = f"{what} of version {version.number} of {version.name}, which can no longer be had"
    cure = "restore it from a copy; the model serves without it, but cannot be trained again to the same file"
    return Fault("HR-LEARN-032", "", found, "all that the version came from", cure, "warning")


def _files(registry: Registry, version: Version) -> tuple[dict[str, bytes], list[str]]:
    """What is kept beside the model file, and the names of what is lost.

    Raises:
        HeadraceError: HR-LEARN-011 when one was altered: whoever did that may have altered more.
    """
    files, lost, faults = dict[str, bytes](), list[str](), list[Fault]()
    for name in version.record.files:
        try:
            files[name] = registry.file(version, name) or b""
        except HeadraceError as error:
            if registry.states(version)[name] == "gone":
                lost.append(name)
            else:
                faults += error.faults
    if faults:
        raise HeadraceError(faults)
    return files, lost


def _set_of(loaded: LoadedProject, version: Version) -> Path | None:
    """The training set that a version learned from, where it is there with all its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = version.record.origin.training_set
    for path in (loaded.state_dir / "sets").glob(f"*/{wanted[:16]}/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            rows = sum(pq.read_metadata(path.parent / part).num_rows for part in manifest["parts"])
            if manifest["fingerprint"] == wanted and rows == manifest["rows"]:
                return path.parent
        except (OSError, ValueError, KeyError, pa.ArrowException):
            continue
    return None


def write_out(loaded: LoadedProject, model: str, version: str, to: Path) -> WrittenOut:
    """Write all that a version was to a folder, so that a person can look at it, score with it and train it again.

    Nothing of the registry changes. The folder has ``model.onnx``, ``record.json``, ``requirements.txt`` and what else
    is kept, the code in ``project/``, the training set in ``training_set/``, and ``train_again.py``.

    Args:
        loaded: the project.
        model: its name.
        version: number or alias.
        to: the folder; it must not be there, or be empty.

    Raises:
        HeadraceError: HR-RUN-005 no such model, HR-LEARN-014 no such version, 011 a file that was altered, 034 a
            folder that cannot be written to.
    """
    registry = loaded.registry()
    one = version_named(loaded, registry, model, version)
    lost = list(what_is_lost(loaded, registry, one))
    fresh = to.with_name(f"{to.name}.new")
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            cure = "name another folder, or empty it"
            raise HeadraceError(Fault("HR-LEARN-034", "", f"{to.name}, which is not empty", "a new folder", cure))
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        lost += _written(loaded, registry, one, fresh)
        fresh.replace(to)
    except OSError as error:
        found = f"a folder {to.name} that cannot be written ({error.strerror})"
        raise HeadraceError(
            Fault("HR-LEARN-034", "", found, "a new folder", "name another one, or make room")
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    names = tuple(sorted(path.name for path in to.iterdir()))
    return WrittenOut(one, to, names, tuple(lost))


def _written(loaded: LoadedProject, registry: Registry, version: Version, folder: Path) -> Iterator[Fault]:
    from headrace.learn.kept import write_code

    files, _ = _files(registry, version)
    for name, content in {version.record.file: registry.path(version).read_bytes(), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / RECORD).write_text(version.record.to_json(), encoding="utf-8")
    (folder / CODE).mkdir()
    try:
        write_code(files, version.record.origin.commit, loaded.folder, folder / CODE)
    except LookupError as error:
        yield _lost(version, f"the code ({error})")
    cases = _set_of(loaded, version)
    if cases is not None:
        shutil.copytree(cases, folder / SET)
    (folder / AGAIN).write_text(_AGAIN.format(number=version.number, model=version.name), encoding="utf-8")
