"""Which activations the output depends on: read off the graph that autograd records.

The graph costs microseconds for each operation; what costs memory are the tensors that it keeps for
a backward pass. `graph_only` records it without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["graph_only", "reached"]

_Node = Any  # torch.autograd.graph.Node


@contextmanager
def graph_only() -> Iterator[None]:
    """Record the graph, but keep no tensors: there can be no backward pass."""
    with torch.autograd.graph.saved_tensors_hooks(_dropped, _dropped):
        yield


def reached(outputs: Iterable[Tensor], blocked: Iterable[_Node] = ()) -> set[_Node]:
    """Return all nodes of the graph that the outputs depend on.

    Args:
        outputs: What the network returned.
        blocked: Nodes through which nothing is followed.
    """
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    found: set[_Node] = set()
    closed = set(blocked)
    while waiting:
        node = waiting.pop()
        if node not in found and node not in closed:
            found.add(node)
            waiting += [inner for inner, _ in node.next_functions if inner is not None]
    return found


def _dropped(tensor: Any) -> Any:
    return None
