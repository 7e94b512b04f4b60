"""Synaptic flow: what goes through a network of positive weights [Tanaka2020synflow]_.

H. Tanaka, D. Kunin, D. Yamins, S. Ganguli: Pruning neural networks without any data by iteratively
conserving synaptic flow, NeurIPS 2020; summed by Abdelfattah et al. 2021. Every parameter is
replaced by its magnitude, the input is one sample of ones, batch normalization returns its input,
and R is the sum of the outputs. Everything runs in float64: R grows by orders of magnitude with
each layer, and exceeds float32 in common networks.

`logsynflow` takes ln(1 + dR/dW) instead of dR/dW [Cavagnero2023freerea]_.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from archwright.proxy.gradients import gradients_of
from archwright.proxy.passes import Passes, logits_of
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen
from archwright.proxy.restoring import replaced
from archwright.proxy.sums import products
from archwright.proxy.watching import Watch

__all__ = ["LogSynFlow", "SynFlow", "SynFlowBN"]


class SynFlow(Proxy):
    """ln of the sum of |W * dR/dW| over the weights of convolutions and linear maps.

    The sum itself is `Score.raw`. Looks at no data. Flipping signs of weights changes nothing.
    Without biases each layer of a chain contributes R, and scaling one by a scales the sum by |a|.
    """

    name = "synflow"
    needs = frozenset({"gradient"})
    batch_size = 0
    normalization = "identity"
    passes_text = "1 forward, 1 backward of one sample in float64"
    citation = "Tanaka2020synflow"

    def measure(self, passes: Passes) -> Measured:
        """Return ln of the sum."""
        weights, flow = _flow(passes, self.normalization)
        total = products(weights, flow, absolute=True)
        return Measured(_logarithm(total), raw=total)


class SynFlowBN(SynFlow):
    """The same with batch normalization left on, by the statistics of the one sample.

    Kept for reference: what normalization subtracts is most of the flow.
    """

    name = "synflow_bn"
    normalization = "train"


class LogSynFlow(Proxy):
    """The sum of |W| * ln(1 + dR/dW); see `SynFlow` for R.

    Not defined where R falls steeply as a weight grows, which it may behind a normalization that
    subtracts a mean, other than batch normalization.

    Args:
        normalization: "identity", or "eval": batch normalization with its running statistics, as
            in the authors' program.
    """

    name = "logsynflow"
    needs = frozenset({"gradient"})
    batch_size = 0
    passes_text = "1 forward, 1 backward of one sample in float64"
    citation = "Cavagnero2023freerea"

    def __init__(self, *, normalization: str = "identity") -> None:
        self.normalization = chosen("normalization", normalization, ("identity", "eval"))

    def measure(self, passes: Passes) -> float:
        """Return the sum."""
        weights, flow = _flow(passes, self.normalization)
        if any(bool((value <= -1).any()) for value in flow.values()):
            raise Unscored(
                "unsupported",
                "the flow falls as some weight grows, and ln(1 + dR/dW) has no value: a "
                "normalization that subtracts a mean",
            )
        total = products(weights, {name: value.log1p() for name, value in flow.items()})
        if total == 0:
            raise Unscored("degenerate", "nothing flows from the input to the output", raw=0.0)
        return total


def _flow(passes: Passes, normalization: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return |W| and dR/dW of each layer."""
    with passes.scratch() as network, replaced(network, _magnitude):
        if normalization == "eval":
            network.eval()
        watch = Watch(
            on_embedding=torch.ones_like, identity_normalization=normalization == "identity"
        )
        inputs = passes.batch.inputs[:1]
        ones = (
            torch.ones_like(inputs, dtype=torch.float64) if inputs.is_floating_point() else inputs
        )
        total = logits_of(passes.forward(ones, watch), finite=False).sum()
        if total.isinf():
            raise Unscored("overflow", "more flows than float64 can tell", raw=math.inf)
        weights = {name: weight.detach() for name, weight in passes.weights.items()}
        return weights, gradients_of(total, passes.weights)


def _magnitude(tensor: Tensor) -> Tensor:
    return tensor.double().abs() if tensor.is_floating_point() else tensor


def _logarithm(total: float) -> float:
    if total == 0:
        raise Unscored("degenerate", "nothing flows from the input to the output", raw=total)
    return math.log(total) if math.isfinite(total) else total
