"""The registry of models: MLflow's tracking and model registry in a folder, and the model files by their digest.

MLflow's database is the only truth about versions and aliases. Writing goes through its client; reading goes straight
to its tables, because the client takes seconds to import and a service or ``status`` only wants one row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from headrace import clock
from headrace.errors import CheckFailed, Fault, HeadraceError, nearest
from headrace.lake.disk import sync
from headrace.learn.native import LIGHTGBM, ONNX, XGBOOST, ending_of
from headrace.learn.scorer import Scorer, digest_of, load
from headrace.learn.tracking import Tracking, read_versions
from headrace.learn.version import Record, Version


class Registry:
    """Versions of models with what they came from and what they proved.

    Args:
        root: folder; ``mlflow.db`` (database), ``files/`` (model files by digest), ``artifacts/`` (of MLflow's runs).
        now_us: clock, microseconds UTC.

    Example:
        >>> import tempfile
        >>> Registry(Path(tempfile.mkdtemp())).champion("fraud_score") is None
        True
    """

    def __init__(self, root: Path | str, now_us: clock.Clock = clock.now_us) -> None:
        self.root = Path(root)
        self._now_us = now_us
        self._tracking = Tracking(self.root)

    def versions(self, model: str | None = None) -> list[Version]:
        """Return the versions of a model, or of all, oldest first.

        Raises:
            HeadraceError: HR-LEARN-019 when the database cannot be read.
        """
        return [one for one in read_versions(self.root) if model is None or one.name == model]

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

    def _alias(self, model: str, alias: str) -> Version | None:
        return next((one for one in self.versions(model) if alias in one.aliases), None)

    def path(self, version: Version) -> Path:
        """Return where the model file of a version lies."""
        return self.model_file(version.digest)

    def model_file(self, digest: str) -> Path:
        """Return where the model file of a digest lies; its ending says what runs it."""
        every = [self._file(digest, ending) for ending in (ONNX, LIGHTGBM, XGBOOST)]
        return next((path for path in every if path.exists()), every[0])

    def intact(self, version: Version) -> bool:
        """Return whether the model file of a version is there, as it was registered."""
        path = self.path(version)
        return path.exists() and digest_of(path.read_bytes()) == version.digest

    def _file(self, digest: str, ending: str = ".onnx") -> Path:
        return self.root / "files" / f"{digest}{ending}"

    def file(self, version: Version, name: str) -> bytes | None:
        """Return what is kept beside a version's model file under a name, or None where nothing is.

        Raises:
            HeadraceError: HR-LEARN-011 where it was altered or lost on disk.
        """
        digest = version.record.files.get(name)
        if digest is None:
            return None
        path = self._file(digest, Path(name).suffix)
        content = path.read_bytes() if path.exists() else b""
        if digest_of(content) != digest:
            found = f"{name} of {version.name} {version.number}, which {'was altered' if content else 'is not there'}"
            cure = "restore the file from a copy, or train again"
            raise HeadraceError(Fault("HR-LEARN-011", "", found, f"SHA-256 {digest[:12]}…, as registered", cure))
        return content

    def load(self, version: Version) -> Scorer:
        """Return the scorer of a version; a file that was altered on disk is refused.

        Raises:
            HeadraceError: HR-LEARN-011.
        """
        return load(self.path(version), version.digest)

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
        self, record: Record, content: bytes, files: Mapping[str, bytes] | None = None
    ) -> tuple[Version, bool]:
        """Store a model file and its record as a new version; the same record again gives the same version.

        Each step can be done twice without harm, and the version appears in one transaction after all else is in
        place: what is killed between two steps goes on with the next call, and nothing is doubled.

        Args:
            record: what the version came from and what it proved.
            content: the model file.
            files: what is kept beside it, by name.

        Returns:
            The version, and whether it is new.

        Raises:
            HeadraceError: HR-LEARN-011 when the content is not what the record says, HR-LEARN-019 when the database
                cannot be written, HR-LEARN-020 when the file cannot.
        """
        if digest_of(content) != record.digest:
            found = f"a model file with SHA-256 {digest_of(content)[:12]}…"
            cure = "register the bytes of which the record has the digest"
            raise HeadraceError(Fault("HR-LEARN-011", "", found, f"{record.digest[:12]}…, as recorded", cure))
        record = replace(record, files={name: digest_of(one) for name, one in (files or {}).items()})
        with self._locked():
            path = self._file(record.digest, ending_of(content))
            self._store(content, path)
            for name, one in (files or {}).items():
                self._store(one, self._file(record.files[name], Path(name).suffix))
            known = self.find(record)
            if known is not None:
                return known, False
            self._tracking.create(record, path, self._now_us())
            return self._known(record), True

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
        challenger = self.challenger(version.name)
        if challenger is not None and challenger.number == version.number:
            self._tracking.drop_alias(version.name, "challenger")

    def _store(self, content: bytes, path: Path) -> None:
        """Write a file under its digest; it is there whole or not at all, and a damaged one is replaced."""
        if path.exists() and path.read_bytes() == content:
            return
        half = path.with_suffix(".half")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
            sync(path.parent)
        except OSError as error:
            half.unlink(missing_ok=True)
            found = f"a model file that cannot be written ({error.strerror})"
            cure = "make room on the disk and run again: nothing was registered"
            raise HeadraceError(Fault("HR-LEARN-020", "", found, "a folder with room", cure)) from error

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
