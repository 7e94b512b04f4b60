"""Collecting the codes of the samples in the course of one forward pass."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archwright.proxy.agreement import Agreement, differences, differences_on_device, packed
from archwright.proxy.reach import reached
from archwright.proxy.watching import Leaving

__all__ = ["CodeWatch", "relu_modules"]


@dataclass(slots=True)
class _Site:
    """One call of an activation: which codes it has, and where it stands in the graph."""

    codes: int
    kinked: bool
    node: Any = None


class CodeWatch:
    """Keeps the codes of all activations, each tensor's once, however many activations it feeds.

    On the CPU that takes one bit for each unit and sample. On other devices only the differences
    are kept, `8 * batch ** 2` bytes for each tensor.

    Args:
        batch: Number of samples.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._sites: list[_Site] = []
        self._codes: list[NDArray[np.uint8] | Tensor] = []  # packed, or their differences
        self._bits: list[int] = []
        self._known: dict[int, tuple[weakref.ref[Tensor], int, int]] = {}
        self._zeroed: list[Any] = []
        self._left_out = 0

    def on_activation(self, values: Tensor, kinked: bool) -> Leaving | None:
        """Keep the code of what goes into an activation; see `watching.OnActivation`."""
        if values.dim() < 2 or len(values) != self._batch:
            self._left_out += 1
            return None
        site = _Site(self._codes_of(values), kinked)
        self._sites.append(site)
        return partial(_leave, site)

    def on_zero_product(self, output: Tensor) -> None:
        """Remember a product with the number zero."""
        if output.grad_fn is not None:
            self._zeroed.append(output.grad_fn)

    def agreement(self, outputs: list[Tensor], *, alive: str = "graph") -> Agreement:
        """Count how the codes agree.

        Args:
            outputs: What the network returned.
            alive: Which activations count: "executed", all; "graph", those which the outputs depend
                on; "signal", those which they depend on other than through a product with the
                number zero. All, if autograd followed nothing.
        """
        sites = self._sites
        if alive != "executed" and any(output.grad_fn is not None for output in outputs):
            nodes = reached(outputs, self._zeroed if alive == "signal" else ())
            sites = [site for site in sites if site.node in nodes]
        bits = sum(self._bits[site.codes] for site in sites)
        return Agreement(
            counts=bits - self._differences(sites),
            bits=bits,
            sites=len(sites),
            curved=sum(not site.kinked for site in sites),
            cut_off=len(self._sites) - len(sites),
            left_out=self._left_out,
            finite=all(bool(output.isfinite().all()) for output in outputs),
        )

    def _codes_of(self, values: Tensor) -> int:
        """Return the number of a tensor's codes; the same while it lives and is not changed."""
        key, version = id(values), values._version
        if (known := self._known.get(key)) and known[0]() is values and known[1] == version:
            return known[2]
        flat = values.detach().flatten(1)
        self._codes.append(packed(flat) if flat.is_cpu else differences_on_device(flat))
        self._bits.append(flat.shape[1])
        number = len(self._codes) - 1
        self._known[key] = (weakref.ref(values), version, number)
        return number

    def _differences(self, sites: list[_Site]) -> NDArray[np.int64]:
        """Return in how many bits each two samples differ, over all sites."""
        weights = np.bincount([site.codes for site in sites], minlength=len(self._codes))
        total = np.zeros((self._batch, self._batch), np.int64)
        by_weight: dict[int, list[NDArray[np.uint8]]] = defaultdict(list)
        for codes, weight in zip(self._codes, weights.tolist(), strict=True):
            if isinstance(codes, Tensor):
                total += weight * codes.cpu().numpy()
            elif weight:
                by_weight[weight].append(codes)
        for weight, group in by_weight.items():
            total += weight * differences(group, threads=torch.get_num_threads())
        return total


@contextmanager
def relu_modules(
    network: nn.Module, on_activation: Callable[[Tensor, bool], Leaving | None]
) -> Iterator[None]:
    """Tell of the input of each module whose class, with its path, has "ReLU" in its name.

    So containers with such a name count as well, and functions do not: the rule of the reference
    implementation of NASWOT.
    """
    leaving: list[Leaving | None] = []

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        leaving.append(on_activation(inputs[0], True))

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if left := leaving.pop():
            left(output)

    handles = []
    for module in network.modules():
        if "ReLU" in str(type(module)):
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _leave(site: _Site, output: Tensor) -> None:
    site.node = output.grad_fn
