from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from archwright.data.pixel_inputs import PixelInputs


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int32])
def test_training_rows_have_mean_zero_and_deviation_one(dtype):
    values = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 4)).astype(dtype)
    rows = np.arange(0, 40, 2)
    inputs = PixelInputs.fit(values, rows)
    out = inputs.transform(values, rows)
    assert out.shape == (20, 3, 5, 4)
    assert out.dtype == torch.float32
    assert out.is_contiguous()
    assert out.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (out.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_bytes_are_told_in_units_of_one():
    values = np.full((4, 1, 2, 2), 51, dtype=np.uint8)
    values[0] = 102
    inputs = PixelInputs.fit(values, np.arange(4))
    assert inputs.divisor == 255
    assert inputs.mean[0] == pytest.approx(0.25)


def test_moments_equal_those_of_numpy_over_several_chunks(monkeypatch):
    monkeypatch.setattr("archwright.data.pixel_inputs._CHUNK", 50)
    values = np.random.default_rng(0).integers(0, 256, (30, 2, 4, 4), dtype=np.uint8)
    rows = np.arange(5, 30)
    for given in (values, values.astype(np.float32)):
        inputs = PixelInputs.fit(given, rows)
        expected = values[rows] / inputs.divisor
        assert np.allclose(inputs.mean, expected.mean(axis=(0, 2, 3)))
        assert np.allclose(inputs.scale, expected.std(axis=(0, 2, 3)))


def test_source_is_left_alone():
    values = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    before = values.copy()
    inputs = PixelInputs.fit(values, np.arange(3))
    inputs.transform(values)
    inputs.transform(values, np.arange(3))
    assert np.array_equal(values, before)


def test_read_only_bytes_are_accepted():
    values = np.frombuffer(bytes(range(16)), dtype=np.uint8).reshape(4, 1, 2, 2)
    assert PixelInputs.fit(values, np.arange(4)).transform(values).shape == (4, 1, 2, 2)


def test_channel_without_variation_stays_finite():
    values = np.zeros((4, 2, 2, 2), dtype=np.uint8)
    values[:, 1] = np.arange(4).reshape(4, 1, 1)
    out = PixelInputs.fit(values, np.arange(4)).transform(values)
    assert torch.isfinite(out).all()
    assert (out[:, 0] == 0).all()


def test_other_shapes_have_one_mean():
    values = np.random.default_rng(0).normal(3, 2, (20, 7)).astype(np.float32)
    inputs = PixelInputs.fit(values, np.arange(20))
    assert len(inputs.mean) == 1
    assert abs(inputs.transform(values).mean()) < 1e-6


def test_json_round_trip_gives_equal_bits():
    values = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 4), dtype=np.uint8)
    inputs = PixelInputs.fit(values, np.arange(30), mode="rgb")
    again = PixelInputs.from_json(json.loads(json.dumps(inputs.to_json())))
    assert again == inputs
    assert torch.equal(again.transform(values), inputs.transform(values))
