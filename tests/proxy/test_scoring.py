"""Scoring one network and many: order, seeds, sharing, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import archwright as aw
from archwright.cost import count
from archwright.errors import ProxyError, UnknownNameError
from archwright.proxy import (
    PROXIES,
    Batch,
    Measured,
    Passes,
    Proxy,
    Score,
    Unscored,
    make_proxy,
    score,
    score_many,
)
from archwright.testing.proxies import toy_batch, toy_networks


class Drawn(Proxy):
    """A random number, or whatever it is told to give."""

    name = "drawn"
    size_bound = False
    deterministic = False

    def __init__(self, *, value: float | None = None, status: str = "") -> None:
        self.value, self.status = value, status

    def measure(self, passes: Passes) -> float | Measured:
        if self.status:
            raise Unscored(self.status, "told so", raw=-math.inf)
        if self.value is not None:
            return self.value
        drawn = float(torch.rand(1, generator=passes.generator("drawn")))
        return Measured(drawn, raw=-drawn, note="by chance")


def test_a_score_tells_all() -> None:
    found = score(toy_networks()["cell"], toy_batch(), Drawn(), seed=4)
    assert (found.proxy, found.ok, found.seed, found.note) == ("drawn", True, 4, "by chance")
    assert float(found) == found.value == -found.raw
    assert found.seconds >= 0
    assert found == Score(**{name: getattr(found, name) for name in Score.__slots__})


def test_size_bound_scores_carry_a_warning() -> None:
    found = score(toy_networks()["cell"], toy_batch(), "snip")
    assert found.note == "grows with the size of the network: compare within one space"


@pytest.mark.parametrize(
    ("value", "status"), [(math.nan, "nan"), (math.inf, "overflow"), (-math.inf, "overflow")]
)
def test_values_that_are_no_numbers_become_a_status(value: float, status: str) -> None:
    found = score(nn.Linear(4, 2), Batch.noise((4,), 3), Drawn(value=value))
    assert found.status == status
    assert math.isnan(found.value)
    assert found.reason


def test_no_score_becomes_a_status() -> None:
    found = score(nn.Linear(4, 2), Batch.noise((4,), 3), Drawn(status="degenerate"))
    assert (found.status, found.reason, found.raw) == ("degenerate", "told so", -math.inf)


def test_networks_are_built_when_it_is_their_turn() -> None:
    built: list[int] = []

    def maker(number: int) -> nn.Module:
        built.append(number)
        return nn.Sequential(nn.Linear(4, 20 + number), nn.ReLU())

    told: list[tuple[int, float]] = []
    scores = score_many(
        [lambda n=n: maker(n) for n in range(3)],
        Batch.noise((4,), 5),
        ["params", "naswot"],
        on_score=lambda number, found: told.append((number, found["params"].value)),
    )
    assert built == []
    assert list(next(scores)) == ["params", "naswot"]
    assert built == [0]
    rest = list(scores)
    assert [found["params"].value for found in rest] == [105.0, 110.0]
    assert told == [(0, 100.0), (1, 105.0), (2, 110.0)]


def test_every_network_is_scored_with_every_seed() -> None:
    networks = [nn.Linear(4, 2), nn.Linear(4, 3)]
    found = list(score_many(networks, Batch.noise((4,), 3), [Drawn(), "params"], seeds=(1, 2)))
    assert [scores["drawn"].seed for scores in found] == [1, 2, 1, 2]
    values = [scores["drawn"].value for scores in found]
    assert values[0] == values[2] != values[1] == values[3]
    assert [scores["params"].value for scores in found] == [10, 10, 15, 15]


def test_what_is_shared_is_dropped_after_its_last_reader() -> None:
    class Peeking(Drawn):
        name = "peeking"

        def measure(self, passes: Passes) -> float:
            return float(len(passes._results))

    networks, batch = [toy_networks()["cell"]], toy_batch()
    found = next(score_many(networks, batch, ["snip", "grad_norm", Peeking(), "fisher"]))
    assert found["peeking"].value == 1.0  # what fisher will read


def test_one_that_fails_leaves_the_others_their_scores() -> None:
    batch = Batch.noise((4,), 3)
    found = next(score_many([nn.Linear(4, 2)], batch, ["naswot", "l2_norm", "jacob_cov"]))
    assert [found[name].status for name in found] == ["no_relu", "ok", "ok"]


def test_wrong_calls_are_refused() -> None:
    network, batch = nn.Linear(4, 2), Batch.noise((4,), 3)
    with pytest.raises(UnknownNameError, match=r"unknown proxy 'naswit' \(did you mean 'naswot'"):
        score(network, batch, "naswit")
    with pytest.raises(UnknownNameError, match=r"unknown option of proxy 'naswot' 'bits'"):
        score(network, batch, "naswot", bits=3)
    with pytest.raises(ProxyError, match=r"options \['value'\] go with a name; 'drawn' is built"):
        score(network, batch, Drawn(), value=3)
    with pytest.raises(ProxyError, match=r"proxy 'snip' needs targets, and the batch has none"):
        score(network, batch, "snip")
    with pytest.raises(ProxyError, match=r"proxies \['naswot'\] are given twice"):
        next(score_many([network], batch, ["naswot", "nwot"]))


def test_needs_are_checked_when_a_proxy_is_defined() -> None:
    with pytest.raises(TypeError, match=r"Odd.needs has \['luck'\]; known: \['data'"):

        class Odd(Drawn):
            needs = frozenset({"luck"})


def test_options_of_proxies() -> None:
    assert make_proxy("naswot").option_names() == ("per_bit", "alive", "profile")
    assert make_proxy("snip").option_names() == ()
    assert set(PROXIES.names()) >= {"naswot", "snip", "params"}


def test_size_proxies_count() -> None:
    network = toy_networks()["cell"]
    network.requires_grad_(False)
    found = next(score_many([network], toy_batch(), ["params", "flops"]))
    network.requires_grad_(True)
    counts = count(network, (3, 8, 8))
    assert found["params"].value == counts.parameters
    assert found["flops"].value == counts.macs
    failed = score(nn.Linear(3, 2), toy_batch(), "flops")
    assert failed.status == "failed"
    assert "does not accept an input" in failed.reason


def test_front_door() -> None:
    network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    assert float(aw.score(network, Batch.noise((4,), 8))) > 0
