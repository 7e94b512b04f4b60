"""Data: read from wherever they are, checked, split in three, and turned into tensors.

Two nouns: a `Dataset` has a `Split` for training, one for validation and one for the test, all
on one device; its `Preprocessing` knows the way from the user's columns or images to the tensors,
and back from a network's outputs to class names and units.

    from archwright.data import check, load

    for problem in check("people.csv", target="income"):
        print(problem)                              # place, what is wrong, what to do
    dataset = load("people.csv", target="income")   # or "digits", arrays, images, ...
    dataset.train.inputs                            # (rows, features) float32
"""

from archwright.data.dataset import Dataset
from archwright.data.loading import check, load
from archwright.data.options import LoadOptions
from archwright.data.preprocessing import Preprocessing
from archwright.data.raw import Category, Places, RawData, Table
from archwright.data.records import Problem, Split, Task, in_rows
from archwright.data.sources import DATASETS

__all__ = [
    "DATASETS",
    "Category",
    "Dataset",
    "LoadOptions",
    "Places",
    "Preprocessing",
    "Problem",
    "RawData",
    "Split",
    "Table",
    "Task",
    "check",
    "in_rows",
    "load",
]
