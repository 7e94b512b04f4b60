from __future__ import annotations

import pytest
import torch

from archwright.train import Recipe
from archwright.train.schedule import learning_rate

EPOCHS, STEPS = 5, 20


def _rates(recipe: Recipe) -> list[float]:
    return [learning_rate(recipe, step, STEPS) for step in range(EPOCHS * STEPS)]


def _torch_rates(make: object) -> list[float]:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    scheduler = make(optimizer)  # type: ignore[operator]
    rates = []
    for _ in range(EPOCHS * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_that_of_torch() -> None:
    torch_rates = _torch_rates(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS)
    )
    ours = _rates(Recipe(epochs=EPOCHS, learning_rate=0.1, schedule="cosine"))
    assert ours == pytest.approx(torch_rates, abs=1e-12)


def test_one_cycle_has_the_ends_and_the_peak_of_torch() -> None:
    total = EPOCHS * STEPS
    torch_rates = _torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=0.1, total_steps=total + 1, cycle_momentum=False
        )
    )
    ours = _rates(Recipe(epochs=EPOCHS, learning_rate=0.1, schedule="one-cycle"))
    assert max(ours) == pytest.approx(0.1)
    assert ours == pytest.approx(torch_rates, abs=0.003)  # torch counts the rise one step shorter


def test_step_falls_to_a_tenth_twice() -> None:
    ours = _rates(Recipe(epochs=EPOCHS, learning_rate=0.1, schedule="step"))
    assert ours == pytest.approx([0.1] * 50 + [0.01] * 25 + [0.001] * 25)


def test_constant_stays() -> None:
    assert set(_rates(Recipe(epochs=EPOCHS, learning_rate=0.1, schedule="constant"))) == {0.1}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_warm_up_rises_in_a_line_to_the_peak(schedule: str) -> None:
    recipe = Recipe(epochs=EPOCHS, learning_rate=0.1, schedule=schedule, warmup_epochs=0.5)
    ours = _rates(recipe)
    assert ours[:10] == pytest.approx([0.01 * (step + 1) for step in range(10)])
    assert max(ours) == ours[9] == pytest.approx(0.1)


def test_a_warm_up_longer_than_the_training_never_peaks() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, warmup_epochs=2)
    assert learning_rate(recipe, STEPS - 1, STEPS) == pytest.approx(0.05)
