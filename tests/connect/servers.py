"""Real database servers on private ports of this machine: started once for all tests, stopped by their process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SECRET = "p@ss/w:rd#1"
"""With all the letters that mean something in an address."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """A server that can be stopped, killed and started again with the data that it has."""

    name = ""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.user, self.port = folder, user, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def run(self, sql: str) -> None:
        """Run statements as the owner, each on its own."""
        raise NotImplementedError

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(self._as_user(self.command()), stdout=log, stderr=log)
        for _ in range(600):
            try:
                self.run("select 1")
            except Exception:  # noqa: BLE001 - of whichever driver
                if self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)
            else:
                return
        raise TimeoutError((self.folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        assert self._process is not None
        # ps ends with 1 where there are none, as MariaDB has none.
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True, check=False
        )
        self._process.kill()
        self._process.wait()
        for pid in children.stdout.split():
            _end(int(pid))

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT if self.name == "postgresql" else signal.SIGTERM)
            self._process.wait(30)

    def _as_user(self, command: Sequence[str]) -> list[str]:
        """Both refuse to run as root."""
        if os.geteuid() != 0:
            return list(command)
        return [
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={pwd.getpwnam(self.user).pw_gid}",
            "--clear-groups",
            *command,
        ]

    def _make(self, command: Sequence[str]) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        done = subprocess.run(self._as_user(command), capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr[-2000:]


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Postgres(Server):
    """PostgreSQL with few connections, that asks for passwords."""

    name = "postgresql"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "postgres")
        self._bin = postgres_folder() or Path()
        word = self.folder / "word"
        word.write_text(SECRET)
        word.chmod(0o644)
        self._make([str(self._bin / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-A", "scram-sha-256",
                    f"--pwfile={word}", "--locale=C", "-E", "UTF8", "-N"])  # fmt: skip

    def command(self) -> list[str]:
        given = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "12",
            "superuser_reserved_connections": "3",
        }
        settings = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *settings]

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}/postgres"

    @property
    def url(self) -> str:
        return f"postgresql://owner:${{HEADRACE_TEST_SECRET}}@{self.place}"

    @contextmanager
    def connected(self, database: str = "postgres") -> Iterator[Any]:
        from urllib.parse import quote

        import adbc_driver_postgresql.dbapi as driver

        url = f"postgresql://owner:{quote(SECRET, safe='')}@127.0.0.1:{self.port}/{database}"
        with driver.connect(url, autocommit=True) as connection:
            yield connection

    def run(self, sql: str, database: str = "postgres") -> None:
        with self.connected(database) as connection, connection.cursor() as cursor:
            for one in sql.split(";;"):
                cursor.execute(one)


class Mariadb(Server):
    """MariaDB, which speaks the protocol of MySQL."""

    name = "mariadb"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "mysql")
        self._make(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                    "--auth-root-authentication-method=normal"])  # fmt: skip
        self.start()
        self.run(
            "create database shop character set utf8mb4;;"
            f"create user reader@'127.0.0.1' identified by '{SECRET}';;grant select on shop.* to reader@'127.0.0.1'"
        )

    def command(self) -> list[str]:
        return ["mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
                "--bind-address=127.0.0.1", f"--socket={self.folder}/socket", "--innodb-flush-log-at-trx-commit=0",
                "--max-connections=10", "--sql-mode="]  # fmt: skip

    @property
    def url(self) -> str:
        return f"mysql://reader:${{HEADRACE_TEST_SECRET}}@127.0.0.1:{self.port}/shop"

    @contextmanager
    def connected(self) -> Iterator[Any]:
        import pymysql

        with pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True) as connection:
            yield connection

    def run(self, sql: str) -> None:
        with self.connected() as connection, connection.cursor() as cursor:
            if sql != "select 1" and not sql.startswith("create database"):
                cursor.execute("use shop")
            for one in sql.split(";;"):
                cursor.execute(one)


def postgres_folder() -> Path | None:
    """Return where Debian keeps the programs of PostgreSQL, which are in no PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def running(kind: type[Server]) -> Iterator[Any]:
    """Give a running server with a secret in the environment; skip where it is not installed."""
    if kind is Postgres and postgres_folder() is None:
        pytest.skip("no PostgreSQL here (Debian: postgresql)")
    if kind is Mariadb and not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
        pytest.skip("no MariaDB here (Debian: mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix=f"headrace-{kind.name}-"))
    folder.chmod(0o755)
    os.environ["HEADRACE_TEST_SECRET"] = SECRET
    server: Server | None = None
    try:
        server = kind(folder)
        if kind is Postgres:
            server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    with running(Mariadb) as server:
        yield server
