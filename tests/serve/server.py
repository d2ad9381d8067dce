"""A service as a process of its own, for tests that stop or kill it."""

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx


class Server:
    """A service in a process of its own, on a free port."""

    def __init__(self, folder: Path, *more: str) -> None:
        command = [sys.executable, "-m", "headrace.cli", "serve", "--project", str(folder), "--port", "0", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        found, said = None, ""
        while found is None:  # what the log has to say may come before
            line = self.process.stderr.readline()
            if not line:
                raise AssertionError(said)
            found, said = re.search(r"http://127.0.0.1:\d+", line), said + line
        self.client = httpx.Client(base_url=found[0], timeout=30)
        self.wait()

    def wait(self) -> None:
        for _ in range(2_400):
            if self.process.poll() is not None:
                raise AssertionError(self.process.communicate()[1])
            try:
                if self.client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the service did not become ready")

    def stop(self) -> str:
        self.process.terminate()
        return self.process.communicate(timeout=60)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
