"""Every registered store keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.store import STORES, Store, open_store
from archwright.testing.postgres import shared_server
from archwright.testing.shared_stores import SHARED_CHECKS, check_shared
from archwright.testing.stores import CHECKS


def memory(folder: Path) -> str:
    return "memory://"


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'a store.db'}"


def postgresql(folder: Path) -> str:
    server = shared_server()
    if server is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on this machine")
    return server.new_database()


ADDRESSES: dict[str, Callable[[Path], str]] = {
    "memory": memory,
    "sqlite": sqlite,
    "postgresql": postgresql,
}
MARKED = [
    pytest.param(name, marks=pytest.mark.postgres) if name == "postgresql" else name
    for name in ADDRESSES
]


def test_every_registered_store_is_checked() -> None:
    assert set(ADDRESSES) == set(STORES.names())


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_store_keeps_the_contract(
    name: str, check: Callable[[Store], None], tmp_path: Path
) -> None:
    with open_store(ADDRESSES[name](tmp_path)) as store:
        check(store)


@pytest.mark.parametrize("name", [name for name in MARKED if name != "memory"])
@pytest.mark.parametrize("check", SHARED_CHECKS)
def test_shared_store_keeps_the_contract_between_processes(
    name: str, check: str, tmp_path: Path
) -> None:
    check_shared(check, ADDRESSES[name](tmp_path))
