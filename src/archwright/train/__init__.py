"""Training: a recipe and a network in, a trained network and its metrics out.

Nouns: a `Recipe` says how, a `Fitted` is what came of it. This room knows modules and tensors,
never architectures. A population of small networks is trained together, each with results equal
to training it alone.

    recipe = Recipe(epochs=5, learning_rate=1e-3)
    fitted = fit(network, data.train, data.validation, recipe, task=data.task, seed=0)
    fitted.metrics["val_accuracy"]

    for one in fit_many(networks, data.train, data.validation, recipe, task=data.task, seeds=seeds):
        ...  # a Fitted, or the exception that ended this one
    measure(fitted.network, data.validation, task=data.task)
"""

from __future__ import annotations

from archwright.train.defaults import recipe_for
from archwright.train.metrics import measure
from archwright.train.population import fit_many
from archwright.train.recipe import Recipe
from archwright.train.single import fit
from archwright.train.training import Fitted

__all__ = ["Fitted", "Recipe", "fit", "fit_many", "measure", "recipe_for"]
