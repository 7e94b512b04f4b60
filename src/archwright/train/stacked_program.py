"""One step of a stack of networks of equal structure, as calls on buffers made beforehand.

Small convolutional networks spend most of a step on everything but arithmetic: bookkeeping of
autograd, fresh memory, and convolutions too narrow for the vector units. Here every operation works
on all networks of the stack at once, and the batch is the innermost axis: images lie as
`(networks, channels, pixels, batch)`, so that a channel of a network is one contiguous line, a
shift by one pixel is a shift by `batch`, a 1x1 convolution is one product and the statistics of a
normalisation are sums of lines. What the networks share is structure and nothing else: weights,
data and statistics are each network's own.

The program is a list of forward calls; the backward calls are made in the reverse order, and the
gradients' buffers are handed on from one to the next. `stacked_layers.py` has the operations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from archwright.train.stacked_buffers import Program, Weights
from archwright.train.stacked_operations import Step, is_known, step_of
from archwright.train.stacked_tracing import traced

__all__ = ["Plan", "plan_of", "write_program"]


@dataclass(frozen=True)
class Plan:
    """The operations of a network in the order they run.

    Args:
        steps: The operations.
        source: Name of the input.
        result: Name of the outputs.
    """

    steps: tuple[Step, ...]
    source: str
    result: str


def plan_of(network: nn.Module, inputs: torch.Size) -> Plan | None:
    """Return how to run a network as part of a stack, or None if it has something unknown.

    Known are convolutions without dilation and groups, batch normalisation, ReLU, maximum, average
    and global average pooling, dropout of flat values and linear layers, joined by sums,
    concatenation and slices of channels; and zero times a value.

    Args:
        network: On a processor.
        inputs: Shape of one input.
    """
    if not _is_plain(network):
        return None
    try:
        graph = traced(network, inputs, is_known)
    except Exception:  # noqa: BLE001 - a network that cannot be traced is trained another way
        return None
    source, result, steps = "", "", []
    modules = dict(network.named_modules())
    for node in graph.nodes:
        if node.op == "placeholder" and not source:
            source = node.name
        elif node.op == "output" and isinstance(node.args[0], fx.Node):
            result = node.args[0].name
        else:
            step = step_of(node, modules)
            if step is None:
                return None
            steps.append(step)
    plan = _merged(Plan(tuple(steps), source, result))
    return plan if any(step.name == plan.result for step in plan.steps) else None


def _merged(plan: Plan) -> Plan:
    """Leave out operations that would do again what another one has done.

    Several edges of a cell may take the ReLU or the mean of one node.
    """
    found: dict[object, str] = {}
    names: dict[str, str] = {}
    kept = []
    for step in plan.steps:
        own = replace(step, inputs=tuple(names.get(name, name) for name in step.inputs))
        names[step.name] = own.inputs[0] if own.is_same else found.setdefault(own.key, own.name)
        if names[step.name] == step.name:
            kept.append(own)
    return Plan(tuple(kept), plan.source, names.get(plan.result, plan.result))


def write_program(
    plan: Plan, weights: Weights, inputs: torch.Size, batch: int, *, training: bool
) -> Program:
    """Bind the steps of a plan to buffers for so many rows of each network.

    Args:
        plan: Of the structure that the networks share.
        weights: Of all networks.
        inputs: Shape of one input.
        batch: Rows of each network.
        training: Whether to write a backward pass, and to normalise by the batch.
    """
    program = Program(weights, batch, training=training)
    uses = Counter(name for step in plan.steps for name in step.inputs)
    uses[plan.result] += 1
    values = {plan.source: program.source(inputs)}
    values[plan.source].uses = uses[plan.source]
    for step in plan.steps:
        value = step.handler(program, step, [values[name] for name in step.inputs])
        value.uses += uses[step.name]  # of a value that was handed through: those in addition
        values[step.name] = value
    program.finish(values[plan.result])
    return program


def _is_plain(network: nn.Module) -> bool:
    """Whether nothing is hooked in, frozen, shared or of mixed types."""
    for module in network.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks)
        if any((*hooks, module._backward_hooks, module._backward_pre_hooks)):
            return False
    parameters = list(network.named_parameters(remove_duplicate=False))
    unique = {id(p) for _, p in parameters}
    floats = [t for t in network.state_dict().values() if t.is_floating_point()]
    return (
        len(unique) == len(parameters) > 0
        and all(p.requires_grad for _, p in parameters)
        and len({t.dtype for t in floats}) == 1
        and all(t.device.type == "cpu" for t in floats)
    )
