"""Cells and settings of NAS-Bench-101 under the names of its authors' library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import SpaceError
from archwright.space.catalog.nasbench101 import (
    MAX_EDGES,
    OPERATIONS,
    checked_cell,
    graph_hash,
    prune,
)

__all__ = [
    "ALLOWED_EDGES",
    "ALLOWED_OPS",
    "CONV1X1",
    "CONV3X3",
    "EDGE_SPOTS",
    "INPUT",
    "MAXPOOL3X3",
    "MAX_EDGES",
    "NUM_VERTICES",
    "OP_SPOTS",
    "OUTPUT",
    "Config",
    "ModelSpec",
]

INPUT = "input"
OUTPUT = "output"
CONV3X3, CONV1X1, MAXPOOL3X3 = OPERATIONS
NUM_VERTICES = 7
EDGE_SPOTS = NUM_VERTICES * (NUM_VERTICES - 1) // 2
OP_SPOTS = NUM_VERTICES - 2
ALLOWED_OPS = list(OPERATIONS)
ALLOWED_EDGES = [0, 1]


@dataclass(frozen=True)
class Config:
    """The settings with which the published table was made, under their published names."""

    module_vertices: int = NUM_VERTICES
    max_edges: int = MAX_EDGES
    available_ops: tuple[str, ...] = OPERATIONS
    stem_filter_size: int = 128
    num_stacks: int = 3
    num_modules_per_stack: int = 3
    batch_size: int = 256
    train_epochs: int = 108
    train_seconds: float = 14400.0
    learning_rate: float = 0.1
    lr_decay_method: str = "COSINE_BY_STEP"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    max_attempts: int = 5
    intermediate_evaluations: tuple[str, ...] = ("0.5",)
    num_repeats: int = 3
    use_tpu: bool = True
    tpu_iterations_per_loop: int = 100
    tpu_num_shards: int = 2
    num_labels: int = 10
    data_format: str = "channels_last"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as the original keeps them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


class ModelSpec:
    """A cell as its matrix and operations, and the same without what is on no path through it.

    Whether it is in the benchmark is for `NASBench.is_valid` to say.

    Args:
        matrix: Square and upper triangular, of zeros and ones; entry [i, j] is the edge i->j.
        ops: One operation per vertex; any texts.
        data_format: Kept, not used.

    Raises:
        SpaceError: If the matrix is not like that, or there is another number of operations.

    Example:
        >>> spec = ModelSpec([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [INPUT, CONV3X3, OUTPUT])
        >>> spec.hash_spec(ALLOWED_OPS)
        'b49ac8c578b4561d79ac7087988f1c61'
    """

    original_matrix: NDArray[np.int8]
    """`(vertices, vertices)`, as given."""
    original_ops: list[str]
    """One per vertex, as given."""
    matrix: NDArray[np.int8] | None
    """Without the vertices on no path from input to output; None if there is no path."""
    ops: list[str] | None
    """The operations of `matrix`."""
    valid_spec: bool
    """Whether a path leads from input to output."""

    def __init__(self, matrix: Any, ops: Sequence[str], data_format: str = "channels_last") -> None:
        self.original_matrix = checked_cell(matrix, ops).matrix
        self.original_ops = list(ops)
        cell = prune(self.original_matrix, ops)
        self.matrix = None if cell is None else cell.matrix
        self.ops = None if cell is None else list(cell.ops)
        self.valid_spec = cell is not None
        self.data_format = data_format

    def hash_spec(self, canonical_ops: Sequence[str]) -> str:
        """Return the hash, 32 hexadecimal digits, equal for isomorphic cells.

        Args:
            canonical_ops: The operations that interior vertices may have, in the order that
                numbers them.

        Raises:
            SpaceError: If the cell has no path, or another operation.
        """
        if self.matrix is None or self.ops is None:
            raise SpaceError("a cell without a path from its input to its output has no hash")
        places = {operation: place for place, operation in enumerate(canonical_ops)}
        interior = self.ops[1:-1]
        if unknown := [operation for operation in interior if operation not in places]:
            raise SpaceError(
                f"operations of the cell must be of {', '.join(places)}; got {unknown[0]!r}"
            )
        return graph_hash(self.matrix, [-1, *(places[operation] for operation in interior), -2])

    def visualize(self) -> str:
        """Return the pruned cell as a graph in the language of Graphviz."""
        ops = self.ops or []
        lines = [f'  {vertex} [label="{operation}"];' for vertex, operation in enumerate(ops)]
        edges = [] if self.matrix is None else np.argwhere(self.matrix).tolist()
        lines += [f"  {source} -> {target};" for source, target in edges]
        return "\n".join(["digraph {", *lines, "}"])

    def __repr__(self) -> str:
        return f"ModelSpec({self.original_matrix.tolist()!r}, {self.original_ops!r})"
