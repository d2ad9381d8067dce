"""The registry of models: MLflow's tracking and model registry, and the model files by their digest in a folder.

MLflow, in a database in that folder or on a server, is the only truth about versions and aliases. Writing goes through
its client; reading goes straight to the tables of the database, because the client takes seconds to import and a
service or ``status`` only wants one row.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from headrace import clock
from headrace.errors import CheckFailed, Fault, HeadraceError, nearest
from headrace.learn.logged import named_files
from headrace.learn.native import LIGHTGBM, ONNX, XGBOOST, ending_of
from headrace.learn.pending import Pending, Waiting
from headrace.learn.scorer import Scorer, digest_of, load
from headrace.learn.server import Server
from headrace.learn.stored import ALTERED, GONE, INTACT, Files
from headrace.learn.tracking import Tracking, read_versions
from headrace.learn.version import Record, Version

_ANEW = "restore the file from a copy, or train again"
_WAITS = "what was fitted is kept, and waits for being registered"
_GOES_ON = "then headrace models register, or headrace train"


class Registry:
    """Versions of models with what they came from and what they proved.

    Args:
        root: folder; ``mlflow.db`` (database), ``files/`` (model files and others by digest), ``artifacts/`` (of
            MLflow's runs), ``pending/`` (versions that are not registered yet).
        now_us: clock, microseconds UTC.
        server: MLflow's, in place of the database; ``files/`` then holds what was used here.

    Example:
        >>> import tempfile
        >>> Registry(Path(tempfile.mkdtemp())).champion("fraud_score") is None
        True
    """

    def __init__(self, root: Path | str, now_us: clock.Clock = clock.now_us, *, server: Server | None = None) -> None:
        self.root = Path(root)
        self._now_us = now_us
        self._tracking = Tracking(self.root, server)
        self._files, self._pending = Files(self.root / "files"), Pending(self.root / "pending")

    @property
    def server(self) -> Server | None:
        """The server, where versions are on one."""
        return self._tracking.server

    def versions(self, model: str | None = None) -> list[Version]:
        """Return the versions of a model, or of all, oldest first.

        Raises:
            HeadraceError: HR-LEARN-019 when the database cannot be read, HR-LEARN-030 when the server cannot.
        """
        return self._tracking.versions(model)

    def version(self, model: str, number: int) -> Version:
        """Return one version.

        Raises:
            HeadraceError: HR-LEARN-014 when there is no such version.
        """
        versions = self.versions(model)
        for one in versions:
            if one.number == number:
                return one
        known = sorted({one.name for one in self.versions()})
        cure = f"versions: {', '.join(str(one.number) for one in versions)}" if versions else nearest(model, known)
        cure = cure or "headrace train, which registers the first"
        raise HeadraceError(
            Fault("HR-LEARN-014", "", f"no version {number} of model {model!r}", "a registered one", cure)
        )

    def champion(self, model: str) -> Version | None:
        """Return the version that serves, or None."""
        return self._alias(model, "champion")

    def challenger(self, model: str) -> Version | None:
        """Return the newest version that passed its gates and is not the champion, or None."""
        return self._alias(model, "challenger")

    def shadow(self, model: str) -> Version | None:
        """Return the version that is scored beside the champion, after each answer, or None."""
        return self._alias(model, "shadow")

    def _alias(self, model: str, alias: str) -> Version | None:
        return next((one for one in self.versions(model) if alias in one.aliases), None)

    def path(self, version: Version) -> Path:
        """Return where the model file of a version lies."""
        return self._files.path(version.record.file, version.digest)

    def intact(self, version: Version) -> bool:
        """Return whether the model file of a version is here as it was registered; a server may have it else."""
        return self._files.state(version.record.file, version.digest) == INTACT

    def loadable(self, version: Version) -> bool:
        """Return whether the model file of a version is as it was registered, here or on the server."""
        return self._brought(version, f"model/{version.record.file}", version.digest) == INTACT

    def states(self, version: Version) -> dict[str, str]:
        """Return each file of a version with whether it is ``intact``, ``altered`` or ``gone``.

        At home that is also said of what MLflow's pages hand out, ``altered in MLflow``.
        """
        return {name: self._state(version, name, digest) for name, digest in named_files(version.record).items()}

    def _state(self, version: Version, name: str, digest: str) -> str:
        try:
            state = self._brought(version, name, digest)
        except HeadraceError as error:
            if any(fault.code != "HR-LEARN-011" for fault in error.faults):
                raise
            return ALTERED
        copied = self._tracking.fetch(version, name) if state == INTACT and self.server is None else None
        return state if copied is None or digest_of(copied) == digest else f"{ALTERED} in MLflow"

    def size(self, version: Version) -> int | None:
        """Return the bytes of the model file, or None where it is not here."""
        path = self.path(version)
        return path.stat().st_size if path.exists() else None

    def file(self, version: Version, name: str) -> bytes | None:
        """Return what is kept beside a version's model file under a name, or None where nothing is.

        Raises:
            HeadraceError: HR-LEARN-011 where it was altered or lost on disk.
        """
        digest = version.record.files.get(name)
        if digest is None:
            return None
        state = self._brought(version, name, digest)
        if state != INTACT:
            found = f"{name} of {version.name} {version.number}, which {_became(state)}"
            raise HeadraceError(Fault("HR-LEARN-011", "", found, f"SHA-256 {digest[:12]}…, as registered", _ANEW))
        return self._files.path(name, digest).read_bytes()

    def load(self, version: Version) -> Scorer:
        """Return the scorer of a version; a file that was altered on disk is refused.

        Raises:
            HeadraceError: HR-LEARN-011.
        """
        self._brought(version, f"model/{version.record.file}", version.digest)
        return load(self.path(version), version.digest)

    def scorer(self, digest: str) -> Scorer:
        """Return the scorer of a digest, as a decision on record names it.

        Raises:
            HeadraceError: HR-LEARN-011 when the file is missing, or is not the one that was registered.
        """
        every = [self._files.path(f"model{ending}", digest) for ending in (ONNX, LIGHTGBM, XGBOOST)]
        path = next((one for one in every if one.exists()), every[0])
        if not path.exists() and self.server is not None:
            for one in self.versions():
                if one.digest == digest:
                    return self.load(one)
        return load(path, digest)

    def _brought(self, version: Version, name: str, digest: str) -> str:
        """The state of a file, after it was brought from its run in MLflow where it was not here."""
        state = self._files.state(name, digest)
        if state == GONE and (content := self._tracking.fetch(version, name)) is not None:
            if digest_of(content) != digest:
                found = f"{name} of {version.name} {version.number} with another content in its run"
                raise HeadraceError(Fault("HR-LEARN-011", "", found, f"SHA-256 {digest[:12]}…, as registered", _ANEW))
            self._files.keep(name, content)
            return INTACT
        return state

    def prepare(self) -> None:
        """Make the database where there is none."""
        with self._locked():
            self._tracking.prepare()

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Let another process make the database, where there is none, while the ``with`` block works.

        MLflow's migrations take seconds, which can pass beside a fit. What becomes of them needs no answer: if they
        fail, the first version makes the database, or tells why it cannot.
        """
        if self._tracking.ready:
            yield
            return
        code = f"from headrace.learn import Registry; Registry({str(self.root)!r}).prepare()"
        quiet = subprocess.DEVNULL
        beside = subprocess.Popen([sys.executable, "-P", "-c", code], stdout=quiet, stderr=quiet)  # noqa: S603 - our words
        try:
            yield
        except BaseException:
            beside.kill()
            raise
        finally:
            beside.wait()

    def find(self, record: Record) -> Version | None:
        """Return the version that has the same file, declaration and training set as a record, or None."""
        return next((one for one in self.versions(record.model) if one.record.identity == record.identity), None)

    def register(
        self, record: Record, content: bytes, files: Mapping[str, bytes] | None = None, standing: str = ""
    ) -> tuple[Version, bool]:
        """Store a model file and its record as a new version; the same record again gives the same version.

        What is registered is written down first. So whatever goes wrong from then on, the next training goes on with
        it (``resume``), and nothing that was fitted is lost. Each step can be done twice without harm, and the version
        appears in one transaction after all else is in place: nothing is half there, and nothing doubled.

        Args:
            record: what the version came from and what it proved.
            content: the model file.
            files: what is kept beside it, by name.
            standing: what becomes of it, see ``settle``; by default the caller settles it.

        Returns:
            The version, and whether it is new.

        Raises:
            HeadraceError: HR-LEARN-011 when the content is not what the record says, HR-LEARN-020 when a file cannot be
                written; HR-LEARN-019 when the database cannot be written, HR-LEARN-030 when the server cannot be used:
                then the version waits.
        """
        if digest_of(content) != record.digest:
            found = f"a model file with SHA-256 {digest_of(content)[:12]}…"
            cure = "register the bytes of which the record has the digest"
            raise HeadraceError(Fault("HR-LEARN-011", "", found, f"{record.digest[:12]}…, as recorded", cure))
        with self._locked():
            record = replace(record, file=f"model{ending_of(content)}")
            self._files.keep(record.file, content)
            record = replace(record, files={name: self._files.keep(name, one) for name, one in (files or {}).items()})
            self._pending.keep(record, standing)
            try:
                return self._registered(Waiting(record, standing))
            except HeadraceError as error:
                told = [
                    replace(one, found=f"{one.found}; {_WAITS}", cure=f"{one.cure}; {_GOES_ON}") for one in error.faults
                ]
                raise HeadraceError(told) from error

    def pending(self) -> tuple[Waiting, ...]:
        """Return versions that wait for being registered, the longest first."""
        return tuple(self._pending)

    def resume(self) -> list[Version]:
        """Register what waits, since MLflow could not be told of it or the process was killed; return these versions.

        Raises:
            HeadraceError: HR-LEARN-019 when the database cannot be written, 030 when the server cannot be used.
        """
        if not any(self._pending):
            return []
        with self._locked():
            return [self._registered(one)[0] for one in self._pending if self._whole(one)]

    def _whole(self, waiting: Waiting) -> bool:
        """Whether the files of what waits are there; what has lost them is forgotten, and a training fits it again."""
        whole = {self._files.state(*one) for one in named_files(waiting.record).items()} == {INTACT}
        if not whole:
            self._pending.drop(waiting.record)
        return whole

    def _registered(self, waiting: Waiting) -> tuple[Version, bool]:
        known, record = self.find(waiting.record), waiting.record
        if known is None:
            self._tracking.create(record, self._files, self._now_us())
        version = self._known(record) if known is None else known
        if waiting.standing and not version.standing:
            version = self._settled(version, waiting.standing)
        self._pending.drop(record)
        return version, known is None

    def _known(self, record: Record) -> Version:
        version = self.find(record)
        if version is None:
            cure = "headrace train again; if it comes back, restore mlflow.db from a copy"
            raise HeadraceError(Fault("HR-LEARN-019", "", "a version lost after it was written", "to find it", cure))
        return version

    def settle(self, version: Version, standing: str) -> Version:
        """Record what became of a version on registration, and set its alias.

        A champion that was promoted while this version was trained stays: the version was not compared with it.

        Args:
            version: registered, not yet settled.
            standing: ``champion``, ``challenger``, or ``held`` for one that did not pass its gates.
        """
        with self._locked():
            return self._settled(version, standing)

    def _settled(self, version: Version, standing: str) -> Version:
        champion = self.champion(version.name)
        if standing == "champion" and champion is not None:
            compared = champion.number in (version.record.parent, version.number)
            standing = "champion" if compared else "challenger"
        if standing == "champion":
            reason = "passed its gates and is not worse than the champion before it"
            self._make_champion(version, reason, "training")
        elif standing == "challenger":
            self._tracking.set_alias(version.name, "challenger", version.number)
        self._tracking.set_tag(version, "standing", standing)
        return self.version(version.name, version.number)

    def promote(self, model: str, number: int, reason: str | None = None, by: str = "") -> Version:
        """Make a version the champion.

        Args:
            model: its name.
            number: of the version.
            reason: why; must be given for a version that did not pass its gates, and is kept with it.
            by: who does it; kept with it.

        Raises:
            CheckFailed: HR-LEARN-015 when gates failed and no reason is given.
            HeadraceError: HR-LEARN-014 when there is no such version, HR-LEARN-011 when its file was altered.
        """
        version = self.version(model, number)
        failed = [gate.name for gate in version.record.gates if not gate.passed]
        if failed and not (reason or "").strip():
            found = f"version {number} of {model}, which failed {', '.join(failed)}"
            cure = "promote a version that passed, or state a reason (--reason), which is recorded"
            raise CheckFailed(Fault("HR-LEARN-015", "", found, "passed gates or a reason", cure))
        self.load(version)
        with self._locked():
            self._make_champion(version, (reason or "").strip() or "promoted by hand", by)
            return self.version(model, number)

    def _make_champion(self, version: Version, reason: str, by: str) -> None:
        before = self.champion(version.name)
        if before is not None and before.number == version.number:
            return
        replaced = None if before is None else before.number
        entry = {"at_us": self._now_us(), "by": by, "reason": reason, "replaced": replaced}
        told = list(version.promotions)
        # a promotion that was told but not done was killed in between: it is not told twice
        if not told or (told[-1]["reason"], told[-1]["replaced"]) != (reason, replaced):
            self._tracking.set_tag(version, "promotions", json.dumps([*told, entry], sort_keys=True))
        self._tracking.set_alias(version.name, "champion", version.number)
        challenger, shadow = self.challenger(version.name), self.shadow(version.name)
        if challenger is not None and challenger.number == version.number:
            self._tracking.drop_alias(version.name, "challenger")
        if shadow is not None and shadow.number == version.number:
            self._tell_shadow(shadow, "ends", "it serves", by)
            self._tracking.drop_alias(version.name, "shadow")

    def set_shadow(self, model: str, number: int, reason: str | None = None, by: str = "") -> Version:
        """Let a version be scored beside the champion, after each answer; it may have failed its gates.

        Args:
            model: its name.
            number: of the version.
            reason: why; kept with it.
            by: who does it; kept with it.

        Raises:
            HeadraceError: HR-LEARN-014 when there is no such version, HR-LEARN-011 when its file was altered,
                HR-SHADOW-001 for the champion, and for one that gives several scores.
        """
        version = self.version(model, number)
        if "champion" in version.aliases:
            found, cure = f"version {number} of {model}, which is the champion", "name another version"
            raise HeadraceError(Fault("HR-SHADOW-001", "", found, "a version that does not serve", cure))
        if len(names := self.load(version).names) != 1:
            found = f"version {number} of {model}, which gives a row {len(names)} scores"
            raise HeadraceError(Fault("HR-SHADOW-001", "", found, "one score", "name a version of one score"))
        with self._locked():
            before = self.shadow(model)
            if before is not None and before.number != number:
                self._tell_shadow(before, "ends", f"version {number} in its place", by)
            if "shadow" not in version.aliases:
                self._tell_shadow(version, "begins", reason, by)
                self._tracking.set_alias(model, "shadow", number)
            return self.version(model, number)

    def end_shadow(self, model: str, reason: str | None = None, by: str = "") -> Version | None:
        """Score no version of a model beside its champion any more; return the one that was, None where none was."""
        with self._locked():
            version = self.shadow(model)
            if version is not None:
                self._tell_shadow(version, "ends", reason, by)
                self._tracking.drop_alias(model, "shadow")
                version = self.version(model, version.number)
            return version

    def _tell_shadow(self, version: Version, what: str, reason: str | None, by: str) -> None:
        told, said = list(version.shadows), (reason or "").strip()
        # what was told but not done was killed in between: it is not told twice
        if not told or (told[-1]["what"], told[-1]["reason"]) != (what, said):
            entry = {"at_us": self._now_us(), "by": by, "reason": said, "what": what}
            self._tracking.set_tag(version, "shadows", json.dumps([*told, entry], sort_keys=True))

    def remove(self, versions: Iterable[Version]) -> None:
        """Remove versions, and what no version has any more; whoever was killed on the way can do it again.

        Args:
            versions: without an alias; whether something else names them is for the caller to know.
        """
        with self._locked():
            for one in versions:
                self._tracking.remove(one)
            for path in self.unnamed():
                path.unlink(missing_ok=True)

    def unnamed(self, without: Iterable[Version] = ()) -> list[Path]:
        """Return the files that no version has and none that waits, as a killed removal leaves them.

        Args:
            without: versions that are not counted, as if they were removed.
        """
        kept = self.records(without)
        wanted = {self._files.path(*one) for record in kept for one in named_files(record).items()}
        return list(self._files.others(wanted))

    def records(self, without: Iterable[Version] = ()) -> list[Record]:
        """Return the records of all versions and of what waits.

        Those of the folder's own database are among them: a server in the settings does not make them worthless.

        Args:
            without: versions that are left out.
        """
        gone = {(one.name, one.number) for one in without}
        local = [] if self.server is None else read_versions(self.root)
        kept = [one for one in self.versions() if (one.name, one.number) not in gone]
        return [one.record for one in (*kept, *local, *self._pending)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the registry against other processes; the lock dies with its process."""
        import fcntl

        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def __repr__(self) -> str:
        versions = self.versions()
        return f"Registry({len({one.name for one in versions})} models, {len(versions)} versions)"


def _became(state: str) -> str:
    return "is not there" if state == GONE else "was altered"
