"""SWAP: how many different patterns over the samples do the units show [Peng2024swap]_.

Y. Peng, A. Song, H. M. Fayek, V. Ciesielski, X. Chang. SWAP-NAS: sample-wise activation patterns
for ultra-fast NAS. ICLR 2024, arXiv:2403.04161. Unit v has the pattern of its signs over the
samples, and the score is the number of different patterns; at most 2**samples and at most the
number of units. Regularized, it is multiplied by exp(-(P - mu)**2 / sigma), with P the parameters
in thousands, as in the authors' program.

Deviations: activations of every shape count, where the program takes maps only, so that networks
on tables have a score; and every function that is on or off counts, not `nn.ReLU` modules alone.
"""

from __future__ import annotations

import math
import statistics

import torch

from archwright.errors import ProxyError
from archwright.proxy._initial import INITIAL, draw_weights
from archwright.proxy.passes import Passes
from archwright.proxy.patterns import different_columns, patterns_per_site
from archwright.proxy.proxy import Measured, Proxy, chosen

__all__ = ["SWAP"]

_FULL = 0.9  # of all patterns: from here on large networks cannot be told apart


class SWAP(Proxy):
    """Number of different sample-wise activation patterns, mean over draws of the weights.

    Args:
        samples: How many of the batch are used, from its start. Many make every pattern differ.
        repeats: Draws of the weights.
        init: What they are drawn from; "keep" takes the network's own, once.
        mu: Size to prefer, in thousands of parameters; None for no preference.
        sigma: How broad that preference is, in squared thousands; goes with `mu`.
    """

    name = "swap"
    needs = frozenset({"data"})
    batch_size = 16
    init = "normal"
    deterministic = False
    any_order = False
    passes_text = "32 forward on 16 samples"
    citation = "Peng2024swap"

    def __init__(
        self,
        *,
        samples: int = 16,
        repeats: int = 32,
        init: str = "normal",
        mu: float | None = None,
        sigma: float | None = None,
    ) -> None:
        if samples < 1 or repeats < 1:
            raise ProxyError(f"swap needs samples and repeats; got {samples!r} and {repeats!r}")
        if (mu is None) != (sigma is None) or (sigma is not None and sigma <= 0):
            raise ProxyError(f"mu and a positive sigma go together; got {mu!r} and {sigma!r}")
        self.samples = samples
        self.initial = chosen("init", init, INITIAL)
        self.repeats = 1 if init == "keep" else repeats
        self.mu, self.sigma = mu, sigma

    def measure(self, passes: Passes) -> Measured:
        """Return the mean number of patterns, weighted if a size is preferred."""
        inputs = passes.batch.first(self.samples).inputs
        counts: list[int] = []
        with passes.scratch():
            for repeat in range(self.repeats):
                draw_weights(passes, self.initial, passes.generator("swap", repeat))
                found = torch.cat(patterns_per_site(passes, inputs), dim=1)
                counts.append(different_columns(found).shape[1])
        mean = statistics.fmean(counts)
        full = mean > _FULL * 2 ** len(inputs)
        return Measured(
            mean * self._preference(passes),
            note=f"close to the {2 ** len(inputs)} patterns that there are" if full else "",
            details={"deviation": statistics.pstdev(counts)},
        )

    def _preference(self, passes: Passes) -> float:
        if self.mu is None or self.sigma is None:
            return 1.0
        thousands = sum(parameter.numel() for parameter in passes.network.parameters()) / 1000
        return math.exp(-((thousands - self.mu) ** 2) / self.sigma)
