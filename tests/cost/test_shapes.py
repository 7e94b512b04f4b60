"""The rules must say what the real operations do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from archwright.cost._shapes import _RULES, infer


class _Compare(TorchDispatchMode):
    """Runs each operation for real and its rule on the meta device; keeps which rules it met."""

    def __init__(self) -> None:
        super().__init__()
        self.met: set[Any] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        expected = func(*args, **(kwargs or {}))
        if func in _RULES:
            shapes = tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) else x, args)
            found = infer(func, shapes, kwargs or {})
            for ours, theirs in zip(tree_leaves(found), tree_leaves(expected), strict=True):
                assert ours.is_meta
                assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
            self.met.add(func)
        return expected


def _flat() -> Tensor:
    return torch.empty(2, 6)


def _map(*size: int) -> Tensor:
    return torch.empty(2, 6, *(size or (9, 8)))


def _both_ways(function: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    return function(_flat()), function(_flat(), inplace=True)


_STATISTICS = torch.empty(6)

CALLS: dict[str, Callable[[], Any]] = {
    "linear": lambda: functional.linear(_flat(), torch.empty(3, 6), _flat()[0, :3]),
    "linear without bias": lambda: functional.linear(_flat(), torch.empty(3, 6)),
    "matrices": lambda: torch.bmm(_map()[0], _map()[0].transpose(1, 2)),
    "convolution": lambda: functional.conv2d(
        _map(), torch.empty(4, 3, 3, 2), stride=(2, 1), padding=1, groups=2
    ),
    "dilated": lambda: functional.conv2d(
        _map(), torch.empty(4, 6, 3, 3), dilation=2, padding=(0, 2)
    ),
    "convolution 1d": lambda: functional.conv1d(_map(9), torch.empty(4, 6, 3)),
    "transposed": lambda: functional.conv_transpose2d(
        _map(), torch.empty(6, 4, 3, 3), stride=2, output_padding=1
    ),
    "batch norm": lambda: functional.batch_norm(_map(), _STATISTICS, _STATISTICS),
    "batch norm in training": lambda: functional.batch_norm(
        _map(), _STATISTICS, _STATISTICS, training=True
    ),
    "batch norm without statistics": lambda: functional.batch_norm(
        _map(), None, None, training=True
    ),
    "layer norm": lambda: functional.layer_norm(_map(), (9, 8)),
    "group norm": lambda: functional.group_norm(_map(), 3),
    "max pool": lambda: functional.max_pool2d(_map(), 3, stride=2, padding=1),
    "max pool, ceiling": lambda: functional.max_pool2d(_map(), 2, ceil_mode=True),
    "max pool, default stride": lambda: functional.max_pool2d(_map(), (3, 2)),
    "average pool": lambda: functional.avg_pool2d(_map(), 3, stride=(2, 3), padding=1),
    "adaptive average": lambda: functional.adaptive_avg_pool2d(_map(), (3, 2)),
    "global average": lambda: functional.adaptive_avg_pool2d(_map(), 1),
    "adaptive maximum": lambda: functional.adaptive_max_pool2d(_map(), (1, 2)),
    "mean": lambda: _map().mean((2, -1)),
    "mean, kept": lambda: _map().mean((0, 3), keepdim=True),
    "mean of all": lambda: _map().mean(()),
    "concatenation": lambda: torch.cat([_map(), _map(), _map()[:, :2]], dim=1),
    "concatenation of rows": lambda: torch.cat([_flat(), _flat()]),
    "concatenation, last axis": lambda: torch.cat([_flat(), _flat()[:, :0]], dim=-1),
    "concatenation of mixed types": lambda: torch.cat([_flat(), _flat().half()]),
    "sum": lambda: _map() + _map(),
    "broadcast": lambda: _map() + _map()[0],
    "number": lambda: _map() * 2,
    "whole numbers": lambda: torch.ones(3, dtype=torch.long) * 2.5,
    "mixed types": lambda: _flat() * _flat().half(),
    "softmax": lambda: _flat().softmax(1),
    **{
        function.__name__: partial(_both_ways, function)
        for function in (
            *(functional.relu, functional.silu, functional.elu, functional.leaky_relu),
            *(functional.hardswish, functional.hardtanh, functional.mish),
        )
    },
    "gelu": lambda: functional.gelu(_flat(), approximate="tanh"),
    "tanh": lambda: (_flat().tanh(), _flat().tanh_()),
    "sigmoid": lambda: (_flat().sigmoid(), _flat().sigmoid_()),
    "hardsigmoid": lambda: functional.hardsigmoid(_flat()),
}


@pytest.mark.parametrize("name", CALLS)
def test_rule_agrees_with_torch(name: str) -> None:
    with torch.no_grad(), _Compare():
        CALLS[name]()


def test_every_rule_was_met() -> None:
    compare = _Compare()
    with torch.no_grad(), compare:
        for call in CALLS.values():
            call()
    assert compare.met == set(_RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: functional.linear(_flat(), torch.empty(3, 5)),
        lambda: functional.conv2d(_map(), torch.empty(4, 5, 3, 3)),
        lambda: functional.conv2d(_map(), torch.empty(4, 6, 30, 3)),
        lambda: functional.max_pool2d(_map(), 30),
        lambda: torch.bmm(_map()[0], _map()[0]),
        lambda: _flat() + _flat()[:, :4],
        lambda: torch.cat([_flat(), _flat()[:, :4]]),
        lambda: torch.cat([_flat(), _map()], dim=0),
    ],
)
def test_what_torch_refuses_is_left_to_torch(wrong: Callable[[], Any]) -> None:
    class Infer(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            return infer(func, args, kwargs or {})

    with torch.device("meta"), Infer(), pytest.raises(RuntimeError):
        wrong()
