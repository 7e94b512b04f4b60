"""Zen-score: how much a small change of the input changes the last feature map [Lin2021zen]_.

M. Lin, P. Wang, Z. Sun, H. Chen, X. Sun, Q. Qian, H. Li, R. Jin. Zen-NAS: a zero-shot NAS for
high-performance image recognition. ICCV 2021, arXiv:2102.01063. Algorithm 1: with weights and
inputs x, e drawn from N(0, 1), f the map before global pooling and gamma = 0.01,

    score = ln mean_i sum |f(x_i) - f(x_i + gamma e_i)|  +  sum over batch normalizations of
            ln sqrt(mean over channels of the variance)

where the second part returns what normalization divides out. The mean over 32 draws is reported.

Deviations: the paper scores plain networks and takes shortcuts out; here the network stays as it
is. The authors' program reads the running variance, which mixes each batch into 1 by the momentum
and is carried from draw to draw; so do we, from 1 on, and `variance="batch"` takes that of the last
batch alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy._initial import draw_weights
from archwright.proxy._inputs import noise
from archwright.proxy._maps import feature_map
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["Zen"]

_BatchNorm = nn.modules.batchnorm._BatchNorm


class Zen(Proxy):
    """Expected sensitivity of the feature map before global pooling, as a logarithm.

    Args:
        samples: Inputs in one draw.
        repeats: Draws of weights and inputs.
        gamma: Size of the change of the inputs.
        features: Path of the module whose output is the feature map; None for the last map of more
            than one pixel that the network computes.
        variance: "running", as published, or "batch".
    """

    name = "zen"
    batch_size = 16
    init = "normal"
    deterministic = False
    passes_text = "64 forward on 16 inputs"
    citation = "Lin2021zen"

    def __init__(
        self,
        *,
        samples: int = 16,
        repeats: int = 32,
        gamma: float = 0.01,
        features: str | None = None,
        variance: str = "running",
    ) -> None:
        if samples < 1 or repeats < 1 or not gamma > 0:
            raise ProxyError(
                f"zen needs samples, repeats and a positive gamma; got {samples!r}, {repeats!r} "
                f"and {gamma!r}"
            )
        self.samples, self.repeats, self.gamma = samples, repeats, gamma
        self.features = features
        self.variance = chosen("variance", variance, ("running", "batch"))

    def measure(self, passes: Passes) -> Measured:
        """Return the mean over the draws, and how far it may be off."""
        with passes.scratch() as network, _tracking(network, self.variance), torch.no_grad():
            values = [self._drawn(passes, repeat) for repeat in range(self.repeats)]
        precision = 1.96 * statistics.pstdev(values) / math.sqrt(len(values))
        return Measured(statistics.fmean(values), details={"precision": precision})

    def _drawn(self, passes: Passes, repeat: int) -> float:
        draw = passes.generator("zen", repeat)
        draw_weights(passes, "normal", draw)
        inputs = noise(passes, self.samples, draw)
        moved = inputs + self.gamma * noise(passes, self.samples, draw)
        change = feature_map(passes, inputs, self.features) - feature_map(
            passes, moved, self.features
        )
        distance = float(change.abs().flatten(1).double().sum(1).mean())
        if not math.isfinite(distance):
            raise Unscored("overflow", "the feature map is beyond the range of the numbers")
        if distance == 0:
            raise Unscored(
                "degenerate", "the feature map does not depend on the inputs", raw=-math.inf
            )
        return math.log(distance) + sum(map(_log_deviation, _normalizations(passes.network)))


def _log_deviation(normalization: _BatchNorm) -> float:
    assert normalization.running_var is not None
    variance = float(normalization.running_var.double().mean())
    if not 0 < variance < math.inf:
        raise Unscored("degenerate", f"a batch normalization sees a variance of {variance}")
    return 0.5 * math.log(variance)


def _normalizations(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def _tracking(network: nn.Module, variance: str) -> Iterator[None]:
    """Let batch normalizations track a variance, from 1 on, or just that of the last batch."""
    kept = [(m, m.track_running_stats, m.momentum) for m in _normalizations(network)]
    try:
        for module, _, _ in kept:
            _track(module, next(network.parameters()))
            if variance == "batch":
                module.momentum = 1.0
        yield
    finally:
        for module, tracked, momentum in kept:
            module.track_running_stats, module.momentum = tracked, momentum


def _track(module: _BatchNorm, like: Tensor) -> None:
    module.track_running_stats = True
    module.running_mean = torch.zeros(module.num_features).to(like)
    module.running_var = torch.ones(module.num_features).to(like)
    module.num_batches_tracked = torch.tensor(0, device=like.device)
