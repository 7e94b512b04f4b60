"""Output shapes of the everyday operations on the meta device.

Torch's own meta kernels are written in Python: the first one costs about a second of imports and
each takes up to two milliseconds, longer than the real operation on a small network. The rules
below answer for the operations of ordinary networks in microseconds; `infer` leaves everything
else, and every input that a rule does not expect, to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["infer"]

Rule = Callable[..., Any]
_aten = torch.ops.aten


def infer(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what the operation would return, as meta tensors where the input is one."""
    rule = _RULES.get(operation)
    if rule is not None and not kwargs and _on_meta(args):
        output = rule(*args)
        if output is not None:
            return output
    return operation(*args, **kwargs)


def _on_meta(args: Sequence[Any]) -> bool:
    return all(arg.is_meta for arg in args if isinstance(arg, Tensor))


def _same(x: Tensor, *_: Any) -> Tensor:
    return x.new_empty(x.shape)


def _in_place(x: Tensor, *_: Any) -> Tensor:
    return x


def _binary(x: Tensor, y: Tensor | float, *_: Any) -> Tensor | None:
    if isinstance(y, Tensor) and (y.shape != x.shape or y.dtype != x.dtype):
        return None
    if not isinstance(y, Tensor) and not (x.is_floating_point() and isinstance(y, int | float)):
        return None
    return x.new_empty(x.shape)


def _mm(a: Tensor, b: Tensor) -> Tensor | None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or a.dtype != b.dtype:
        return None
    return a.new_empty((a.shape[0], b.shape[1]))


def _addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor | None:
    if bias.dim() != 1 or bias.shape[0] != b.shape[-1]:
        return None
    return _mm(a, b)


def _bmm(a: Tensor, b: Tensor) -> Tensor | None:
    if a.dim() != 3 or b.dim() != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        return None
    return a.new_empty((a.shape[0], a.shape[1], b.shape[2]))


def _window(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor | None:
    spatial = x.dim() - 2
    lists = [list(value) for value in (stride, padding, dilation)]
    if transposed or x.dim() != weight.dim() or any(len(value) != spatial for value in lists):
        return None
    if x.shape[1] != weight.shape[1] * groups or x.dtype != weight.dtype:
        return None
    sizes = [
        _window(*each)
        for each in zip(x.shape[2:], weight.shape[2:], *lists, strict=True)
    ]  # fmt: skip
    if min(sizes) < 1:
        return None
    return x.new_empty((x.shape[0], weight.shape[0], *sizes))


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_variance: Tensor | None,
    training: bool,
    *_: Any,
) -> tuple[Tensor, Tensor, Tensor] | None:
    if training or running_mean is None or running_mean.shape[0] != x.shape[1]:
        return None
    return x.new_empty(x.shape), x.new_empty((0,)), x.new_empty((0,))


def _layer_norm(
    x: Tensor, normalized: Sequence[int], *_: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    axis = x.dim() - len(normalized)
    if axis < 0 or list(x.shape[axis:]) != list(normalized):
        return None
    statistics = (*x.shape[:axis], *(1 for _ in normalized))
    return x.new_empty(x.shape), x.new_empty(statistics), x.new_empty(statistics)


def _group_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    rows: int,
    channels: int,
    positions: int,
    groups: int,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    statistics = (rows, groups)
    return x.new_empty(x.shape), x.new_empty(statistics), x.new_empty(statistics)


def _pooled(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[int, ...] | None:
    if ceil_mode or x.dim() != 4:
        return None
    pairs = [_pair(value) for value in (kernel, stride or kernel, padding, dilation)]
    sizes = [_window(*each) for each in zip(x.shape[2:], *pairs, strict=True)]
    if min(sizes) < 1 or any(p > k // 2 for k, p in zip(pairs[0], pairs[2], strict=True)):
        return None
    return (*x.shape[:2], *sizes)


def _pair(value: Sequence[int]) -> tuple[int, int]:
    return (value[0], value[-1])


def _max_pool(x: Tensor, *args: Any) -> tuple[Tensor, Tensor] | None:
    shape = _pooled(x, *args)
    return None if shape is None else (x.new_empty(shape), x.new_empty(shape, dtype=torch.long))


def _average_pool(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    *_: Any,
) -> Tensor | None:
    shape = _pooled(x, kernel, stride, padding, (1,), ceil_mode)
    return None if shape is None else x.new_empty(shape)


def _adaptive_average_pool(x: Tensor, size: Sequence[int]) -> Tensor | None:
    return x.new_empty((*x.shape[:-2], *size)) if x.dim() == 4 else None


def _adaptive_max_pool(x: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor] | None:
    if x.dim() != 4:
        return None
    shape = (*x.shape[:-2], *_pair(size))
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.long)


def _mean(x: Tensor, axes: Sequence[int] | None, keep: bool = False) -> Tensor | None:
    if not axes or not x.is_floating_point():
        return None
    dropped = {axis % x.dim() for axis in axes}
    kept = [
        1 if axis in dropped else size
        for axis, size in enumerate(x.shape)
        if keep or axis not in dropped
    ]
    return x.new_empty(kept)


def _cat(parts: Sequence[Tensor], axis: int = 0) -> Tensor | None:
    first = parts[0]
    if not -first.dim() <= axis < first.dim() or not _on_meta(parts):
        return None
    axis %= first.dim()
    kinds = {(x.dtype, *x.shape[:axis], None, *x.shape[axis + 1 :]) for x in parts}
    if len(kinds) > 1:
        return None
    return first.new_empty(
        (*first.shape[:axis], sum(x.shape[axis] for x in parts), *first.shape[axis + 1 :])
    )


_SAME_SHAPE = (
    *(_aten.relu, _aten.gelu, _aten.silu, _aten.tanh, _aten.sigmoid, _aten.elu),
    *(_aten.leaky_relu, _aten.hardswish, _aten.hardsigmoid, _aten.hardtanh, _aten.mish),
)
_SAME_SHAPE_IN_PLACE = (
    *(_aten.relu_, _aten.silu_, _aten.elu_, _aten.leaky_relu_, _aten.hardswish_),
    *(_aten.hardtanh_, _aten.mish_, _aten.tanh_, _aten.sigmoid_),
)
_RULES: dict[Any, Rule] = {
    **{packet.default: _same for packet in _SAME_SHAPE},
    **{packet.default: _in_place for packet in _SAME_SHAPE_IN_PLACE},
    _aten._softmax.default: _same,
    _aten.add.Tensor: _binary,
    _aten.mul.Tensor: _binary,
    _aten.mm.default: _mm,
    _aten.addmm.default: _addmm,
    _aten.bmm.default: _bmm,
    _aten.convolution.default: _convolution,
    _aten.native_batch_norm.default: _batch_norm,
    _aten.native_layer_norm.default: _layer_norm,
    _aten.native_group_norm.default: _group_norm,
    _aten.max_pool2d_with_indices.default: _max_pool,
    _aten.avg_pool2d.default: _average_pool,
    _aten._adaptive_avg_pool2d.default: _adaptive_average_pool,
    _aten.adaptive_max_pool2d.default: _adaptive_max_pool,
    _aten.mean.dim: _mean,
    _aten.cat.default: _cat,
}
