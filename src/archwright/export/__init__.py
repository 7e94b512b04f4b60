"""Trained networks leave the house, and come back in: as data, never as code.

A `Model` is a network with its preprocessing; it is saved as a folder of weights (safetensors)
and facts (JSON), and predicts in the user's terms. `EXPORTERS` holds the formats by name.

    save_model("best", network=network, architecture=architecture,
               input_shape=data.input_shape, task=data.task, preprocessing=data.preprocessing)
    model = load_model("best")
    model.predict("new.csv")                              # class names, or numbers in their unit
    predict_file("best", "new.csv", "predictions.csv")
"""

from archwright.export.formats import EXPORTERS, Exporter, export
from archwright.export.model import Model, load_model, save_model
from archwright.export.prediction import predict_file, prediction_frame

__all__ = [
    "EXPORTERS",
    "Exporter",
    "Model",
    "export",
    "load_model",
    "predict_file",
    "prediction_frame",
    "save_model",
]
