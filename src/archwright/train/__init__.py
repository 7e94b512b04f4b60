"""Training: a recipe and a network in, a trained network and its metrics out.

Nouns: a `Recipe` says how, a `Fitted` is what came of it. This room knows modules and tensors,
never architectures. A population of small networks is trained together, each with results equal
to training it alone.

    recipe = Recipe(epochs=5, learning_rate=1e-3)
    fitted = fit(network, data.train, data.validation, recipe, task=data.task, seed=0)
    fitted.metrics["val_accuracy"]

    for one in fit_many(networks, data.train, data.validation, recipe, task=data.task, seeds=seeds):
        ...  # a Fitted, or the exception that ended this one
    if stackable(networks[0], recipe, data.train.inputs):  # convolutional, of equal structure
        fit_stacked(networks, data.train, None, recipe, task=data.task, seeds=seeds)
    measure(fitted.network, data.validation, task=data.task)
"""

from __future__ import annotations

from archwright.train.defaults import recipe_for
from archwright.train.metrics import measure
from archwright.train.population import fit_many
from archwright.train.recipe import Recipe
from archwright.train.single import fit
from archwright.train.stacked import fit_stacked, stackable
from archwright.train.training import Fitted, threads

__all__ = [
    "Fitted",
    "Recipe",
    "fit",
    "fit_many",
    "fit_stacked",
    "measure",
    "recipe_for",
    "stackable",
    "threads",
]
