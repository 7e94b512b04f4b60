"""TE-NAS: how well conditioned the tangent kernel is, and how many linear regions [Chen2021tenas]_.

W. Chen, X. Gong, Z. Wang. Neural architecture search on ImageNet in four GPU hours: a
theoretically inspired perspective. ICLR 2021, arXiv:2102.11535.

`NTK`: g_i is the gradient of the sum of sample i's outputs for all parameters with "weight" in
their name, in one forward pass with batch statistics; Theta_ij = g_i . g_j, and

    score = -ln(lambda_max / lambda_min)

of the mean condition number over draws of Kaiming weights. `Regions`: the number of different
codes that the ReLUs give 3 x 1000 random crops of 3 x 3 pixels.

The paper adds the rank of one to the rank of the other among the candidates: `rank_sum` of
`archwright.proxy.combining`.

Deviations: the published condition number counts downwards, this one is turned around. Where Theta
has no inverse it is reported as singular, not as 1e5. Kaiming weights are drawn for linear maps
too. Crops keep all channels, because the network is the one that was given; the paper counts
regions of a thin twin with one input channel, and so should you, or every sample has a region of
its own.
"""

from __future__ import annotations

import math
import statistics

import torch
from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy._initial import INITIAL, draw_weights
from archwright.proxy.passes import Passes, logits_of
from archwright.proxy.patterns import different_regions
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["NTK", "Regions", "condition_number", "tangent_kernel"]


class NTK(Proxy):
    """Minus the logarithm of the condition number of the empirical neural tangent kernel.

    Memory: `samples` gradients of all weights.

    Args:
        samples: How many of the batch are used, from its start.
        repeats: Draws of the weights.
        init: What they are drawn from; "keep" takes the network's own, once.
    """

    name = "ntk"
    needs = frozenset({"data", "gradient"})
    size_bound = False
    batch_size = 72
    init = "kaiming_out"
    deterministic = False
    any_order = False
    passes_text = "3 times 1 forward and 72 backward"
    citation = "Chen2021tenas"

    def __init__(self, *, samples: int = 72, repeats: int = 3, init: str = "kaiming_out") -> None:
        if samples < 2 or repeats < 1:
            raise ProxyError(f"ntk needs 2 samples and a draw; got {samples!r} and {repeats!r}")
        self.samples = samples
        self.initial = chosen("init", init, INITIAL)
        self.repeats = 1 if init == "keep" else repeats

    def measure(self, passes: Passes) -> Measured:
        """Return -ln of the mean condition number."""
        inputs = passes.batch.first(self.samples).inputs
        with passes.scratch():
            conditions = [self._drawn(passes, inputs, repeat) for repeat in range(self.repeats)]
        mean = statistics.fmean(conditions)
        return Measured(-math.log(mean), details={"condition_number": mean})

    def _drawn(self, passes: Passes, inputs: Tensor, repeat: int) -> float:
        draw_weights(passes, self.initial, passes.generator("ntk", repeat))
        return condition_number(tangent_kernel(passes, inputs))


class Regions(Proxy):
    """Number of linear regions that samples fall into, mean over draws of the weights.

    Args:
        samples: Inputs in one forward pass, drawn from the batch with replacement.
        draws: Forward passes; their samples are counted together.
        repeats: Draws of the weights.
        crop: Side of the crops of images, at random places; None for whole inputs, which is also
            what inputs other than images and smaller images are taken as.
        init: What the weights are drawn from; "keep" takes the network's own, once.
    """

    name = "regions"
    needs = frozenset({"data"})
    batch_size = 1000
    init = "kaiming_in"
    deterministic = False
    any_order = False
    passes_text = "9 forward on 1000 crops of 3x3"
    citation = "Chen2021tenas"

    def __init__(
        self,
        *,
        samples: int = 1000,
        draws: int = 3,
        repeats: int = 3,
        crop: int | None = 3,
        init: str = "kaiming_in",
    ) -> None:
        if min(samples, draws, repeats, 1 if crop is None else crop) < 1:
            raise ProxyError(
                f"samples, draws, repeats and crop must be at least 1; got {samples!r}, {draws!r}, "
                f"{repeats!r} and {crop!r}"
            )
        self.samples, self.draws, self.crop = samples, draws, crop
        self.initial = chosen("init", init, INITIAL)
        self.repeats = 1 if init == "keep" else repeats

    def measure(self, passes: Passes) -> Measured:
        """Return the mean number of regions."""
        counts: list[int] = []
        with passes.scratch():
            for repeat in range(self.repeats):
                draw = passes.generator("regions", repeat)
                draw_weights(passes, self.initial, draw)
                counts.append(self._count(passes, draw))
        full = sum(count == self.samples * self.draws for count in counts)
        note = "every sample has a region of its own: take a thinner network" if full else ""
        return Measured(statistics.fmean(counts), note=note)

    def _count(self, passes: Passes, draw: torch.Generator) -> int:
        regions: set[bytes] = set()
        for _ in range(self.draws):
            inputs = _cropped(passes.batch.inputs, self.samples, self.crop, draw)
            try:
                regions |= different_regions(passes, inputs)
            except Unscored as problem:
                if problem.status != "failed" or inputs.shape[2:] == passes.batch.inputs.shape[2:]:
                    raise
                raise Unscored(
                    "unsupported",
                    f"the network takes no inputs of {tuple(inputs.shape[1:])}: say crop=None for "
                    f"whole ones ({problem.reason})",
                ) from problem
        return len(regions)


def tangent_kernel(passes: Passes, inputs: Tensor) -> Tensor:
    """Return Theta, `(batch, batch)` float64.

    Batch statistics tie samples together, so that each needs a backward pass through the batch.

    Raises:
        Unscored: If the network has no parameter with "weight" in its name.
    """
    weights = [p for name, p in passes.network.named_parameters() if "weight" in name]
    if not weights:
        raise Unscored("unsupported", 'the network has no parameter with "weight" in its name')
    values = logits_of(passes.forward(inputs)).flatten(1).sum(1)
    rows = [torch.empty((len(inputs), weight.numel())).to(weight) for weight in weights]
    for i, value in enumerate(values):
        found = torch.autograd.grad(
            value, weights, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for row, gradient in zip(rows, found, strict=True):
            row[i] = gradient.flatten()
    kernel = torch.zeros((len(inputs), len(inputs)), dtype=torch.float64, device=values.device)
    for row in rows:
        wide = row.double()
        kernel += wide @ wide.T
    return kernel


def condition_number(kernel: Tensor) -> float:
    """Return lambda_max / lambda_min of a symmetric matrix.

    Raises:
        Unscored: If it has no inverse.
    """
    if not bool(kernel.isfinite().all()):
        raise Unscored("nan", "gradients of the outputs are not finite")
    spectrum = torch.linalg.eigvalsh(kernel)
    smallest, largest = float(spectrum[0]), float(spectrum[-1])
    # Gradients come in float32, which no condition number beyond its precision survives.
    if smallest <= largest * len(kernel) * torch.finfo(torch.float64).eps:
        raise Unscored(
            "singular",
            "the tangent kernel has no inverse: two samples may be equal, or the samples more "
            "than the network's weights",
            raw=-math.inf,
        )
    return largest / smallest


def _cropped(inputs: Tensor, n: int, crop: int | None, generator: torch.Generator) -> Tensor:
    """Draw samples with replacement, and a place in each image."""
    rows = torch.randint(len(inputs), (n,), generator=generator)
    if crop is None or inputs.dim() != 4 or crop > min(inputs.shape[2:]):
        return inputs[rows.to(inputs.device)]
    top = torch.randint(inputs.shape[2] - crop + 1, (n, 1), generator=generator)
    left = torch.randint(inputs.shape[3] - crop + 1, (n, 1), generator=generator)
    offsets = torch.arange(crop)
    places = (rows[:, None, None], (top + offsets)[:, :, None], (left + offsets)[:, None, :])
    images = inputs.movedim(1, -1)  # (batch, height, width, channels)
    return images[tuple(place.to(inputs.device) for place in places)].movedim(-1, 1).contiguous()
