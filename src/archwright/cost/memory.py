"""Bytes alive at the worst moment of a forward pass, or of a forward and a backward pass."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from archwright.cost._shadow import real_copy, shadow
from archwright.cost._shapes import infer
from archwright.errors import NetworkError

__all__ = ["peak_memory"]

_logger = logging.getLogger(__name__)


def peak_memory(
    network: nn.Module,
    input_shape: Sequence[int],
    batch: int = 1,
    training: bool = False,
    *,
    dtype: torch.dtype = torch.float32,
) -> int:
    """Return the peak bytes of one pass: weights, input, activations and, in training, gradients.

    On a CUDA device it is measured: the allocator's peak, which counts in blocks of 512 bytes and
    includes the workspace of the kernels. Elsewhere it is counted exactly, tensor by tensor, on
    the meta device: the bytes of all storages alive at once, without the workspace that a kernel
    takes and gives back. The optimizer's state is not part of either. The network keeps its state.

    Args:
        network: Any module that takes one tensor and returns one.
        input_shape: Shape of one input, without the batch axis.
        batch: Number of inputs in the batch.
        training: Whether a backward pass (of the sum of the outputs) follows.
        dtype: Type of the input.

    Raises:
        NetworkError: If the network does not accept such a batch.

    Example:
        >>> peak_memory(nn.Linear(100, 50), (100,), batch=8)  # weights, input and output
        25000
    """
    shape = (batch, *input_shape)
    first = next(network.parameters(), None)
    try:
        if first is not None and first.device.type == "cuda":
            return _measure_on_cuda(network, shape, dtype, training, first.device)
        return _count_live_bytes(network, shape, dtype, training)
    except NetworkError:
        raise
    except Exception as error:
        raise NetworkError(
            f"the network does not accept a batch of shape {shape} and type {dtype}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _count_live_bytes(
    network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, training: bool
) -> int:
    try:
        return _LiveBytes().of(shadow(network), shape, dtype, training, torch.device("meta"))
    except NetworkError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's forward pass may raise anything
        _logger.debug("counting on the meta device failed (%s); running the network", error)
    with torch.random.fork_rng(devices=[]):
        return _LiveBytes().of(real_copy(network), shape, dtype, training, torch.device("cpu"))


def _measure_on_cuda(
    network: nn.Module,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    training: bool,
    device: torch.device,
) -> int:
    with torch.random.fork_rng(devices=[device]):
        # The first pass lets the libraries allocate what they keep for the life of the process.
        _run(real_copy(network), torch.zeros(shape, dtype=dtype, device=device), training)
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        _run(real_copy(network), torch.zeros(shape, dtype=dtype, device=device), training)
        torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _run(network: nn.Module, inputs: Tensor, training: bool) -> None:
    network.train(training)
    with torch.set_grad_enabled(training):
        output = network(inputs)
        if not isinstance(output, Tensor):
            raise NetworkError(
                f"expected a network that returns one tensor; got {type(output).__name__}"
            )
        if training:
            loss = output.sum()
            del output
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is
    """Follows every storage from the operation that makes it to the moment it is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's is
        self.live = 0
        self.peak = 0
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and loading the compiler takes over a second

    def of(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        training: bool,
        device: torch.device,
    ) -> int:
        """Run the network once and return the peak."""
        for tensor in (*network.parameters(), *network.buffers()):
            self._follow(tensor)
        with device:
            inputs = torch.zeros(shape, dtype=dtype)
        self._follow(inputs)
        with device, self:
            _run(network, inputs, training)
        return self.peak

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = infer(func, args, kwargs or {})
        for value in tree_iter(output):
            if isinstance(value, Tensor):
                self._follow(value)
        return output

    def _follow(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._storages:
            return

        def freed(_: object) -> None:
            self.live -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, freed)
        self.live += size
        self.peak = max(self.peak, self.live)
