"""Plain: the sum of weight times gradient, with its sign [Abdelfattah2021zerocost]_."""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy
from archwright.proxy.sums import products

__all__ = ["Plain"]


class Plain(Proxy):
    """The sum of W * dL/dW over the weights of convolutions and linear maps.

    It is the derivative of the loss by one common factor on all of them; of either sign. Weak, and
    kept for comparison.
    """

    name = "plain"
    needs = frozenset({"data", "labels", "gradient"})
    reads = frozenset({"gradients"})
    size_bound = False
    passes_text = "1 forward, 1 backward"
    citation = "Abdelfattah2021zerocost"

    def measure(self, passes: Passes) -> float:
        """Return the sum."""
        return products(passes.weights, passes.gradients)
