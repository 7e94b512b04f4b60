"""Fisher: how much the loss depends on each channel [Turner2020blockswap]_.

J. Turner, E. J. Crowley, M. O'Boyle, A. Storkey, G. Gray: BlockSwap: Fisher-guided block
substitution for network compression on a budget, ICLR 2020; summed by Abdelfattah et al. 2021.
"""

from __future__ import annotations

import torch

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy

__all__ = ["Fisher"]


class Fisher(Proxy):
    """Half the mean square of (sum over pixels of z * dL/dz), for each channel z, summed.

    z is the output of a convolution or linear map, with its bias. A channel's value counts once for
    each of its weights, as published; so the sum depends on the sizes of the filters too. Scales
    with the square of the loss.
    """

    name = "fisher"
    needs = frozenset({"data", "labels", "gradient"})
    reads = frozenset({"saliency"})
    passes_text = "1 forward, 1 backward"
    citation = "Turner2020blockswap"

    def measure(self, passes: Passes) -> float:
        """Return the sum."""
        weights = passes.weights
        sums = [
            values.sum(dtype=torch.float64) * (weights[name].numel() / len(values))
            for name, values in passes.saliency.items()
        ]
        return float(torch.stack(sums).sum())
