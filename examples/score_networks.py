"""Score untrained networks, and let the best ones be trained first.

Proxies look at fresh networks for a moment. They are always shown beside the number of parameters,
which costs nothing and is hard to beat.
"""

from __future__ import annotations

import archwright as aw
from archwright.frontdoor.scoring import score_space

PROXIES = ["naswot", "snip", "synflow"]


def main() -> None:
    space = aw.space_named("mlp", activation=("relu",))
    scores = score_space(space, "wine", PROXIES, samples=20, batch_size=64)
    order = scores.mean("naswot").argsort()[::-1]
    for place in order[:3]:
        shown = {name: round(float(scores.mean(name)[place]), 1) for name in scores.proxies}
        print(shown, scores.architectures[place])

    result = aw.search(
        "wine", space=space, trials=4, prescreen="naswot:20:2", recipe={"epochs": 5}, seed=0
    )
    first = [trial.proposal.origin for trial in result.trials[:2]]
    assert first == ["initial", "initial"]
    print("test accuracy:", round(result.test_metrics["test_accuracy"], 4))


if __name__ == "__main__":
    main()
