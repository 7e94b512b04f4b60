"""What all tests share: no network, reproducible property tests, parts that may be missing."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # the test processes fill the machine already
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so for jobs of a shell in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start inherits it

# No deadline: the machine may be busy. "quick" always draws the same examples, so that a green
# run stays green; `pytest --hypothesis-profile thorough` goes looking for new ones.
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("quick")

SHARED_DATA = "ARCHWRIGHT_SHARED_DATA"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say so, what needs a part that this machine lacks."""
    if item.get_closest_marker("shared_data") and not os.environ.get(SHARED_DATA):
        pytest.skip(f"{SHARED_DATA} does not name a data folder")
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with the data that the project does not ship; mark tests shared_data."""
    return Path(os.environ[SHARED_DATA])


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse connections that would leave the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise AssertionError(f"a test tried to connect to {address!r}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def _is_local(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
