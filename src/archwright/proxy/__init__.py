"""Scores of untrained networks, higher is better: seconds instead of hours, and a hint at most.

A `Proxy` looks at a fresh network and one `Batch`, never at an architecture. `score` gives its
`Score`; `score_many` scores many networks on the same batch, with the passes that several proxies
read run once. `PROXIES` holds the names.

    batch = Batch.of(dataset.train, 128, seed=0)
    for scores in score_many(networks, batch, ["naswot", "grad_norm"]):
        scores["naswot"].value              # NaN where there is none; then .status says why

Whoever writes a proxy reads what it needs from `Passes`.
"""

from archwright.proxy.agreement import Agreement
from archwright.proxy.batch import Batch
from archwright.proxy.catalog import PROXIES, make_proxy
from archwright.proxy.combining import COMBININGS, combine
from archwright.proxy.passes import Passes, layers_of, logits_of
from archwright.proxy.proxy import STATUSES, Measured, Proxy, Score, Unscored
from archwright.proxy.restoring import preserved
from archwright.proxy.scoring import score, score_many
from archwright.proxy.watching import Watch

__all__ = [
    "COMBININGS",
    "PROXIES",
    "STATUSES",
    "Agreement",
    "Batch",
    "Measured",
    "Passes",
    "Proxy",
    "Score",
    "Unscored",
    "Watch",
    "combine",
    "layers_of",
    "logits_of",
    "make_proxy",
    "preserved",
    "score",
    "score_many",
]
