"""Size: what every proxy has to beat.

Counting parameters or operations ranks networks about as well as many proxies do, so both are
always shown beside them.
"""

from __future__ import annotations

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy

__all__ = ["FLOPs", "Parameters"]


class Parameters(Proxy):
    """The number of parameters, frozen ones too; one that is used in several places counts once."""

    name = "params"
    reads = frozenset({"counts"})
    batch_size = 0
    passes_text = "none"

    def measure(self, passes: Passes) -> float:
        """Return the count."""
        return float(passes.counts.parameters)


class FLOPs(Proxy):
    """Multiply-accumulates for one input, which most papers call FLOPs."""

    name = "flops"
    reads = frozenset({"counts"})
    batch_size = 0
    passes_text = "none"

    def measure(self, passes: Passes) -> float:
        """Return the count."""
        return float(passes.counts.macs)
