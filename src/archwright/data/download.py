"""Files fetched once: resumed when interrupted, checked, and moved into place whole."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from archwright.data.options import Progress
from archwright.errors import EnvironmentProblem

__all__ = ["RemoteFile", "cache_folder", "fetch", "md5_of", "names_of"]

_log = logging.getLogger(__name__)

_BLOCK = 1 << 18
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class RemoteFile:
    """A file that others publish.

    Args:
        name: File name, in the cache too.
        md5: Its published checksum.
        urls: Where it is, the first that answers is used.
    """

    name: str
    md5: str
    urls: tuple[str, ...]


def cache_folder() -> Path:
    """Return where downloads go: `ARCHWRIGHT_DATA`, or this user's cache on this platform."""
    if named := os.environ.get("ARCHWRIGHT_DATA"):
        return Path(named).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "archwright" / "data"


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    progress: Progress | None = None,
    wait_seconds: float = 0.5,
    remedy: str = "",
) -> Path:
    """Return the path of a file in `folder`, downloading it if it is not there.

    The bytes go into a neighbour ending in ".part", which is kept when the transfer breaks off and
    resumed by the next call. Only a file with the right checksum gets the name.

    Args:
        file: What to fetch.
        folder: Made if it is not there.
        progress: Told about every block.
        wait_seconds: Before the second attempt at one address; twice as long before the third.
        remedy: What the user can do if nothing helps; ends the message.

    Raises:
        EnvironmentProblem: If no address gives the right bytes, or the folder cannot be written.
    """
    target = folder / file.name
    failures: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked_part(folder / f"{file.name}.part") as part:
            if target.is_file():  # another process has just finished it
                return _discarded(part, target)
            for url in file.urls:
                if _from_mirror(url, part, file, progress, wait_seconds, failures):
                    part.replace(target)
                    return target
            if part.is_file() and part.stat().st_size == 0:
                part.unlink()
    except OSError as error:
        failures.append(f"{folder} cannot be written ({error.strerror or error})")
    raise EnvironmentProblem(
        f"cannot download {file.name}: {'; '.join(failures)}. {remedy}".strip()
    )


def _discarded(part: Path, target: Path) -> Path:
    part.unlink(missing_ok=True)
    return target


@contextmanager
def _locked_part(part: Path) -> Iterator[Path]:
    """Hold the unfinished file so that no other process writes to it at the same time."""
    if sys.platform == "win32":
        yield part
        return
    import fcntl

    while True:
        handle = part.open("ab")
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_still(part, handle):
            break
        handle.close()  # the one who held it has renamed or removed it
    with handle:
        yield part


def _is_still(path: Path, handle: BinaryIO) -> bool:
    return path.exists() and path.stat().st_ino == os.fstat(handle.fileno()).st_ino


def _from_mirror(
    url: str,
    part: Path,
    file: RemoteFile,
    progress: Progress | None,
    wait_seconds: float,
    failures: list[str],
) -> bool:
    """Try one address a few times; whether the file is whole and right."""
    host = urlsplit(url).netloc
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(wait_seconds * attempt)
        try:
            resumed = _transfer(url, part, file.name, progress)
        except HTTPError as error:
            failures.append(f"{host} answers {error.code} {error.reason}")
            error.close()
            if error.code < 500:
                return False
        except (OSError, HTTPException) as error:
            failures.append(f"{host}: {getattr(error, 'reason', None) or error}")
        else:
            got = md5_of(part)
            if got == file.md5:
                return True
            _clear(part)
            failures.append(f"{host}: wrong checksum, expected MD5 {file.md5}, got {got}")
            if not resumed:
                return False
        _log.warning("%s", failures[-1])
    return False


def _clear(part: Path) -> None:
    """Empty the file without removing it, since it carries the lock."""
    os.truncate(part, 0)


def _transfer(url: str, part: Path, name: str, progress: Progress | None) -> bool:
    """Append to the unfinished file what it lacks; whether it had something before.

    Raises:
        OSError: If the connection breaks off.
    """
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "archwright", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()  # nothing is left to send: the checksum tells whether it is whole
        return True
    with response, part.open("r+b" if part.is_file() else "w+b") as out:
        resumed = response.status == 206
        start = have if resumed else 0
        out.truncate(start)
        out.seek(start)
        _copy(response, out, name, start, progress)
    return bool(resumed)


def _copy(
    response: HTTPResponse, out: BinaryIO, name: str, start: int, progress: Progress | None
) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    done = start
    while block := response.read(_BLOCK):
        out.write(block)
        done += len(block)
        if progress is not None:
            progress(name, done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke off after {done} of {total} bytes")


def md5_of(path: Path) -> str:
    """Return the MD5 checksum of a file: the kind that the sets' authors publish."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def _md5(data: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)


def names_of(files: Sequence[RemoteFile]) -> str:
    """Return the file names, for a message."""
    return ", ".join(file.name for file in files)
