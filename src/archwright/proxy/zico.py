"""ZiCo: large gradients that vary little between minibatches [Li2023zico]_.

G. Li, Y. Yang, K. Bhardwaj, R. Marculescu. ZiCo: zero-shot NAS via inverse coefficient of
variation on gradients. ICLR 2023, arXiv:2301.11300. With g_b the gradient of the cross entropy on
minibatch b for one weight of a convolution or linear map l:

    score = sum_l ln( sum over the weights of l with sigma > 0 of  mean_b |g_b| / sigma )

where sigma is the population deviation of the signed g_b. A layer whose sum is zero counts nothing.

Deviation: the two minibatches are the two halves of the batch that is given, so 256 samples are
the published setting; running moments replace the list of gradients.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy._batches import Spread, batch_gradients
from archwright.proxy._initial import INITIAL, draw_weights
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Proxy, Unscored, chosen

__all__ = ["ZiCo", "layer_score"]


class ZiCo(Proxy):
    """Sum over layers of the logarithm of summed inverse coefficients of variation.

    Args:
        batches: Into how many minibatches the batch is cut; at least 2.
        init: Weights to start from: "kaiming_in" as published, "kaiming_out", "normal", or "keep".
    """

    name = "zico"
    needs = frozenset({"data", "labels", "gradient", "second_batch"})
    batch_size = 256
    init = "kaiming_in"
    deterministic = False
    any_order = False
    passes_text = "2 forward, 2 backward"
    citation = "Li2023zico"

    def __init__(self, *, batches: int = 2, init: str = "kaiming_in") -> None:
        if batches < 2:
            raise ProxyError(f"zico needs at least 2 batches; got {batches!r}")
        self.batches = batches
        self.initial = chosen("init", init, INITIAL)

    def measure(self, passes: Passes) -> float:
        """Return the score; see the equation above."""
        spreads = {name: Spread() for name in passes.weights}
        sizes = {name: torch.zeros_like(weight) for name, weight in passes.weights.items()}
        with passes.scratch():
            draw_weights(passes, self.initial, passes.generator("zico"))
            for gradients in batch_gradients(passes, self.batches):
                for name, gradient in gradients.items():
                    spreads[name].add(gradient)
                    sizes[name] += gradient.abs()
        terms = [layer_score(sizes[name] / self.batches, spreads[name]) for name in spreads]
        if all(term is None for term in terms):
            raise Unscored("degenerate", "no gradient differs between the minibatches")
        return math.fsum(term for term in terms if term is not None)


def layer_score(size: Tensor, spread: Spread) -> float | None:
    """Return ln(sum of mean |g| / sigma) over the weights of a layer; None if that sum is zero.

    Args:
        size: Mean of the absolute gradients.
        spread: Of the signed gradients.
    """
    deviation = spread.variance.sqrt()
    varies = deviation > 0
    total = float((size[varies].double() / deviation[varies]).sum())
    return math.log(total) if total > 0 else None
