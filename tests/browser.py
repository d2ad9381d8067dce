"""Debian's Chromium, spoken to over a pipe in its own protocol (CDP), without a library or a driver.

A test asks for ``browser()``, which skips where there is no Chromium.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Page:
    """One tab: what it asked of the network, what it wrote to the console, and what is on it."""

    def __init__(self, ask: int, told: int) -> None:
        self._ask, self._told, self._rest, self._number = ask, told, b"", 0
        self.requests: list[str] = []
        self.said: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, at: Path | str, width: int = 1200, height: int = 900, *, dark: bool = False) -> None:
        """Open a file, or an address of this machine, in a window of a width, and wait until it is loaded."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=scheme)
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Page.navigate", url=at if isinstance(at, str) else at.resolve().as_uri())
        while self.value("document.readyState") != "complete":
            pass

    def value(self, expression: str) -> Any:
        """Return what JavaScript says."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, path: Path, height: int | None = None, top: int = 0) -> None:
        """Write the page as a PNG, whole or a part of it."""
        wide, tall = (self.value(f"document.documentElement.scroll{side}") for side in ("Width", "Height"))
        clip = {"x": 0, "y": top, "width": wide, "height": height or tall - top, "scale": 1}
        shot = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **given: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._ask, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._learn(answer.get("method"), answer.get("params", {}))

    def _learn(self, method: str | None, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.said.append(json.dumps(told))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._told, 1 << 20)
            if not more:
                raise AssertionError("Chromium went away")
            self._rest += more
        one, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(one)
        return answer


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Give a page of a Chromium of its own, whose files are in a folder; it ends with the block."""
    command = shutil.which("chromium")
    if command is None:
        pytest.skip("Chromium is not installed")
    (theirs, ask), (told, answer) = os.pipe(), os.pipe()

    def handed() -> None:
        # first out of the way: one of them may be 3 or 4 here
        high = [fcntl.fcntl(pipe, fcntl.F_DUPFD, 10) for pipe in (theirs, answer)]
        for pipe, place in zip(high, (3, 4), strict=True):
            os.dup2(pipe, place)

    process = subprocess.Popen(
        [command, *_FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=handed,
        close_fds=False,  # the protocol's are 3 and 4; all others end of themselves
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(answer)
    try:
        yield Page(ask, told)
    finally:
        process.kill()
        process.wait()
        os.close(ask)
        os.close(told)
