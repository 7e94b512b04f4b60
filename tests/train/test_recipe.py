from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from archwright.errors import EnvironmentProblem, EvaluationError, UnknownNameError
from archwright.train import Recipe


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(epochs=3, augment=("flip",), patience=2, clip_norm=1.0, channels_last="auto")
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_replace_changes_only_what_it_names() -> None:
    assert Recipe(epochs=3).replace(batch_size=8) == Recipe(epochs=3, batch_size=8)


def test_recipes_are_values() -> None:
    assert hash(Recipe(augment=("flip", "crop"))) == hash(Recipe(augment=["flip", "crop"]))  # type: ignore[arg-type]


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"recipe option 'epoch' \(did you mean 'epochs'\?"):
        Recipe.from_json({"epoch": 3})


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [("optimizer", "adamm", "adam"), ("schedule", "cos", ""), ("augment", ("flipp",), "flip")],
)
def test_an_unknown_choice_says_what_is_allowed(name: str, value: Any, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown recipe.{name} .*{nearest}.*allowed: "):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "an integer of at least 1"),
        ("epochs", 2.5, "an integer of at least 1"),
        ("epochs", "ten", "an integer of at least 1"),
        ("patience", [], "None or an integer of at least 1"),
        ("learning_rate", "fast", "a positive number"),
        ("learning_rate", None, "a positive number"),
        ("clip_norm", "1", "None or a positive number"),
        ("ema_decay", True, r"None or a number in \(0, 1\)"),
        ("weight_decay", [1e-4], "a number of at least 0"),
        ("momentum", "0.9", r"a number in \[0, 1\)"),
        ("class_weights", ["balanced"], "None or 'balanced'"),
        ("channels_last", [True], "True, False or 'auto'"),
        ("autocast", "yes", "True or False"),
        ("compile", 1, "True or False"),
        ("augment", "flip", "a list of names"),
        ("augment", 3, "a list of names"),
        ("device", 0, "a device such as 'cpu' or 'cuda'"),
        ("batch_size", True, "an integer of at least 1"),
        ("patience", 0, "None or an integer of at least 1"),
        ("threads", -1, "None or an integer of at least 1"),
        ("clip_norm", 0.0, "None or a positive number"),
        ("ema_decay", 1.0, r"None or a number in \(0, 1\)"),
        ("learning_rate", float("nan"), "a positive number"),
        ("learning_rate", float("inf"), "a positive number"),
        ("weight_decay", -1.0, "a number of at least 0"),
        ("warmup_epochs", float("inf"), "a number of at least 0"),
        ("momentum", 1.0, r"a number in \[0, 1\)"),
        ("label_smoothing", -0.1, r"a number in \[0, 1\)"),
        ("class_weights", "even", "None or 'balanced'"),
        ("channels_last", "yes", "True, False or 'auto'"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(name: str, value: Any, expected: str) -> None:
    with pytest.raises(EvaluationError, match=f"recipe.{name} must be {expected}; got") as caught:
        Recipe.from_json({name: value})
    assert caught.value.status == "invalid"


@pytest.mark.parametrize("name", ["optimizer", "schedule"])
def test_a_word_of_another_type_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown recipe.{name} \['adam'\].*allowed"):
        Recipe.from_json({name: ["adam"]})


def test_what_is_no_recipe_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"a mapping of settings to values; got \[3\]"):
        Recipe.from_json([3])  # type: ignore[arg-type]


def test_a_device_without_meaning_is_refused() -> None:
    with pytest.raises(
        EvaluationError, match="must be a device such as 'cpu' or 'cuda'; got 'gpu'"
    ):
        Recipe(device="gpu").torch_device()


def test_a_device_that_is_not_there_is_the_machines_fault() -> None:
    name = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(EnvironmentProblem, match=r"this machine offers torch .* CUDA devices"):
        Recipe(device=name).torch_device()
