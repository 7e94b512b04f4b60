"""MeCo: the smallest eigenvalue of the channels' correlations, layer by layer [Jiang2023meco]_.

T. Jiang, H. Wang, R. Bie. MeCo: zero-shot NAS with one data and single forward pass via minimum
eigenvalue of correlation. NeurIPS 2023. One normal input of 64 x 64 pixels runs through the
network; each output of a module, `(channels, pixels)`, has a matrix of correlations P between its
channels, where what is not finite becomes 0, and

    score = sum over modules of lambda_min(P)

A map with at least as many channels as pixels has lambda_min = 0.

Deviations: `modules="leaves"`, the default, takes modules without children, so that an output
counts once; the published program hooks containers as well (`modules="all"`). Where a matrix
cannot have full rank, 0 is written down without computing eigenvalues. The weighted variant
MeCo_opt is left out: its weights are not determined by the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy._inputs import noise
from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Measured, Proxy, Unscored, chosen

__all__ = ["MeCo", "smallest_eigenvalue"]


class MeCo(Proxy):
    """Sum over modules of the smallest eigenvalue of the correlations between channels.

    Args:
        side: Height and width of the input for networks of images; None for those of the batch.
        modules: "leaves" or "all", containers included.
    """

    name = "meco"
    batch_size = 1
    deterministic = False
    passes_text = "1 forward on 1 input of 64x64"
    citation = "Jiang2023meco"

    def __init__(self, *, side: int | None = 64, modules: str = "leaves") -> None:
        if side is not None and side < 1:
            raise ProxyError(f"side must be at least 1 or None; got {side!r}")
        self.side = side
        self.modules = chosen("modules", modules, ("leaves", "all"))

    def measure(self, passes: Passes) -> Measured:
        """Return the sum; see the equation above."""
        values: list[float] = []
        inputs = noise(passes, 1, passes.generator("meco"), side=self.side)
        with (
            passes.scratch() as network,
            _outputs_read(network, self.modules == "all", values),
            torch.no_grad(),
        ):
            self._run(passes, inputs)
        if not values:
            raise Unscored("unsupported", "no module returns maps (batch, channels, pixels...)")
        return Measured(math.fsum(values), details={"maps": len(values)})

    def _run(self, passes: Passes, inputs: Tensor) -> None:
        try:
            passes.forward(inputs)
        except Unscored as problem:
            if problem.status == "failed" and inputs.shape[1:] != passes.batch.inputs.shape[1:]:
                raise Unscored(
                    "unsupported",
                    f"the network takes no inputs of {tuple(inputs.shape[1:])}: say side=None for "
                    f"those of the batch ({problem.reason})",
                ) from problem
            raise


def smallest_eigenvalue(rows: Tensor) -> float:
    """Return the smallest eigenvalue of the correlations between rows.

    Args:
        rows: `(channels, pixels)`.

    Returns:
        In [0, 1]; 0 where a row is constant or not finite.
    """
    if len(rows) >= rows.shape[1]:
        return 0.0  # centred rows span fewer than `pixels` dimensions
    centred = rows.double()
    centred = centred - centred.mean(1, keepdim=True)
    correlations = centred @ centred.T
    lengths = correlations.diagonal().sqrt()
    correlations = correlations / (lengths[:, None] * lengths[None, :])
    if not bool(correlations.isfinite().all()):
        return 0.0  # a row and column of zeros
    return max(0.0, float(torch.linalg.eigvalsh(correlations)[0]))


@contextmanager
def _outputs_read(network: nn.Module, everything: bool, values: list[float]) -> Iterator[None]:
    """Append the eigenvalue of each map that a module returns."""

    def called(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() >= 3:
            values.append(smallest_eigenvalue(output[0].flatten(1)))

    modules = [m for m in network.modules() if everything or not any(m.children())]
    handles = [module.register_forward_hook(called) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
