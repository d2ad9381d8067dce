"""Beside a running service: sees who is the shadow, writes down since when, and keeps the process that follows.

That process shares nothing with the service but the lake: no lock of the interpreter, no memory, and no CPU that the
service wants. If it fails or is killed, answers are as they were, and it goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Mapping
from typing import Any

from headrace import clock
from headrace.errors import HeadraceError
from headrace.learn import Version
from headrace.serve.loaded import Loaded
from headrace.serve.shadow.following import figures_file
from headrace.serve.shadow.spans import Span, Timeline, shadow_of

EVERY_S = 10.0
"""How often records are brought into the lake while there is a shadow, and how often it looks there."""
_SOON_US = 1_000_000
"""A span begins so much later than it is written down: who reads a record of it finds the span, too."""
_AGAIN_S = 60.0
"""When a process that ended by itself is begun again."""
_PATIENCE_S = 5.0
"""How long the end of a service waits for it; what is left then is scored at the next start."""
_log = logging.getLogger("headrace.serve")


class Shadows:
    """The shadows of the services that run here.

    Args:
        loaded: the project.
        now_us: the clock by which records are decided.
    """

    def __init__(self, loaded: Loaded, now_us: clock.Clock = clock.now_us) -> None:
        self._loaded, self._registry, self._now_us = loaded, loaded.registry(), now_us
        self._timeline = Timeline(loaded.state_dir)
        self._child: subprocess.Popen[bytes] | None = None
        self._rests_until = self._due = 0.0
        self._told, self._soon = "", 0  # nothing is decided before the first look

    def look(self) -> None:
        """See who is the shadow of each service, and have it followed; called by a thread that no request waits for.

        Where the registry cannot be asked, or anything else goes wrong, all stays as it is, and that is told once.
        """
        failed = ""
        try:
            self._look()
        except HeadraceError as error:
            failed = str(error)
        except Exception as error:  # noqa: BLE001 - it stands beside a service, and is no part of it
            failed = type(error).__name__
        if failed and failed != self._told:
            _log.warning("who is a shadow is not known: %s", failed)
        self._told = failed
        self._soon = _SOON_US

    def _look(self) -> None:
        on = False
        for name, service in self._loaded.project.all_services.items():
            version = shadow_of(service, self._registry)
            on |= version is not None
            if self._timeline.turn(name, Span.of(version, self._now_us() + self._soon)):
                _log.warning("%s", _said(name, version))
        self._keep(on)

    def due(self) -> bool:
        """Whether records are to be brought into the lake, since they are waited for there."""
        now = clock.monotonic_s()
        if not self._alive or now < self._due:
            return False
        self._due = now + EVERY_S
        return True

    def records(self) -> Mapping[tuple[str, ...], float]:
        """Return how many records were scored, by service, model, version and outcome."""
        return {tuple(map(str, key)): count for *key, count in self._figures().get("counts", [])}

    def failing(self) -> Mapping[str, float]:
        """Return which services have a shadow that fails now."""
        failed = self._figures().get("failed", {})
        return {name: float(name in failed) for name in self._loaded.project.all_services if self._timeline.of(name)}

    def close(self) -> None:
        """Let the follower score what the lake has, and end; all records of this service are in the lake."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    @property
    def process(self) -> int | None:
        """The number of the process that follows, None where there is none."""
        return self._child.pid if self._child is not None and self._alive else None

    @property
    def _alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _keep(self, on: bool) -> None:
        if self._alive or not on:
            return
        now = clock.monotonic_s()
        if self._child is not None and self._child.returncode and not self._rests_until:
            _log.error("what scores shadows has ended (%d); it is begun again in a while", self._child.returncode)
            self._rests_until = now + _AGAIN_S
        if now < self._rests_until:
            return
        self._rests_until = 0.0
        # a session of its own: Ctrl-C is for the service, which then ends it
        self._child = subprocess.Popen(  # noqa: S603 - our own words
            self._loaded.command("shadow", "--follow", str(EVERY_S)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _figures(self) -> dict[str, Any]:
        try:
            said = json.loads(figures_file(self._loaded.state_dir).read_text())
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}


def _said(service: str, version: Version | None) -> str:
    if version is None:
        return f"{service} has no shadow any more"
    return f"version {version.number} of {version.name} is the shadow of {service} from now on"
