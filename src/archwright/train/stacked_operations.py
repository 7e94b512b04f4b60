"""From the nodes of a traced network to the operations of a stack: what a stack knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from archwright.train import stacked_layers, stacked_pooling
from archwright.train.stacked_buffers import Program, Value
from archwright.train.stacked_convolution import convolution, linear
from archwright.train.stacked_tracing import structure_of

__all__ = ["Handler", "Step", "is_known", "step_of"]

Handler = Callable[[Program, "Step", list[Value]], Value]


@dataclass(frozen=True)
class Step:
    """One operation of the network.

    Args:
        name: Of its result.
        inputs: Names of the results it takes.
        handler: Writes its calls.
        module: What holds its weights, if anything does; of the first network.
        path: Of that module inside the network.
        options: Constants: where a slice ends, how a map is pooled.
    """

    name: str
    inputs: tuple[str, ...]
    handler: Handler
    module: nn.Module | None = None
    path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether the result is the input."""
        return self.handler is _same

    @property
    def key(self) -> object:
        """Equal for operations with equal results: never with weights or randomness."""
        module = self.module
        if isinstance(module, nn.Dropout) or (module and list(module.parameters())):
            return self.name
        what = structure_of(module) if module else ""
        return self.handler, self.inputs, what, tuple(self.options.items())


def step_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> Step | None:
    """Return the operation of a node, or None if it is not known."""
    inputs = tuple(n.name for n in node.all_input_nodes)
    if node.op == "call_module" and len(node.args) == 1 and not node.kwargs:
        path = str(node.target)
        handler = _of_module(modules[path])
        shape = node.all_input_nodes[0].meta["shape"]
        if isinstance(modules[path], nn.Linear | nn.Dropout) and len(shape) != 2:
            return None  # of maps, these do something else
        return handler and Step(node.name, inputs, handler, modules[path], path)
    if node.op in ("call_function", "call_method"):
        found = _of_function(node)
        return found and Step(node.name, found[1], found[0], options=found[2])
    return None


def is_known(module: nn.Module) -> bool:
    """Return whether a module is of a kind that is an operation as a whole."""
    return _kind_of(module) is not None


def _kind_of(module: nn.Module) -> type[nn.Module] | None:
    """Return the known class that says how a module computes: its own, or one it inherits from."""
    own = "forward" in vars(module)
    kinds = (k for k in _MODULES if isinstance(module, k) and type(module).forward is k.forward)
    return None if own else next(kinds, None)


def _of_module(module: nn.Module) -> Handler | None:
    """Return what writes the calls of a module, or None if nothing can."""
    kind = _kind_of(module)
    if kind is None:
        return None
    check, handler = _MODULES[kind]
    return handler if check(module) else None


def _is_plain_convolution(module: nn.Module) -> bool:
    assert isinstance(module, nn.Conv2d)
    odd = all(size % 2 for size in module.kernel_size)
    return (
        module.dilation == (1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and (module.padding != "same" or odd)
    )


def _is_tracked_norm(module: nn.Module) -> bool:
    assert isinstance(module, nn.BatchNorm2d)
    return module.affine and module.track_running_stats and module.momentum is not None


def _is_simple_pool(module: nn.Module) -> bool:
    assert isinstance(module, nn.MaxPool2d)
    return module.dilation in (1, (1, 1)) and not module.return_indices


def _is_global_pool(module: nn.Module) -> bool:
    assert isinstance(module, nn.AdaptiveAvgPool2d)
    return module.output_size in (1, (1, 1))


def _is_flatten(module: nn.Module) -> bool:
    assert isinstance(module, nn.Flatten)
    return (module.start_dim, module.end_dim) == (1, -1)


def _always(module: nn.Module) -> bool:
    del module
    return True


def _convolution(program: Program, step: Step, inputs: list[Value]) -> Value:
    assert isinstance(step.module, nn.Conv2d)
    return convolution(program, step.module, step.path, inputs[0])


def _normalization(program: Program, step: Step, inputs: list[Value]) -> Value:
    assert isinstance(step.module, nn.BatchNorm2d)
    return stacked_layers.normalization(program, step.module, step.path, inputs[0])


def _linear(program: Program, step: Step, inputs: list[Value]) -> Value:
    assert isinstance(step.module, nn.Linear)
    return linear(program, step.module, step.path, inputs[0])


def _max_pool(program: Program, step: Step, inputs: list[Value]) -> Value:
    pool = step.module
    assert isinstance(pool, nn.MaxPool2d)
    return stacked_pooling.max_pool(program, pool, inputs[0])


def _average_pool(program: Program, step: Step, inputs: list[Value]) -> Value:
    pool = step.module
    assert isinstance(pool, nn.AvgPool2d)
    return stacked_pooling.average_pool(program, pool, inputs[0])


def _dropout(program: Program, step: Step, inputs: list[Value]) -> Value:
    assert isinstance(step.module, nn.Dropout)
    return stacked_layers.dropout(program, float(step.module.p), inputs[0])


def _relu(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step
    return stacked_layers.relu(program, inputs[0])


def _mean(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step  # flat values and maps of one pixel lie alike
    return stacked_pooling.mean(program, inputs[0])


def _flatten(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step
    return stacked_layers.flatten(program, inputs[0])


def _add(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step
    return stacked_layers.add(program, inputs)


def _zeros(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step
    return stacked_layers.zeros(program, inputs[0])


def _concatenate(program: Program, step: Step, inputs: list[Value]) -> Value:
    del step
    return stacked_layers.concatenate(program, inputs)


def _first_channels(program: Program, step: Step, inputs: list[Value]) -> Value:
    return stacked_layers.channels(program, inputs[0], step.options["start"], step.options["stop"])


def _same(program: Program, step: Step, inputs: list[Value]) -> Value:
    """The input itself; a plan has no such step."""
    del program, step
    return inputs[0]


_MODULES: dict[type[nn.Module], tuple[Callable[[nn.Module], bool], Handler]] = {
    nn.Conv2d: (_is_plain_convolution, _convolution),
    nn.BatchNorm2d: (_is_tracked_norm, _normalization),
    nn.ReLU: (_always, _relu),
    nn.MaxPool2d: (_is_simple_pool, _max_pool),
    nn.AvgPool2d: (_always, _average_pool),
    nn.AdaptiveAvgPool2d: (_is_global_pool, _mean),
    nn.Flatten: (_is_flatten, _flatten),
    nn.Dropout: (_always, _dropout),
    nn.Linear: (_always, _linear),
    nn.Identity: (_always, _same),
}

_RELU = (torch.relu, functional.relu, "relu", "relu_")
_ADD = (operator.add, operator.iadd, torch.add, "add", "add_")
_PRODUCT = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
_CAT = (torch.cat, torch.concat)
_FLATTEN = (torch.flatten, "flatten")
_MEAN = (torch.mean, "mean")

_Found = tuple[Handler, tuple[str, ...], dict[str, Any]]


def _of_function(node: fx.Node) -> _Found | None:
    """Return the handler, inputs and options of a call, or None if it is not known."""
    target, inputs = node.target, tuple(n.name for n in node.all_input_nodes)
    if target in _RELU and len(inputs) == 1 and set(node.kwargs) <= {"inplace"}:
        return _relu, inputs, {}
    if target in _ADD and len(node.args) == 2 and not node.kwargs:
        return _sum_of(node)
    if target in _PRODUCT and len(inputs) == 1 and 0 in node.args and not node.kwargs:
        return _zeros, inputs, {}
    if target in _CAT:
        return _cat_of(node)
    if target is operator.getitem:
        return _slice_of(node)
    if target in _FLATTEN and (node.args[1:], dict(node.kwargs)) in (((1,), {}), ((), _START)):
        return _flatten, inputs, {}
    if target in _MEAN and len(inputs) == 1:
        return _mean_of(node)
    return None


_START = {"start_dim": 1}


def _sum_of(node: fx.Node) -> _Found | None:
    """Return a sum of two values; a plain zero, with which `sum` begins, is none."""
    terms = [a.name for a in node.args if isinstance(a, fx.Node)]
    if len(terms) == 1 and 0 in node.args:
        return _same, (terms[0],), {}
    same = len({n.meta["shape"] for n in node.all_input_nodes}) == 1
    return (_add, tuple(terms), {}) if len(terms) == 2 and same else None


def _cat_of(node: fx.Node) -> _Found | None:
    axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    parts = node.args[0]
    if axis != 1 or not isinstance(parts, (list, tuple)):
        return None
    names = tuple(p.name for p in parts if isinstance(p, fx.Node))
    return (_concatenate, names, {}) if len(names) == len(parts) else None


def _slice_of(node: fx.Node) -> _Found | None:
    """Return `x[:, start:stop]`."""
    source, where = node.args
    if not isinstance(source, fx.Node) or not isinstance(where, tuple) or len(where) < 2:
        return None
    whole = slice(None)
    part, others = where[1], (where[0], *where[2:])
    if any(other != whole for other in others) or not isinstance(part, slice):
        return None
    bounds = (part.start or 0, part.stop)
    plain = all(b is None or (isinstance(b, int) and b >= 0) for b in bounds)
    if not plain or part.step not in (None, 1):
        return None
    return _first_channels, (source.name,), {"start": bounds[0], "stop": bounds[1]}


def _mean_of(node: fx.Node) -> _Found | None:
    """Return the mean over height and width."""
    axes = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    keep = node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False)
    if not isinstance(axes, (list, tuple)) or tuple(axes) not in ((2, 3), (-2, -1), (-1, -2)):
        return None
    return (_mean, (node.all_input_nodes[0].name,), {}) if isinstance(keep, bool) else None
