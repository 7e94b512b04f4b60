from __future__ import annotations

import pytest

from archwright.proxy import PROXIES, make_proxy
from archwright.testing.proxies import check_proxy


@pytest.mark.parametrize("name", PROXIES.names())
def test_proxy_contract(name: str) -> None:
    check_proxy(name)


@pytest.mark.parametrize("name", PROXIES.names())
def test_citations_are_listed(name: str) -> None:
    proxy = make_proxy(name)
    assert proxy.citation or proxy.name in ("params", "flops"), "a proxy names its paper"


@pytest.mark.cuda
@pytest.mark.parametrize("name", PROXIES.names())
def test_proxy_contract_on_a_cuda_device(name: str) -> None:
    check_proxy(name, device="cuda")
