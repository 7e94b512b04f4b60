"""L2 norm: the sum of the norms of the layers' weights [Abdelfattah2021zerocost]_."""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy
from archwright.proxy.sums import norms

__all__ = ["L2Norm"]


class L2Norm(Proxy):
    """The sum over convolutions and linear maps of ||W||; looks at no data."""

    name = "l2_norm"
    batch_size = 0
    passes_text = "none"
    citation = "Abdelfattah2021zerocost"

    def measure(self, passes: Passes) -> float:
        """Return the sum of norms."""
        return norms(passes.weights)
