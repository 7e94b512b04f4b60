"""SNIP: how much the loss depends on each weight being there [Lee2019snip]_.

N. Lee, T. Ajanthan, P. Torr: SNIP: single-shot network pruning based on connection sensitivity,
ICLR 2019; summed over the network by Abdelfattah et al. 2021. The derivative of the loss
by a mask m on the weights, at m = 1, is W * dL/dW: no masks are needed.
"""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy
from archwright.proxy.sums import products

__all__ = ["SNIP"]


class SNIP(Proxy):
    """The sum of |W * dL/dW| over the weights of convolutions and linear maps.

    Scales with the loss; not below `plain`.
    """

    name = "snip"
    needs = frozenset({"data", "labels", "gradient"})
    reads = frozenset({"gradients"})
    passes_text = "1 forward, 1 backward"
    citation = "Lee2019snip"

    def measure(self, passes: Passes) -> float:
        """Return the sum."""
        return products(passes.weights, passes.gradients, absolute=True)
