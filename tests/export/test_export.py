"""Models come back as they left, and what was damaged or is not a model is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from archwright import network as networks
from archwright.data import Dataset, Task, load
from archwright.errors import ArchwrightError, DataError, ExportError, UnknownNameError
from archwright.export import (
    EXPORTERS,
    Model,
    export,
    load_model,
    predict_file,
    prediction_frame,
    save_model,
)
from archwright.space import Choice, Integer, Space, space_named


def model_of(data: Dataset, space: Space, seed: int = 0) -> Model:
    """Return a model whose weights are random: training changes nothing of what is tested."""
    architecture = space.sample(rng=np.random.default_rng(seed))
    network = networks.build(architecture, data.input_shape, data.task.outputs, seed=seed)
    return Model(
        *(network, architecture, tuple(data.input_shape), data.task, data.preprocessing),
        {"val_accuracy": 0.5},
        {"seed": seed, "hashes": dict(data.hashes)},
    )


def save(model: Model, path: Path, **more: object) -> Path:
    return save_model(
        path,
        network=model.network,
        architecture=model.architecture,
        input_shape=model.input_shape,
        task=model.task,
        preprocessing=model.preprocessing,
        metrics=model.metrics,
        provenance=model.provenance,
        **more,
    )


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 120),
            "city": rng.choice(["Oslo", "Rome", "<b>Bonn</b>"], 120),
            "height": rng.normal(170, 10, 120).round(1),
        }
    )
    frame["rich"] = np.where(frame["age"] > 50, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def data(people: pd.DataFrame) -> Dataset:
    return load(people, target="rich", seed=0)


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    return model_of(data, space_named("mlp"))


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    return save(model, tmp_path / "best")


def test_a_model_comes_back_with_everything(model, folder, people) -> None:
    again = load_model(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    assert again.architecture == model.architecture
    assert again.architecture.key == model.architecture.key
    assert again.task == model.task
    assert again.input_shape == model.input_shape
    assert again.metrics == model.metrics
    assert again.provenance == model.provenance
    assert again.preprocessing == model.preprocessing
    assert torch.equal(again.outputs(people), model.outputs(people))
    assert not again.network.training


def test_normalisation_statistics_come_back(data, people, tmp_path) -> None:
    space = space_named("mlp", normalization=("batch",))
    model = model_of(data, space)
    model.network.train()
    model.network(torch.randn(64, *model.input_shape) + 3)
    again = load_model(save(model, tmp_path / "m"))
    assert torch.equal(again.outputs(people), model.outputs(people))


def test_answers_are_in_the_users_terms(model, people) -> None:
    answers = model.predict(people.drop(columns="rich"))
    chances = model.predict_proba(people)
    assert model.classes == ("no", "yes")
    assert answers.shape == (120,)
    assert set(answers) <= {"no", "yes"}
    assert np.allclose(chances.sum(axis=1), 1)
    assert (np.array(model.classes)[chances.argmax(axis=1)] == answers).all()


def test_batches_do_not_change_answers(model, people, monkeypatch) -> None:
    whole = model.outputs(people)
    monkeypatch.setattr("archwright.export.model._BATCH", 7)
    assert torch.allclose(model.outputs(people), whole, atol=1e-5)


def test_regression_answers_in_the_targets_own_unit(tmp_path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(80, 3))
    data = load((inputs, 5000 + 300 * inputs[:, 0]), task="regression", seed=0)
    model = load_model(save(model_of(data, space_named("mlp")), tmp_path / "m"))
    answers = model.predict(inputs)
    scale, mean = data.preprocessing.target_scale[0], data.preprocessing.target_mean[0]
    assert answers.shape == (80,)
    assert np.allclose(answers, model.outputs(inputs).numpy()[:, 0] * scale + mean)
    assert abs(answers.mean() - 5000) < 600
    assert model.classes == ()
    with pytest.raises(DataError, match="a regression model has no class probabilities"):
        model.predict_proba(inputs)
    assert list(prediction_frame(model, inputs).columns) == ["prediction"]


def test_several_targets_have_a_column_each(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=["a", "b", "up", "down"])
    data = load(frame, target=("up", "down"), seed=0)
    model = model_of(data, space_named("mlp"))
    shown = prediction_frame(model, frame)
    assert list(shown.columns) == ["prediction_up", "prediction_down"]
    assert np.allclose(shown.to_numpy(), model.predict(frame))


def test_without_preprocessing_tensors_are_taken_and_files_refused(data, tmp_path) -> None:
    space = space_named("mlp")
    architecture = space.sample(rng=np.random.default_rng(0))
    network = networks.build(architecture, (4,), 3, seed=0)
    path = tmp_path / "m"
    task = Task("classification", 3)
    save_model(path, network=network, architecture=architecture, input_shape=(4,), task=task)
    model = load_model(path)
    assert set(model.predict(torch.zeros(2, 4))) <= {"0", "1", "2"}
    assert model.outputs(torch.zeros(0, 4)).shape == (0, 3)
    with pytest.raises(DataError, match=r"shape \(rows, 4\); got \(2, 5\)"):
        model.predict(np.zeros((2, 5)))
    with pytest.raises(DataError, match="saved without preprocessing, so it cannot read files"):
        model.predict("new.csv")


# -- files in, tables out ---------------------------------------------------------------------


def test_predict_file_writes_one_row_for_each_row(model, folder, people, tmp_path) -> None:
    people.drop(columns="rich").to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "predictions.csv"
    frame = predict_file(folder, tmp_path / "new.csv", out)
    assert list(frame.columns) == ["prediction", "probability_no", "probability_yes"]
    assert (frame["prediction"] == model.predict(people)).all()
    written = pd.read_csv(out)
    assert list(written["prediction"]) == list(frame["prediction"])
    assert np.allclose(written["probability_yes"], frame["probability_yes"], atol=1e-6)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_predict_file_reads_as_told(folder, people, tmp_path) -> None:
    people.drop(columns="rich").to_csv(tmp_path / "new.csv", index=False, sep=";")
    assert len(predict_file(folder, tmp_path / "new.csv", delimiter=";")) == len(people)


def test_predict_file_names_missing_columns_and_writes_nothing(folder, people, tmp_path) -> None:
    people[["age"]].to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match="column 'city' is missing") as caught:
        predict_file(folder, tmp_path / "new.csv", tmp_path / "out.csv")
    assert any("'height' is missing" in problem for problem in caught.value.problems)
    assert not (tmp_path / "out.csv").exists()


def test_predict_file_says_when_it_cannot_write(folder, people, tmp_path) -> None:
    with pytest.raises(ExportError, match=r"out\.csv: the predictions cannot be written \(No such"):
        predict_file(folder, people, tmp_path / "absent" / "out.csv")


def test_images_are_named_in_the_table(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / "train" / kind).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / kind / f"{index}.png")
    data = load(tmp_path / "train", seed=0)
    model = load_model(save(model_of(data, space_named("cnn")), tmp_path / "m"))
    frame = predict_file(model, tmp_path / "train" / "dog")
    assert sorted(frame["file"]) == sorted(f"{index}.png" for index in range(12))
    assert set(frame["prediction"]) <= {"cat", "dog"}
    one = predict_file(model, tmp_path / "train" / "dog" / f"{frame['file'][3]}")
    assert one["probability_cat"][0] == pytest.approx(frame["probability_cat"][3], abs=1e-5)


# -- writing ----------------------------------------------------------------------------------


def test_only_a_model_is_overwritten_and_only_if_allowed(model, data, folder, tmp_path) -> None:
    with pytest.raises(ExportError, match="best holds a model already; choose another name"):
        save(model, folder)
    other = model_of(data, space_named("mlp"), seed=1)
    save(other, folder, overwrite=True)
    assert load_model(folder).architecture == other.architecture
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "summer.png").write_bytes(b"precious")
    with pytest.raises(ExportError, match="photos exists and is no model of archwright"):
        save(model, foreign, overwrite=True)
    assert (foreign / "summer.png").read_bytes() == b"precious"
    with pytest.raises(ExportError, match=r"summer\.png is a file; expected the name of a new"):
        save(model, foreign / "summer.png", overwrite=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert load_model(save(model, empty)).architecture == model.architecture


def test_a_failed_write_leaves_the_old_model_and_no_litter(model, folder, monkeypatch) -> None:
    before = (folder / "model.safetensors").read_bytes()
    broken = Model(**{**vars_of(model), "provenance": {"when": object()}})
    with pytest.raises(ExportError, match=r"model\.json: a fact cannot be written as JSON"):
        save(broken, folder, overwrite=True)
    infinite = Model(**{**vars_of(model), "metrics": {"loss": float("nan")}})
    with pytest.raises(ExportError, match=r"model\.json: a fact cannot be written as JSON"):
        save(infinite, folder, overwrite=True)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def vars_of(model: Model) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__dataclass_fields__}


def test_shared_weights_are_written(data, tmp_path) -> None:
    """Two names for one tensor, as in tied layers, which safetensors itself refuses."""
    model = model_of(data, space_named("mlp", normalization=("none",)))
    state = model.network.state_dict()
    assert len(state) >= 2
    shared = torch.nn.Linear(3, 3)
    tied = torch.nn.Sequential(shared, shared)

    def build(architecture: object, input_shape: object, outputs: int) -> torch.nn.Module:
        layer = torch.nn.Linear(3, 3)
        return torch.nn.Sequential(layer, layer)

    space = Space(n=Integer(1, 2), name="tied").bind(build)
    path = tmp_path / "tied"
    architecture = space.architecture({"n": 1})
    task = Task("classification", 3)
    save_model(path, network=tied, architecture=architecture, input_shape=(3,), task=task)
    again = load_model(path, space=space)
    inputs = torch.randn(5, 3)
    assert torch.equal(again.outputs(inputs), tied(inputs).detach())


# -- reading ----------------------------------------------------------------------------------


def edit(folder: Path, **changes: object) -> None:
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps(facts | changes), "utf-8")


def test_what_is_no_model_is_refused(folder, tmp_path) -> None:
    with pytest.raises(ExportError, match=r"absent is not a model: expected a folder with model"):
        load_model(tmp_path / "absent")
    (folder / "model.json").write_text("{")
    with pytest.raises(ExportError, match=r"model\.json is damaged: not JSON"):
        load_model(folder)
    (folder / "model.json").write_text('{"format": "other"}')
    with pytest.raises(ExportError, match=r"expected the format 'archwright-model'; got 'other'"):
        load_model(folder)
    (folder / "model.json").write_text("[1]")
    with pytest.raises(ExportError, match=r"expected the format 'archwright-model'; got \[1\]"):
        load_model(folder)


def test_another_format_version_is_refused(folder) -> None:
    edit(folder, version=99)
    with pytest.raises(ExportError, match=r"reads format version 1; got 99. Use the archwright"):
        load_model(folder)


def test_a_huge_description_is_not_even_read(folder, monkeypatch) -> None:
    monkeypatch.setattr("archwright.export._folder._MOST_FACTS", 100)
    with pytest.raises(ExportError, match=r"bytes; expected at most 100"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": None}, r"model\.json is damaged: 'task' is missing or no dict"),
        ({"weights": 3}, r"model\.json is damaged: 'weights' is missing or no dict"),
        ({"task": {"kind": "magic"}}, r"model\.json is damaged \("),
        ({"architecture": {"codes": [99] * 9}}, r"model\.json is damaged \("),
        ({"architecture": {}}, r"model\.json is damaged \(KeyError: 'codes'\)"),
        ({"preprocessing": {"inputs": 1}}, r"model\.json is damaged \(.*preprocessing"),
        ({"input_shape": ["x"]}, r"model\.json is damaged \(ValueError"),
        ({"input_shape": []}, r"model\.json is damaged: input shape \(\)"),
        ({"space": {"name": "mlp"}}, r"model\.json is damaged \(KeyError"),
    ],
)
def test_damaged_facts_are_refused(folder, changes, message) -> None:
    edit(folder, **changes)
    with pytest.raises(ExportError, match=message):
        load_model(folder)


def test_any_flipped_byte_of_the_weights_is_noticed(folder) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    for place in (0, 9, len(content) // 2, len(content) - 1):
        broken = content.copy()
        broken[place] ^= 1
        path.write_bytes(broken)
        with pytest.raises(ExportError, match=r"model\.safetensors is damaged: expected SHA-256"):
            load_model(folder)
    path.write_bytes(content[:-1])
    with pytest.raises(
        ExportError, match=rf"expected {len(content)} bytes, got {len(content) - 1}"
    ):
        load_model(folder)
    path.unlink()
    with pytest.raises(ExportError, match=r"model\.safetensors is missing; copy the whole folder"):
        load_model(folder)


def replace_weights(folder: Path, content: bytes) -> None:
    import hashlib

    (folder / "model.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(folder, weights={"size_bytes": len(content), "sha256": digest})


def test_pickles_are_never_loaded(folder) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("a pickle was executed",))

    replace_weights(folder, pickle.dumps(Trap()))
    with pytest.raises(ExportError, match="is no safetensors file"):
        load_model(folder)


def test_weights_of_another_network_are_refused(model, folder, data) -> None:
    from safetensors.torch import save as pack

    state = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    name = min(state)
    replace_weights(folder, pack(state | {name: torch.zeros(2, 2)}))
    with pytest.raises(ExportError, match=rf"'{name}' is .* there, float32 \(2, 2\) \(4 values\)"):
        load_model(folder)
    del state[name]
    replace_weights(folder, pack(state))
    with pytest.raises(ExportError, match=rf"'{name}' is .* there, absent in the file"):
        load_model(folder)


# -- spaces of the user's own -----------------------------------------------------------------

OWN = """
import torch
from archwright.space import Choice, Space

def build(architecture, input_shape, outputs):
    return torch.nn.Linear(input_shape[0], outputs, bias=architecture["bias"])

SPACE = Space(bias=Choice(True, False), name="own").bind(build)
OTHER = Space(bias=Choice(True, False, None), name="own").bind(build)
"""


def test_a_space_of_ones_own_has_to_be_given(data, people, tmp_path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    space = networks.load_space(f"{tmp_path / 'own.py'}:SPACE")
    model = model_of(data, space)
    folder = save(model, tmp_path / "m")
    with pytest.raises(ExportError, match=r"code of your own for the space 'own'.*file\.py:NAME"):
        load_model(folder)
    for given in (space, f"{tmp_path / 'own.py'}:SPACE"):
        assert torch.equal(load_model(folder, space=given).outputs(people), model.outputs(people))
    assert len(predict_file(folder, people, space=space)) == len(people)
    with pytest.raises(
        ExportError, match=r"made from the space 'own' with fingerprint .* as it was"
    ):
        load_model(folder, space=f"{tmp_path / 'own.py'}:OTHER")
    unbound = Space(bias=Choice(True, False), name="own")
    with pytest.raises(ExportError, match="its network cannot be built: nothing builds networks"):
        load_model(folder, space=unbound)


def test_an_own_builder_is_asked_for_even_under_a_known_name(data, tmp_path) -> None:
    def build(architecture: object, input_shape: tuple[int, ...], outputs: int) -> torch.nn.Module:
        return torch.nn.Linear(input_shape[0], outputs)

    space = space_named("mlp").bind(build)
    folder = save(model_of(data, space), tmp_path / "m")
    with pytest.raises(ExportError, match="code is never loaded from a model's folder"):
        load_model(folder)
    assert isinstance(load_model(folder, space=space).network, torch.nn.Linear)


# -- formats ----------------------------------------------------------------------------------


def test_formats_are_found_by_name(model, data, people, tmp_path) -> None:
    assert EXPORTERS.names() == ("archwright",)
    path = export(
        "archwright",
        tmp_path / "m",
        network=model.network,
        architecture=model.architecture,
        data=data,
        metrics={"val_accuracy": 0.5},
        provenance={"study": "s"},
    )
    again = load_model(path)
    assert again.provenance == {"study": "s"}
    assert (again.predict(people) == model.predict(people)).all()


def test_an_unknown_format_is_named_before_anything_is_written(model, data, tmp_path) -> None:
    with pytest.raises(UnknownNameError, match="unknown export format 'onxx'; allowed: archwright"):
        export(
            "onxx",
            tmp_path / "m",
            network=model.network,
            architecture=model.architecture,
            data=data,
        )
    assert issubclass(UnknownNameError, ArchwrightError)
    assert list(tmp_path.iterdir()) == []
