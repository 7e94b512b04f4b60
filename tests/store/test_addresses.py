from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import archwright.store
from archwright.errors import (
    EnvironmentProblem,
    MissingDependencyError,
    StoreError,
    UnknownNameError,
)
from archwright.store import MemoryStore, SQLStore, open_store
from archwright.testing.stored_studies import new_study


@pytest.mark.parametrize("url", [None, "memory://"])
def test_memory_is_the_default(url: str | None) -> None:
    store = open_store(url)
    assert isinstance(store, MemoryStore)
    assert not store.shared
    assert repr(store) == "MemoryStore('memory')"


def test_an_open_store_is_taken_as_it_is() -> None:
    store = MemoryStore()
    assert open_store(store) is store


def test_paths_and_addresses_mean_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a ?%20#b.db"
    with open_store(path) as store:
        assert isinstance(store, SQLStore)
        assert store.shared
        new_study(store, "one")
        url = store.url
    for address in (url, str(path), f"sqlite:///{path}", "a ?%20#b.db", "sqlite:///a ?%20#b.db"):
        with open_store(address) as store:
            assert [study.name for study in store.studies()] == ["one"], address


def test_address_stays_valid_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("here.db") as store:
        monkeypatch.chdir("/")
        assert store.url == f"sqlite:///{tmp_path / 'here.db'}"


def test_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown store 'mysql'.*memory, postgresql, sqlit"):
        open_store("mysql://host/db")
    with pytest.raises(UnknownNameError, match=r"did you mean 'postgresql'"):
        open_store("postgressql://host/db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://study.db"])
def test_bad_sqlite_address_shows_good_ones(url: str) -> None:
    with pytest.raises(
        StoreError, match=r"looks like sqlite:///study\.db.*got 'sqlite:.*memory://"
    ):
        open_store(url)


@pytest.mark.parametrize("url", ["memory:", ":memory:"])
def test_memory_is_never_a_file_of_that_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=rf'is written "memory://"; got \'{url}\''):
        open_store(url)
    assert not list(tmp_path.iterdir())


def test_memory_cannot_be_found_again() -> None:
    with pytest.raises(StoreError, match=r"always new and has no name.*'memory://mine'"):
        open_store("memory://mine")
    with pytest.raises(StoreError, match="always new"):
        open_store("memory://", create=False)


def test_folder_is_refused_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is a folder, expected a file; .*study\.db"):
        open_store(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder .*nowhere; make it first"):
        open_store(tmp_path / "nowhere" / "x.db")


def test_without_create_nothing_is_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store .*x\.db; check the path"):
        open_store(tmp_path / "x.db", create=False)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match=r"there is no store in .*empty\.db; check the address"):
        open_store(tmp_path / "empty.db", create=False)
    assert (tmp_path / "empty.db").read_bytes() == b""
    assert os.listdir(tmp_path) == ["empty.db"]


def test_bad_postgres_address_shows_a_good_one() -> None:
    with pytest.raises(StoreError, match=r"looks like postgresql://user@host:5432/database"):
        open_store("postgresql://host:port/x")


def test_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"psycopg.*archwright\[postgres\]"):
        open_store("postgresql://u:secret@host/x")


def test_absent_server_is_one_line_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(EnvironmentProblem, match="that the server runs") as caught:
        open_store("postgresql://u:secret@127.0.0.1:1/x")
    assert caught.value.exit_code == 3
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_memory_store_does_not_load_sqlalchemy() -> None:
    code = (
        "import sys, archwright.store as s; s.open_store(None); print('sqlalchemy' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "False"


def test_no_such_name_in_the_room() -> None:
    with pytest.raises(AttributeError, match="no attribute 'NoStore'"):
        _ = archwright.store.NoStore
