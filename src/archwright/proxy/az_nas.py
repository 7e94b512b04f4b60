"""AZ-NAS: expressivity, progressivity and trainability, block by block [Lee2024aznas]_.

J. Lee, B. Ham. AZ-NAS: assembling zero-cost proxies for network architecture search. CVPR 2024,
arXiv:2403.19232. On a batch of normal inputs with Kaiming weights, z_l is the output of block l:

    E = sum_l e_l,  e_l = -sum_k p_k ln(p_k + 1e-8)     entropy of the normalized eigenvalues of the
                                                        covariance of the channels of z_l
    P = min_l (e_{l+1} - e_l)
    T = mean_l (2 - s_l - 1 / (s_l + 1e-6))             at most 0, at s_l = 1

where s_l is the largest singular value of G_in^T G_out / rows; G_out are random signs for z_l, and
G_in is what the backward pass makes of them at z_{l-1}, its pixels moved into channels where the
block shrinks the map. A block that passes its input on unchanged has T = -infinity.

The paper's score is a sum over E, P, T and the FLOPs of ln(rank / candidates), so it exists for a
set of candidates only. This proxy gives one part, and all three in its `details`; put them
together with `log_rank_sum` of `archwright.proxy.combining`.

Deviations: the authors name the blocks in each network's code; here they are found by the rule of
`block_names`, or named. A map without any variance has no entropy and so no score.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy._initial import INITIAL, draw_weights
from archwright.proxy._inputs import noise
from archwright.proxy._maps import block_names, block_outputs
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["AZNAS", "entropy", "trainability"]

_PARTS = ("expressivity", "progressivity", "trainability")
_NOTE = "one of the parts of AZ-NAS, which ranks all of them among the candidates"


class AZNAS(Proxy):
    """One part of AZ-NAS, with all of them in the details.

    Args:
        part: "expressivity", "progressivity" or "trainability".
        samples: Normal inputs.
        blocks: Paths of the modules that end a block; None to find them.
        init: What the weights are drawn from; "keep" takes the network's own.
    """

    name = "az_nas"
    needs = frozenset({"gradient"})
    init = "kaiming_in"
    deterministic = False
    passes_text = "1 forward, 1 backward in parts"
    citation = "Lee2024aznas"

    def __init__(
        self,
        *,
        part: str = "expressivity",
        samples: int = 64,
        blocks: Sequence[str] | None = None,
        init: str = "kaiming_in",
    ) -> None:
        if samples < 2:
            raise ProxyError(f"samples must be at least 2; got {samples!r}")
        self.part = chosen("part", part, _PARTS)
        self.samples = samples
        self.blocks = None if blocks is None else tuple(blocks)
        if self.blocks is not None and len(self.blocks) < 2:
            raise ProxyError(f"az_nas needs at least 2 blocks; got {self.blocks!r}")
        self.initial = chosen("init", init, INITIAL)

    def measure(self, passes: Passes) -> Measured:
        """Return the part that was asked for."""
        draw = passes.generator("az_nas")
        inputs = noise(passes, self.samples, draw)
        with passes.scratch():
            draw_weights(passes, self.initial, draw)
            blocks = self.blocks or block_names(passes, inputs[:2])
            maps = block_outputs(passes, inputs, blocks)
            entropies = [entropy(block.detach()) for block in maps]
            details = {
                "expressivity": math.fsum(entropies),
                "progressivity": min(after - before for before, after in pairwise(entropies)),
                "trainability": _mean_trainability(maps, draw),
            }
        value = details[self.part]
        if value == -math.inf:
            raise Unscored("degenerate", "a block passes its input on unchanged", raw=-math.inf)
        return Measured(value, note=_NOTE, details=details)


def entropy(block: Tensor) -> float:
    """Return the entropy of the normalized spectrum of the channels' covariance, in nats.

    Args:
        block: `(batch, channels, height, width)`.

    Returns:
        In [0, ln channels], up to the 1e-8 in the logarithm.

    Raises:
        Unscored: If the map has no variance, or is not finite.
    """
    rows = block.movedim(1, -1).flatten(0, 2).double()
    rows = rows - rows.mean(0)
    spectrum = torch.linalg.eigvalsh(_finite(rows.T @ rows / len(rows))).clamp_min(0)
    total = spectrum.sum()
    if float(total) == 0:
        raise Unscored("degenerate", "the output of a block has no variance", raw=-math.inf)
    shares = spectrum / total
    return float(-(shares * (shares + 1e-8).log()).sum())


def trainability(gradient_out: Tensor, gradient_in: Tensor) -> float:
    """Return 2 - s - 1 / (s + 1e-6) of one block; minus infinity if the two are equal.

    Args:
        gradient_out: `(batch, channels, height, width)`, for the output of the block.
        gradient_in: The same for its input, with a map at least as large.

    Raises:
        Unscored: If one map is not a whole multiple of the other.
    """
    if gradient_out.shape == gradient_in.shape and torch.equal(gradient_out, gradient_in):
        return -math.inf
    inner = _gathered(gradient_in, gradient_out.shape[2:])
    outer = gradient_out.movedim(1, -1).flatten(0, 2)  # (rows, channels out)
    matrix = inner.movedim(1, -1).flatten(0, 2).T @ outer / len(outer)
    largest = float(torch.linalg.matrix_norm(_finite(matrix.double()), ord=2))
    return 2 - largest - 1 / (largest + 1e-6)


def _mean_trainability(maps: list[Tensor], generator: torch.Generator) -> float:
    terms = []
    for before, after in pairwise(maps):
        signs = torch.randint(2, after.shape, generator=generator).to(after) * 2 - 1
        (back,) = torch.autograd.grad(
            after, before, signs, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        terms.append(trainability(signs, back))
    return statistics.fmean(terms)


def _gathered(gradient: Tensor, size: torch.Size) -> Tensor:
    """Move pixels into channels until the map has the given size."""
    height, width = gradient.shape[2:]
    factor = height // size[0]
    if (height, width) != (factor * size[0], factor * size[1]):
        raise Unscored(
            "unsupported",
            f"a block turns a map of {height}x{width} into {size[0]}x{size[1]} pixels, which is no "
            f"whole fraction of it",
        )
    return F.pixel_unshuffle(gradient, factor) if factor > 1 else gradient


def _finite(matrix: Tensor) -> Tensor:
    if not bool(matrix.isfinite().all()):
        raise Unscored("nan", "the output of a block, or its gradient, is not finite")
    return matrix
