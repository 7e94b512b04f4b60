from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from archwright.data.download import RemoteFile, cache_folder, fetch
from archwright.errors import EnvironmentProblem

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def server(serve):
    return serve({"data.gz": CONTENT})


def remote(*bases, md5=MD5):
    return RemoteFile("data.gz", md5, tuple(base + "data.gz" for base in bases))


def get(file, folder, **options):
    return fetch(file, folder, wait_seconds=0.0, **options)


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_file_arrives_whole(server, tmp_path):
    told = []
    folder = tmp_path / "new" / "cache"
    path = get(remote(server.base), folder, progress=lambda *state: told.append(state))
    assert path == folder / "data.gz"
    assert path.read_bytes() == CONTENT
    assert names(folder) == ["data.gz"]
    assert told[-1] == ("data.gz", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_file_that_is_there_is_not_fetched(server, tmp_path):
    (tmp_path / "data.gz").write_bytes(b"mine")
    assert get(remote(server.base), tmp_path).read_bytes() == b"mine"
    assert server.requests == []


def test_broken_connection_is_resumed(server, tmp_path):
    server.broken = {"data.gz": 2}
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.requests == [
        ("data.gz", None),
        ("data.gz", f"bytes={half}-"),
        ("data.gz", f"bytes={half + half // 2}-"),
    ]
    assert names(tmp_path) == ["data.gz"]


def test_interrupted_transfer_is_resumed_by_the_next_call(server, tmp_path):
    server.broken = {"data.gz": 3}
    with pytest.raises(
        EnvironmentProblem, match="the connection broke off after 2625000 of 3000000"
    ):
        get(remote(server.base), tmp_path)
    assert names(tmp_path) == ["data.gz.part"]
    server.requests.clear()
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("data.gz", "bytes=2625000-")]
    assert names(tmp_path) == ["data.gz"]


def test_interrupted_by_the_user_is_resumed(server, tmp_path):
    def stop(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(remote(server.base), tmp_path, progress=stop)
    assert names(tmp_path) == ["data.gz.part"]
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] is not None


def test_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.broken = False, {"data.gz": 1}
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT


def test_unfinished_file_that_is_whole(server, tmp_path):
    (tmp_path / "data.gz.part").write_bytes(CONTENT)
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("data.gz", f"bytes={len(CONTENT)}-")]


def test_unfinished_file_of_something_else_is_fetched_anew(server, tmp_path):
    (tmp_path / "data.gz.part").write_bytes(b"rubbish")
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=7-", None]


def test_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    server.files["data.gz"] = b"something else"
    got = hashlib.md5(b"something else", usedforsecurity=False).hexdigest()
    with pytest.raises(EnvironmentProblem, match=f"wrong checksum, expected MD5 {MD5}, got {got}"):
        get(remote(server.base), tmp_path)
    assert names(tmp_path) == []


def test_next_mirror_is_used(serve, server, tmp_path):
    wrong = serve({"data.gz": b"something else"})
    absent = serve({})
    file = remote(wrong.base, absent.base, server.base)
    assert get(file, tmp_path).read_bytes() == CONTENT
    assert len(wrong.requests) == len(absent.requests) == len(server.requests) == 1


def test_mirror_that_is_busy_is_asked_again(server, tmp_path):
    server.errors = {"data.gz": [503, 500]}
    assert get(remote(server.base), tmp_path).read_bytes() == CONTENT


def test_failures_of_all_mirrors_are_told(serve, tmp_path):
    absent, busy = serve({}), serve({})
    busy.errors = {"data.gz": [500] * 3}
    with pytest.raises(EnvironmentProblem) as raised:
        get(remote(absent.base, busy.base), tmp_path, remedy="Do something else.")
    message = str(raised.value)
    assert message.startswith("cannot download data.gz: 127.0.0.1:")
    assert "answers 404 Not Found" in message
    assert "answers 500 Internal Server Error" in message
    assert message.endswith(". Do something else.")
    assert raised.value.exit_code == 3
    assert names(tmp_path) == []


def test_nobody_answers(serve, tmp_path):
    with pytest.raises(
        EnvironmentProblem, match=r"cannot download data\.gz: 127\.0\.0\.1:1: .*refused"
    ):
        get(remote("http://127.0.0.1:1/"), tmp_path)
    assert names(tmp_path) == []


def test_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="file/cache cannot be written"):
        get(remote(server.base), tmp_path / "file" / "cache")


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_two_at_once_fetch_it_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: get(remote(server.base), tmp_path), range(4)))
    assert all(path.read_bytes() == CONTENT for path in found)
    assert len(server.requests) == 1
    assert names(tmp_path) == ["data.gz"]


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHWRIGHT_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ARCHWRIGHT_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "archwright" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c" / "archwright" / "data"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "archwright" / "data"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "archwright" / "data"
    assert isinstance(cache_folder(), Path)
    assert os.environ["HOME"] == str(tmp_path)
