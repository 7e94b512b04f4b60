"""Strategies propose architectures and learn from what became of them.

A `Strategy` is `ask` and `tell` and nothing else: it never knows what an evaluator does. It is a
pure function of its seed, its options and the sequence of asks and tells, so anyone can rebuild
it from the recorded trials with `replay`. `STRATEGIES` holds the names that users type;
`make_strategy` builds one by name.

    strategy = make_strategy("evolution", space, ["max:val_accuracy"], seed=0, population=20)
    while strategy.stopped is None and budget_left:
        for proposal in strategy.ask(strategy.concurrency):
            ...                                    # evaluate, wrap into a finished trial
            strategy.tell(trial)

Some strategies look at scores before they propose. A `Guide` gives them, `ScoresGuide` stored ones.

`batched` advances many repeats of one strategy together, for searches on tables.
"""

from archwright.strategy.base import Strategy
from archwright.strategy.batched import Batched, batched
from archwright.strategy.catalog import STRATEGIES, make_strategy
from archwright.strategy.guide import Columns, Guidance, Guide, vote
from archwright.strategy.ranking import Member, rank
from archwright.strategy.replay import replay
from archwright.strategy.scores_guide import ScoresGuide

__all__ = [
    "STRATEGIES",
    "Batched",
    "Columns",
    "Guidance",
    "Guide",
    "Member",
    "ScoresGuide",
    "Strategy",
    "batched",
    "make_strategy",
    "rank",
    "replay",
    "vote",
]
