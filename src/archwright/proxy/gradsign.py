"""GradSign: do single samples pull each weight the same way [Zhang2022gradsign]_.

Z. Zhang, Z. Jia. GradSign: model performance inference with theoretical insights. ICLR 2022,
arXiv:2110.08616. Algorithm 1, with g_ik the gradient of the loss of sample i for weight k of a
convolution or linear map:

    score = sum_k | sum_i sign(g_ik) |

Deviations: `reduction="mean"` divides by the number of weights, as one port does; the orders
differ between networks of different size. Published code passes each sample through the network
alone, so that batch normalization sees a batch of one and normalizes over pixels; it has no value
where a map has one pixel. `normalization="batch"` takes the statistics of the whole batch instead.

The loop over samples is deliberate: on a CPU, `torch.func.vmap` was no faster for convolutions,
and it needs the gradients of all samples at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy._batches import checked, sample_losses
from archwright.proxy.gradients import gradients_of, loss_of
from archwright.proxy.passes import ONE_VALUE, Passes, logits_of
from archwright.proxy.proxy import Proxy, Unscored, chosen

__all__ = ["GradSign", "agreement_of_signs"]


class GradSign(Proxy):
    """Agreement of the signs of the gradients of single samples.

    Args:
        samples: How many of the batch are used, from its start.
        reduction: "sum" over the weights, as published, or "mean".
        normalization: What batch normalization sees: "alone", each sample by itself as
            published, or "batch".
    """

    name = "gradsign"
    needs = frozenset({"data", "labels", "gradient"})
    any_order = False
    passes_text = "1 forward and 1 backward for each sample alone"
    citation = "Zhang2022gradsign"

    def __init__(
        self, *, samples: int = 64, reduction: str = "sum", normalization: str = "alone"
    ) -> None:
        if samples < 1:
            raise ProxyError(f"samples must be at least 1; got {samples!r}")
        self.samples = samples
        self.reduction = chosen("reduction", reduction, ("sum", "mean"))
        self.seen = chosen("normalization", normalization, ("alone", "batch"))

    def measure(self, passes: Passes) -> float:
        """Return the score; see the equation above."""
        rows = (
            _alone(passes, self.samples) if self.seen == "alone" else _joint(passes, self.samples)
        )
        return agreement_of_signs(rows, mean=self.reduction == "mean")


def agreement_of_signs(rows: Iterator[dict[str, Tensor]], *, mean: bool = False) -> float:
    """Return sum_k |sum_i sign(g_ik)|, or its mean over k.

    Args:
        rows: Gradients of one sample after the other.
        mean: Whether to divide by the number of weights.

    Raises:
        Unscored: If a gradient is not finite.
    """
    sums: dict[str, Tensor] = {}
    for gradients in rows:
        for name, gradient in checked(gradients).items():
            signs = gradient.sign()
            sums[name] = sums[name].add_(signs) if name in sums else signs
    total = sum(float(signs.double().abs().sum()) for signs in sums.values())
    return total / sum(signs.numel() for signs in sums.values()) if mean else total


def _alone(passes: Passes, samples: int) -> Iterator[dict[str, Tensor]]:
    batch = passes.batch.first(samples)
    if batch.targets is None:
        raise ProxyError("gradsign needs targets; the batch has none")
    for i in range(len(batch)):
        try:
            outputs = logits_of(passes.forward(batch.inputs[i : i + 1]))
        except Unscored as problem:
            if problem.reason != ONE_VALUE:
                raise
            raise Unscored(problem.status, f'{ONE_VALUE}: say normalization="batch"') from problem
        yield gradients_of(loss_of(outputs, batch.targets[i : i + 1]), passes.weights)


def _joint(passes: Passes, samples: int) -> Iterator[dict[str, Tensor]]:
    batch = passes.batch.first(samples)
    losses = sample_losses(logits_of(passes.forward(batch.inputs)), batch.targets)
    for loss in losses:
        yield gradients_of(loss, passes.weights, retain=True)
