from __future__ import annotations

import sys

import numpy as np
import pytest

from archwright.errors import StoreError
from archwright.store import MemoryStore
from archwright.store.records import dumps, environment, loads
from archwright.testing.stored_studies import new_study


def test_numpy_scalars_become_numbers() -> None:
    value = {"a": np.float64(0.1), "b": np.float32(0.1), "c": np.int64(3), "d": np.bool_(True)}
    assert loads(dumps(value, "x")) == {"a": 0.1, "b": float(np.float32(0.1)), "c": 3, "d": True}


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(2), {"a": b"x"}])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(StoreError, match=r"the thing cannot be written as JSON: \w+ is not a JSON"):
        dumps(value, "the thing")


def test_environment_names_what_results_depend_on() -> None:
    found = environment()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["numpy"] == np.__version__
    assert loads(dumps(found, "environment")) == found


def test_environment_can_be_given() -> None:
    store = MemoryStore()
    study = new_study(store)
    other = store.create_study("b", space=study.space, spec={}, seed=0, environment={"python": "9"})
    assert other.environment == {"python": "9"}


def test_space_is_rebuilt_once() -> None:
    store = MemoryStore()
    study = new_study(store)
    study.bound.clear()
    assert study.space is study.space
    assert study.space.fingerprint == study.bound[0].fingerprint
