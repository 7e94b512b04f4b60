"""Parameters, multiply-accumulates and bytes of a network: exact, and without running it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archwright.cost._shadow import real_copy, shadow
from archwright.cost._shapes import infer
from archwright.errors import NetworkError

__all__ = ["Counts", "count"]

_logger = logging.getLogger(__name__)
_aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Counts:
    """What a network costs by its structure alone.

    Args:
        parameters: Trainable elements; a tensor that is used in several places counts once.
        macs: Multiply-accumulates for one input: convolutions, linear maps and attention; biases,
            normalisation, activations, pooling and embedding look-ups are free. FLOPs are twice
            this number.
        size_bytes: Bytes of the weights in a file: all parameters, trainable or not, and the
            persistent buffers.
    """

    parameters: int
    macs: int
    size_bytes: int


def count(
    network: nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype = torch.float32
) -> Counts:
    """Count a network's parameters, its MACs for one input, and its bytes.

    The shapes are followed on the meta device through a copy in eval mode: nothing is computed
    and the network keeps its state. A network whose forward pass reads values (say, `.item()`)
    cannot be followed so; a copy of it is run once on zeros instead, with the same answer.

    Args:
        network: Any module that takes one tensor.
        input_shape: Shape of one input, without the batch axis.
        dtype: Type of the input; `torch.long` for a network that begins with an embedding.

    Raises:
        NetworkError: If the network does not accept such an input.

    Example:
        >>> count(nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10)), (784,))
        Counts(parameters=159010, macs=158800, size_bytes=636040)
    """
    shape = (1, *input_shape)
    try:
        macs = _count_macs(shadow(network), shape, dtype, torch.device("meta"))
    except NetworkError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's forward pass may raise anything
        _logger.debug("counting on the meta device failed (%s); running the network", error)
        macs = _count_by_running(network, shape, dtype)
    return Counts(
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        macs=macs,
        size_bytes=_size_bytes(network),
    )


def _count_by_running(network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            return _count_macs(real_copy(network), shape, dtype, device)
    except Exception as error:
        raise NetworkError(
            f"the network does not accept an input of shape {shape} and type {dtype}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _size_bytes(network: nn.Module) -> int:
    tensors = {id(t): t for t in network.state_dict(keep_vars=True).values()}
    return sum(t.numel() * t.element_size() for t in tensors.values() if isinstance(t, Tensor))


def _count_macs(
    network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> int:
    network.eval()
    counter = _MacCounter()
    with torch.no_grad(), _plain_operations(), torch.device(device), counter:
        network(torch.zeros(shape, dtype=dtype, device=device))
    return counter.macs


@contextmanager
def _plain_operations() -> Iterator[None]:
    """Keep torch from fusing whole layers into single operations that hide their products."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    set_flags: Any = torch.backends.mkldnn.set_flags
    onednn = set_flags(_enabled=False, _fp32_precision=None)[0]
    try:
        yield
    finally:
        set_flags(_enabled=onednn, _fp32_precision=None)
        torch.backends.mha.set_fastpath_enabled(fast_path)


class _MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is
    """Adds up the MACs of every operation that runs inside it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's is
        self.macs = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and loading the compiler takes over a second

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = infer(func, args, kwargs or {})
        macs = _MACS.get(func.overloadpacket)
        if macs is not None:
            self.macs += macs(args, output)
        return output


def _product(left: int, right: int) -> Callable[[Sequence[Any], Any], int]:
    """MACs of a (batched) matrix product of two arguments: (.., n, m) by (.., m, k)."""

    def macs(args: Sequence[Any], output: Any) -> int:
        columns = args[right].shape[-1] if args[right].dim() > 1 else 1
        return int(args[left].numel() * columns)

    return macs


def _convolution(args: Sequence[Any], output: Any) -> int:
    x, weight, transposed = args[0], args[1], args[6]
    # Each output element gathers one filter; transposed, each input element scatters one.
    elements = x.numel() if transposed else output.numel()
    return int(elements * math.prod(weight.shape[1:]))


def _bilinear(args: Sequence[Any], output: Any) -> int:
    x, weight = args[0], args[1]
    return int(math.prod(x.shape[:-1]) * weight.numel())


def _attention(args: Sequence[Any], output: Any) -> int:
    query, key, value = args[0], args[1], args[2]  # (batch, heads, positions, features)
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return int(scores * (query.shape[-1] + value.shape[-1]))


_MACS: dict[Any, Callable[[Sequence[Any], Any], int]] = {
    _aten.mm: _product(0, 1),
    _aten.addmm: _product(1, 2),
    _aten.bmm: _product(0, 1),
    _aten.baddbmm: _product(1, 2),
    _aten.addbmm: _product(1, 2),
    _aten.mv: _product(0, 1),
    _aten.addmv: _product(1, 2),
    _aten.dot: _product(0, 1),
    _aten.vdot: _product(0, 1),
    _aten.linear: lambda args, output: int(output.numel() * args[0].shape[-1]),
    _aten.convolution: _convolution,
    _aten._trilinear: _bilinear,
    _aten._scaled_dot_product_flash_attention: _attention,
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_efficient_attention: _attention,
    _aten._scaled_dot_product_cudnn_attention: _attention,
    _aten._scaled_dot_product_fused_attention_overrideable: _attention,
}
