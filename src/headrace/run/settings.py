"""What ``headrace.toml`` says: where the project is declared, and where its state lives."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.declare.base import relative
from headrace.errors import Fault, HeadraceError, closest, nearest
from headrace.run import runsettings, servesettings
from headrace.run.runsettings import RunSettings
from headrace.run.servesettings import ServeSettings

FILE = "headrace.toml"
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]*(/[^?#@]*)?")
_SERVER = re.compile(r"https?://[^/?#@\s]+(/[^?#@\s]*)?")
_PROJECT_KEYS = ("name", "file", "object")
_TARGET_KEYS = ("path", "lake")
_MODEL_KEYS = ("tracking",)
_PRIVACY_KEYS = ("key_file",)
_OIDC_KEYS = ("issuer", "audience", "claim")
TARGET = "HEADRACE_TARGET"
"""Variable of the environment that names the target, where a command does not."""
LOCAL = "local"
"""Name of the target that always exists."""


@dataclass(frozen=True)
class Target:
    """A place where the project runs.

    Args:
        name: by which a command asks for it.
        path: folder of its state, relative to the project's.
        lake: folder of its tables, relative to the project's, or an address such as ``s3://bucket/path``; empty for
            ``lake`` in the state.
    """

    name: str = LOCAL
    path: str = ".headrace"
    lake: str = ""

    def lake_in(self, folder: Path) -> Path | str:
        """Return where the tables of a project in a folder are."""
        if "://" in self.lake:
            return self.lake
        return folder / self.lake if self.lake else folder / self.path / "lake"


@dataclass(frozen=True)
class Settings:
    """Settings of a project.

    Args:
        name: of the project; empty where the declaration's own name is enough.
        file: Python file that declares it, relative to the folder.
        object: name of the ``hr.Project`` in that file; empty for ``project``, or the only one.
        targets: by name; ``local`` always exists.
        run: how runs are made.
        target: name of the one that is used.
        tracking: address of MLflow's server, where versions of models are; empty for a database in the state.
        serve: how services run.
        oidc: the identity provider whose tokens services take: issuer, audience, claim; empty for none.
        key_file: file with the keys of pseudonyms, relative to the folder; empty for one in the state.
    """

    name: str = ""
    file: str = "project.py"
    object: str = ""
    targets: Mapping[str, Target] = field(default_factory=lambda: {LOCAL: Target()})
    run: RunSettings = field(default_factory=RunSettings)
    target: str = LOCAL
    tracking: str = ""
    serve: ServeSettings = field(default_factory=ServeSettings)
    oidc: Mapping[str, str] = field(default_factory=dict)
    key_file: str = ""

    @property
    def chosen(self) -> Target:
        """The target that is used."""
        return self.targets[self.target]


def find_folder(start: Path) -> Path:
    """Return the nearest folder, from ``start`` upwards, that has a ``headrace.toml``.

    Raises:
        HeadraceError: HR-PROJECT-001 when there is none.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "headrace.toml").touch(); (folder / "data").mkdir()
        >>> find_folder(folder / "data") == folder.resolve()
        True
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    cure = "go into a project, name one with --project DIR, or make one with 'headrace init NAME --template fraud'"
    raise HeadraceError(Fault("HR-PROJECT-001", "", f"no {FILE} here or above", "a project's folder", cure))


def read_settings(folder: Path, target: str | None = None) -> Settings:
    """Return the settings in a folder.

    Args:
        folder: with a ``headrace.toml``.
        target: name of the target to use; by default the one that ``HEADRACE_TARGET`` names, else ``local``.

    Raises:
        HeadraceError: HR-PROJECT-001 no file, 002 not TOML, 003 unknown keys (all of them), 004 values of a wrong kind;
            HR-LAKE-024 no such target.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "headrace.toml").write_text('project.file = "bank.py"')
        >>> read_settings(folder).file
        'bank.py'
    """
    path = folder / FILE
    if not path.is_file():
        found = f"no {FILE} in the folder {folder.name!r}"
        raise HeadraceError(Fault("HR-PROJECT-001", "", found, "a project's folder", "name one with --project DIR"))
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HeadraceError(_not_toml(path, error)) from None
    faults = list(_faults(raw, text, relative(str(path))))
    if faults:
        raise HeadraceError(faults)
    given = {name: {"path": _state_of(name), **values} for name, values in raw.get("target", {}).items()}
    targets = {LOCAL: Target(), **{name: Target(name, **values) for name, values in given.items()}}
    chosen = target or os.environ.get(TARGET) or LOCAL
    if chosen not in targets:
        found = f"no target {chosen} in {FILE}"
        raise HeadraceError(Fault("HR-LAKE-024", "", found, f"[target.{chosen}]", nearest(chosen, targets)))
    run = RunSettings(**raw.get("run", {}))
    tracking = str(raw.get("models", {}).get("tracking", "")).rstrip("/")
    serving = {key: value for key, value in raw.get("serve", {}).items() if key != "oidc"}
    return Settings(
        **raw.get("project", {}),
        targets=targets,
        run=run,
        target=chosen,
        tracking=tracking,
        serve=ServeSettings(**serving),
        oidc=raw.get("serve", {}).get("oidc", {}),
        **raw.get("privacy", {}),
    )


def _state_of(target: str) -> str:
    """Return the folder of a target's state where none is named: what was done to one lake is not done to another."""
    return ".headrace" if target == LOCAL else f".headrace/target-{target}"


def _not_toml(path: Path, error: Exception) -> Fault:
    line = re.search(r"at line (\d+)", str(error))
    number = int(line[1]) if line else len(path.read_bytes().splitlines())
    place = f"{relative(str(path))}:{number}"
    return Fault("HR-PROJECT-002", place, str(error).rstrip("."), "TOML", 'write key = "value" below [section]')


def _faults(raw: Mapping[str, Any], text: str, file: str) -> Iterator[Fault]:
    yield from _unknown(raw, ("project", "target", "run", "models", "serve", "privacy"), "", text, file)
    yield from _section(raw.get("project", {}), _PROJECT_KEYS, "project", text, file)
    yield from _section(raw.get("privacy", {}), _PRIVACY_KEYS, "privacy", text, file)
    yield from _oidc_faults(raw.get("serve", {}), text, file)
    yield from _section(models := raw.get("models", {}), _MODEL_KEYS, "models", text, file)
    tracking = models.get("tracking") if isinstance(models, dict) else None
    if isinstance(tracking, str) and tracking.strip() and not _SERVER.fullmatch(tracking):
        shown, expected = (
            re.sub(r"\?.*", "?…", re.sub("//[^/]*@", "//…@", tracking)),
            'an address such as "https://mlflow.bank", without keys',
        )
        yield _wrong_kind("tracking", shown, text, file, expected)
    for name, kinds in (("run", runsettings), ("serve", servesettings)):
        if isinstance(given := raw.get(name, {}), dict):
            yield from _unknown(given, kinds.KEYS, f" in [{name}]", text, file)
            yield from kinds.value_faults(given, lambda key: _place(key, text, file))
        else:
            yield _wrong_kind(name, given, text, file, f"a section [{name}]")
    targets = raw.get("target", {})
    if not isinstance(targets, dict):
        yield _wrong_kind("target", targets, text, file, "a section such as [target.local]")
        return
    yield from _unknown({name: 0 for name in targets if closest(name, [LOCAL])}, (LOCAL,), " in [target]", text, file)
    for name, values in targets.items():
        yield from _section(values, _TARGET_KEYS, f"target.{name}", text, file)
        lake = values.get("lake") if isinstance(values, dict) else None
        if isinstance(lake, str) and "://" in lake and not _BUCKET.fullmatch(lake):
            yield _wrong_kind(
                "lake",
                re.sub("//[^/]*@", "//…@", lake),
                text,
                file,
                'an address such as "s3://bucket/path", without keys',
            )


def _oidc_faults(serve: object, text: str, file: str) -> Iterator[Fault]:
    if not isinstance(serve, dict) or "oidc" not in serve:
        return
    yield from _section(oidc := serve["oidc"], _OIDC_KEYS, "serve.oidc", text, file)
    for key in ("issuer", "audience") if isinstance(oidc, dict) else ():
        if key not in oidc:
            yield _wrong_kind(key, "", text, file, f'text in [serve.oidc], {key} = "…"')


def _section(values: object, keys: tuple[str, ...], name: str, text: str, file: str) -> Iterator[Fault]:
    if not isinstance(values, dict):
        yield _wrong_kind(name, values, text, file, f"a section [{name}]")
        return
    yield from _unknown(values, keys, f" in [{name}]", text, file)
    for key in keys:
        if key in values and not (isinstance(values[key], str) and values[key].strip()):
            yield _wrong_kind(key, values[key], text, file, 'text, such as "project.py"')


def _unknown(values: Mapping[str, Any], keys: tuple[str, ...], where: str, text: str, file: str) -> Iterator[Fault]:
    for key in values:
        if key not in keys:
            found, expected = f"the unknown key {key!r}{where}", f"one of {', '.join(keys)}"
            yield Fault("HR-PROJECT-003", _place(key, text, file), found, expected, nearest(key, keys))


def _wrong_kind(key: str, value: object, text: str, file: str, expected: str) -> Fault:
    return Fault("HR-PROJECT-004", _place(key, text, file), f"{key} = {value!r}", expected, f"write {expected}")


def place_of(folder: Path, key: str) -> str:
    """Return the line in which the settings of a folder name a key."""
    path = folder / FILE
    return _place(key, path.read_text(encoding="utf-8"), relative(str(path)))


def _place(key: str, text: str, file: str) -> str:
    """The line that names a key: the parser keeps no positions, and a near line is better than none."""
    pattern = re.compile(rf"^\s*\[?(?:[\w.]+\.)?{re.escape(key.split('.')[-1])}\b")
    line = next((i for i, one in enumerate(text.splitlines(), 1) if pattern.match(one)), None)
    return file if line is None else f"{file}:{line}"
