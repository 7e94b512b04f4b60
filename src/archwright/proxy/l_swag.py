"""L-SWAG: gradients that vary little, times different activation patterns [Casarin2025lswag]_.

S. Casarin, S. Escalera, O. Lanz. L-SWAG: layer-sample wise activation with gradients information
for zero-shot NAS on vision transformers. CVPR 2025, arXiv:2505.07300. With Var_b the population
variance over minibatches b, and g_b the gradient of the loss for one weight of layer l,

    score = [ sum over layers l of ln( sum over the weights of l of 1 / sqrt(Var_b |g_b|) ) ] * Psi

and Psi the number of different patterns of activations over samples, counted layer by layer.

Ours where the paper leaves room: two minibatches, the halves of the batch, as in ZiCo, of which
the first factor is a variant; weights without variance are left out; Psi adds up over the
activations the number of different patterns that their units show on the first samples of the
batch. The paper chooses an interval of layers for each space from statistics of its gradients;
here `layers` names it, as shares of the depth, and by default all layers count.
"""

from __future__ import annotations

import math
from typing import TypeVar

from archwright.errors import ProxyError
from archwright.proxy._batches import Spread, batch_gradients
from archwright.proxy._initial import INITIAL, draw_weights
from archwright.proxy.passes import Passes
from archwright.proxy.patterns import patterns_per_site
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["LSWAG", "layer_score"]

T = TypeVar("T")


class LSWAG(Proxy):
    """Steadiness of the gradients' sizes times the number of activation patterns.

    Args:
        layers: From where to where in the depth layers count, as shares in [0, 1].
        batches: Into how many minibatches the batch is cut.
        samples: How many of the batch show the patterns, from its start.
        init: Weights to start from; "keep" as they are, or "kaiming_in", "kaiming_out", "normal".
    """

    name = "l_swag"
    needs = frozenset({"data", "labels", "gradient", "second_batch"})
    deterministic = False
    any_order = False
    passes_text = "2 forward, 2 backward, 1 forward on 16 samples"
    citation = "Casarin2025lswag"

    def __init__(
        self,
        *,
        layers: tuple[float, float] = (0.0, 1.0),
        batches: int = 2,
        samples: int = 16,
        init: str = "keep",
    ) -> None:
        first, last = layers
        if not 0 <= first < last <= 1:
            raise ProxyError(f"layers must be two rising shares in [0, 1]; got {layers!r}")
        if batches < 2 or samples < 1:
            raise ProxyError(f"l_swag needs 2 batches and a sample; got {batches!r}, {samples!r}")
        self.layers = (first, last)
        self.batches, self.samples = batches, samples
        self.initial = chosen("init", init, INITIAL)

    def measure(self, passes: Passes) -> Measured:
        """Return the product; see the equation above."""
        with passes.scratch():
            draw_weights(passes, self.initial, passes.generator("l_swag"))
            steadiness = self._steadiness(passes)
            inputs = passes.batch.first(self.samples).inputs
            patterns = sum(
                found.shape[1] for found in self._some(patterns_per_site(passes, inputs))
            )
        return Measured(
            steadiness * patterns, details={"steadiness": steadiness, "patterns": patterns}
        )

    def _steadiness(self, passes: Passes) -> float:
        names = self._some(list(passes.weights))
        spreads = {name: Spread() for name in names}
        for gradients in batch_gradients(passes, self.batches):
            for name in names:
                spreads[name].add(gradients[name].abs())
        terms = [layer_score(spread) for spread in spreads.values()]
        if all(term is None for term in terms):
            raise Unscored("degenerate", "no gradient differs between the minibatches")
        return math.fsum(term for term in terms if term is not None)

    def _some(self, items: list[T]) -> list[T]:
        """Return those within the interval; one at least."""
        start = min(int(self.layers[0] * len(items)), len(items) - 1)
        return items[start : max(start + 1, math.ceil(self.layers[1] * len(items)))]


def layer_score(spread: Spread) -> float | None:
    """Return ln(sum of 1 / sigma) over the weights of a layer; None if none varies."""
    deviation = spread.variance.sqrt()
    total = float((1 / deviation[deviation > 0]).sum())
    return math.log(total) if total > 0 else None
