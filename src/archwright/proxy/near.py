"""NEAR: the effective rank of what layers put out, summed [Husistein2025near]_.

R. T. Husistein, M. Reiher, M. Eckhoff. NEAR: a training-free pre-estimator of machine learning
model performance. ICLR 2025, arXiv:2408.08776. With p the singular values of the matrix of outputs
divided by their sum,

    score = sum over layers of exp( - sum_k p_k ln p_k )

taken before and after the activation. Maps `(batch, channels, height, width)` give a matrix
`(batch * height * width, channels)`, of which a square part is used: as many rows as columns, from
a random multiple of the width on.

Deviations: activations are seen wherever they are called, not only as modules. Rows come from one
batch; where it has fewer than a layer has units, all of it is used, the effective rank is at most
the batch, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Unscored
from archwright.proxy.watching import Leaving, Watch
from archwright.seeding import derive_seed

__all__ = ["NEAR", "effective_rank"]


class NEAR(Proxy):
    """Sum of effective ranks of the outputs of layers and activations.

    Args:
        repeats: 1 takes the network's own weights; more, the mean over weights drawn anew by each
            module's `reset_parameters`.
    """

    name = "near"
    needs = frozenset({"data"})
    deterministic = False
    any_order = False
    passes_text = "1 forward, a singular value decomposition for each layer"
    citation = "Husistein2025near"

    def __init__(self, *, repeats: int = 1) -> None:
        if repeats < 1:
            raise ProxyError(f"repeats must be at least 1; got {repeats!r}")
        self.repeats = repeats

    def measure(self, passes: Passes) -> Measured:
        """Return the sum; see the equation above."""
        sums: list[float] = []
        with passes.scratch() as network, torch.no_grad():
            for repeat in range(self.repeats):
                if self.repeats > 1:
                    _reset(network, derive_seed(passes.seed, "proxy", "near", "reset", repeat))
                ranks = _Ranks(passes, passes.generator("near", repeat))
                sums.append(ranks.sum())
        note = (
            ""
            if not ranks.short
            else (f"{ranks.short} of {ranks.sites} outputs have more units than the batch has rows")
        )
        return Measured(math.fsum(sums) / len(sums), note=note, details={"sites": ranks.sites})


class _Ranks:
    """Sums effective ranks in one forward pass."""

    def __init__(self, passes: Passes, generator: torch.Generator) -> None:
        self.sites = 0
        self.short = 0
        self._total = 0.0
        self._passes = passes
        self._batch = len(passes.batch)
        self._generator = generator
        self._channels_second = any(
            isinstance(module, (nn.Conv1d, nn.ConvTranspose1d))
            for module in passes.network.modules()
        )

    def sum(self) -> float:
        """Run the network.

        Raises:
            Unscored: If nothing was seen.
        """
        with self._hooked():
            self._passes.forward(watch=Watch(self._activated))
        if not self.sites:
            raise Unscored("unsupported", "the network calls no layers and no activations")
        return self._total

    def _activated(self, values: Tensor, kinked: bool) -> Leaving:
        return self._add

    def _add(self, output: Any) -> None:
        if not isinstance(output, Tensor) or output.dim() < 2 or len(output) != self._batch:
            return
        rows = self._rows(output)
        if len(rows) < rows.shape[1]:
            self.short += 1
        self._total += effective_rank(rows)
        self.sites += 1

    def _rows(self, output: Tensor) -> Tensor:
        """Return `(rows, units)`, square if there are rows enough."""
        if output.dim() > 3 or (output.dim() == 3 and self._channels_second):
            output = output.movedim(1, -1)
        rows = output.reshape(-1, output.shape[-1])
        width = rows.shape[1]
        if len(rows) < width:
            return rows
        block = torch.randint(len(rows) // width, (), generator=self._generator)
        start = int(block) * width
        return rows[start : start + width]

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        handles = [
            module.register_forward_hook(lambda module, inputs, output: self._add(output))
            for module in self._passes.network.modules()
            if isinstance(getattr(module, "weight", None), Tensor)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def effective_rank(matrix: Tensor) -> float:
    """Return exp of the entropy of the normalized singular values.

    Args:
        matrix: `(rows, columns)`.

    Returns:
        In [1, min(rows, columns)]; 0 for zeros, and where a number is not finite.
    """
    if not bool(matrix.isfinite().all()):
        return 0.0
    values = torch.linalg.svdvals(matrix.double())
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp()) if bool(values.sum() > 0) else 0.0


def _reset(network: nn.Module, seed: int) -> None:
    """Let modules draw their weights anew, from torch's own generators set to `seed`.

    `reset_parameters` takes no generator; the scratch puts back the state of those that it uses.
    Versions are kept, so that graphs which the caller holds stay valid.
    """
    torch.default_generator.manual_seed(seed)
    for device in {p.device for p in network.parameters() if p.device.type == "cuda"}:
        torch.cuda.default_generators[device.index].manual_seed(seed)
    versions_kept = getattr(torch.autograd, "_unsafe_preserve_version_counter")  # noqa: B009
    with versions_kept(tuple(network.parameters())):
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
