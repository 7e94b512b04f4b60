"""What a network costs: counted exactly, or measured with the protocol stated.

Every function takes a module and the shape of one input, never an architecture. `Counts` holds
parameters, multiply-accumulates and bytes; `Latency` the milliseconds of a forward pass with its
spread; `peak_memory` the bytes alive at the worst moment.

    counts = count(network, (1, 28, 28))
    counts.parameters, counts.macs, counts.size_bytes
    latency(network, (1, 28, 28), batch=1, threads=1).median_ms
    peak_memory(network, (1, 28, 28), batch=32, training=True)
"""

from archwright.cost.counting import Counts, count
from archwright.cost.memory import peak_memory
from archwright.cost.timing import Latency, latency, latency_many

__all__ = ["Counts", "Latency", "count", "latency", "latency_many", "peak_memory"]
