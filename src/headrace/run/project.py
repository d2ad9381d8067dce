"""From a folder to what it declares: reads ``headrace.toml`` and executes the project's Python file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import linecache
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.declare import Project
from headrace.declare.base import is_below, own_line, relative
from headrace.errors import Fault, HeadraceError, nearest
from headrace.run.cures import cure_of
from headrace.run.settings import LOCAL, Settings, place_of, read_settings

if TYPE_CHECKING:
    from headrace.lake import Lake
    from headrace.learn import Registry


@dataclass(frozen=True)
class LoadedProject:
    """A project and the folder in which it runs.

    Args:
        folder: absolute path of the project's folder.
        settings: what its ``headrace.toml`` says.
        project: what it declares.
    """

    folder: Path
    settings: Settings
    project: Project

    @property
    def state_dir(self) -> Path:
        """Folder of everything that Headrace keeps: lake, sets, models, state, reports, journal."""
        return self.folder / self.settings.chosen.path

    @property
    def key_file(self) -> Path | None:
        """File with the keys of pseudonyms that the settings name; None for the one in the state."""
        named = self.settings.key_file
        return self.folder / Path(named).expanduser() if named else None

    def lake(self) -> Lake:
        """Return the project's tables."""
        from headrace.lake import Lake

        return Lake(self.settings.chosen.lake_in(self.folder))

    def registry(self) -> Registry:
        """Return the registry of the project's models, in the state's folder or on the server of the settings."""
        from headrace.learn import Registry
        from headrace.learn.server import Server

        settings, server = self.settings, None
        if settings.tracking:
            # what another target learned from is other data: its champions are not ours
            target = "" if settings.target == LOCAL else f"-{settings.target}"
            server = Server(settings.tracking, f"{self.project.name}{target}")
        return Registry(self.state_dir / "models", server=server)

    def command(self, *words: str) -> list[str]:
        """Return the words that run a command on this project in a process of its own.

        Args:
            words: of the command, such as ``"parity"``.
        """
        whose = ["--project", str(self.folder), "--target", self.settings.target]
        return [sys.executable, "-P", "-m", "headrace.cli", *words, *whose]

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Let the user's own modules be imported within a ``with`` block, as in a ``fit`` that imports one."""
        with _importing(self.folder):
            yield


def load_project(folder: Path | str, target: str | None = None) -> LoadedProject:
    """Return what a folder declares.

    Args:
        folder: with ``headrace.toml`` and the Python file that it names.
        target: name of the target to use; by default the one that ``HEADRACE_TARGET`` names, else ``local``.

    Raises:
        HeadraceError: HR-PROJECT-001 to 004 for the settings, 005 no such file, 006 it cannot be parsed, 007 it raises
            (each at the user's own line), 008 no project in it, 009 several, 010 not the one that the settings ask
            for, 011 one of another name. Faults of single declarations are not
            raised here, but by ``headrace check``.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "headrace.toml").write_text("")
        >>> _ = (folder / "project.py").write_text("import headrace as hr; project = hr.Project('bank')")
        >>> load_project(folder).project.name
        'bank'
    """
    folder = Path(folder).resolve()
    settings = read_settings(folder, target)
    path = folder / settings.file
    if not path.is_file():
        found = f"no file {settings.file} in the folder {folder.name!r}"
        cure = "write it, or name another one with file = in [project] of headrace.toml"
        raise HeadraceError(Fault("HR-PROJECT-005", "", found, "the file that declares the project", cure))
    module = _executed(path, folder)
    project = _named(module, folder, settings) if settings.object else _the_project(module, relative(str(path)))
    if settings.name and settings.name != project.name:
        found = f"name = {settings.name!r}, where {settings.file} declares hr.Project({project.name!r})"
        cure = f"write name = {json.dumps(project.name)}, or leave it out"
        raise HeadraceError(Fault("HR-PROJECT-011", place_of(folder, "name"), found, "one name for one project", cure))
    return LoadedProject(folder, settings, project)


def _executed(path: Path, folder: Path) -> types.ModuleType:
    """Execute a file in a fresh module; what it prints goes to stderr, since stdout is for results."""
    linecache.checkcache(str(path))
    name = f"headrace_project_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    code = _compiled(path)
    # Contracts resolve their annotations through sys.modules, also later, so the module stays there.
    sys.modules[name] = module
    try:
        with _importing(folder), contextlib.redirect_stdout(sys.stderr):
            exec(code, module.__dict__)  # noqa: S102 - the user's own file, as they asked
    except HeadraceError:
        raise
    except SyntaxError as error:
        raise HeadraceError(_syntax_fault(error)) from error
    except (Exception, SystemExit) as error:
        raise HeadraceError(_raised_fault(error, path, folder)) from error
    return module


def _compiled(path: Path) -> types.CodeType:
    try:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise HeadraceError(_syntax_fault(error)) from None
    except ValueError as error:
        raise HeadraceError(
            Fault("HR-PROJECT-006", relative(str(path)), str(error), "a Python file", "save it as UTF-8")
        ) from None


def _syntax_fault(error: SyntaxError) -> Fault:
    place = f"{relative(error.filename or '')}:{error.lineno or 0}"
    text = (error.text or "").strip()
    found = f"{error.msg}: {text}" if text else error.msg
    return Fault("HR-PROJECT-006", place, found, "Python that can be parsed", "mend the line")


def _raised_fault(error: BaseException, path: Path, folder: Path) -> Fault:
    """The fault of an exception in the user's file: at its innermost line that is the user's own."""
    place = own_line(error, folder) or relative(str(path))
    text = (str(error).strip().splitlines() or [""])[0][:300]
    found = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Fault("HR-PROJECT-007", place, found, "a file that can be executed", cure_of(error))


@contextlib.contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """Put a folder on the import path; afterwards forget the modules that came from it, so each load is fresh."""
    before, path = set(sys.modules), str(folder)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and name.split(".")[0] != "headrace" and is_below(origin, folder):
                del sys.modules[name]


def _projects(module: types.ModuleType) -> dict[str, Project]:
    return {key: value for key, value in vars(module).items() if isinstance(value, Project)}


def _named(module: types.ModuleType, folder: Path, settings: Settings) -> Project:
    """The project that the settings ask for, and no other in its place."""
    name, projects = settings.object, _projects(module)
    if name in projects:
        return projects[name]
    is_else = f"is of type {type(vars(module)[name]).__name__}" if name in vars(module) else "is not there"
    cure = nearest(name, projects) or f"write {name} = hr.Project(…) at the end of {settings.file}"
    found = f"object = {name!r}, which {is_else} in {settings.file}"
    raise HeadraceError(Fault("HR-PROJECT-010", place_of(folder, "object"), found, "the name of an hr.Project", cure))


def _the_project(module: types.ModuleType, file: str) -> Project:
    name, projects = "project", _projects(module)
    found = getattr(module, name, None)
    if isinstance(found, Project):
        return found
    distinct = {id(value): value for value in projects.values()}
    if found is None and len(distinct) == 1:
        return next(iter(distinct.values()))
    if found is None and projects:
        cure = f"name one with object = in [project] of headrace.toml: {nearest(name, projects)}"
        told = f"{len(projects)} projects ({', '.join(projects)}) and none is called {name!r}"
        raise HeadraceError(Fault("HR-PROJECT-009", file, told, "the one project", cure))
    told = f"{name} = {type(found).__name__}" if found is not None else "no hr.Project"
    raise HeadraceError(
        Fault("HR-PROJECT-008", file, told, "an hr.Project", f"write {name} = hr.Project(…) at the end")
    )
