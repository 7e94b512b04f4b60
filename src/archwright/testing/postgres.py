"""A private PostgreSQL server for tests: on loopback, in a temporary folder, gone afterwards."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PostgresServer", "postgres_binaries", "shared_server"]

_TIMEOUT_SECONDS = 120
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 60
shared_buffers = 16MB
"""


def postgres_binaries() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, the newest if there are several; None if none."""
    found = shutil.which("pg_ctl")
    if found and (Path(found).parent / "initdb").exists():
        return Path(found).parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    return versions[-1].parent if versions else None


class PostgresServer:
    """A server that can be started, stopped and restarted; a context manager.

    PostgreSQL refuses to run as root: then it runs as the user `postgres` or `nobody`.

    Args:
        binaries: Folder of `initdb` and `pg_ctl`.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="archwright-postgres-"))
        self._data = self._folder / "data"
        self._user = _unprivileged_user()
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._databases = 0
        self.port = _free_port()
        self.url = f"postgresql://archwright@127.0.0.1:{self.port}/postgres"
        self._call(
            "initdb", "-D", self._data, "-A", "trust", "-E", "UTF8", "-U", "archwright", "-N"
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self.port}\n")

    def new_database(self) -> str:
        """Create an empty database; return its address."""
        import psycopg

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.removesuffix("postgres") + name

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control("start", "-l", self._folder / "log")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" ends all connections, "immediate" is a crash."""
        self._control("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop and start it."""
        self.stop(mode)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, verb: str, *arguments: str | Path) -> None:
        self._call("pg_ctl", verb, "-w", "-t", "60", "-D", self._data, *arguments)

    def _call(self, program: str, *arguments: str | Path) -> None:
        finished = subprocess.run(
            [self._binaries / program, *arguments],
            user=self._user,
            cwd=self._folder,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            # Not a pipe: the server would inherit it and keep it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if finished.returncode:
            log = self._folder / "log"
            tail = log.read_text()[-2000:] if log.exists() else "no log"
            raise RuntimeError(f"{program} {arguments[0]} returned {finished.returncode}: {tail}")


@cache
def shared_server() -> PostgresServer | None:
    """Return a server that runs until this process ends, the same one for every caller.

    None if PostgreSQL is not installed. Ask it for a `new_database`.
    """
    binaries = postgres_binaries()
    if binaries is None:
        return None
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(PostgresServer(binaries))


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
