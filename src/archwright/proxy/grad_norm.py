"""Gradient norm: the sum of the norms of the layers' gradients [Abdelfattah2021zerocost]_.

M. S. Abdelfattah, A. Mehrotra, L. Dudziak, N. D. Lane: Zero-cost proxies for lightweight NAS, ICLR
2021, arXiv:2101.08134.
"""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy
from archwright.proxy.sums import norms

__all__ = ["GradNorm"]


class GradNorm(Proxy):
    """The sum over convolutions and linear maps of ||dL/dW||, L the mean cross entropy.

    Scales with the loss. It sums the norms of layers, so it grows with their number.
    """

    name = "grad_norm"
    needs = frozenset({"data", "labels", "gradient"})
    reads = frozenset({"gradients"})
    passes_text = "1 forward, 1 backward"
    citation = "Abdelfattah2021zerocost"

    def measure(self, passes: Passes) -> float:
        """Return the sum of norms."""
        return norms(passes.gradients)
