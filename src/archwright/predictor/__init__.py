"""Predictors learn from finished trials what other architectures are worth.

A `Predictor` is arrays in, arrays out: codes of architectures `(architectures, slots)`, whatever
further features there are `(architectures, features)`, and values to learn, higher is better. It
predicts a mean and a spread, from which a strategy draws what to try next. `PREDICTORS` holds the
names that users type, `make_predictor` builds one.

    predictor = make_predictor("forest", space, seed=0)
    predictor.fit(codes, features, values)
    mean, spread = predictor.predict(other_codes, other_features)
"""

from archwright.predictor.catalog import PREDICTORS, make_predictor
from archwright.predictor.predictor import Predictor
from archwright.predictor.rank_gauss import RankGauss

__all__ = ["PREDICTORS", "Predictor", "RankGauss", "make_predictor"]
