"""Kinds of encoders in recipes: what goes into each, from what weights, and what is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.columns import ArrayColumn
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import RNN, Cnn14, DenseNet, Features, R2Plus1D, Standardized
from crossdistill.encoders.make import resolved
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.check import check
from crossdistill.recipes.files import load_recipe, to_yaml
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.runs.build import build
from crossdistill.runs.run import load_trained, run
from crossdistill.training import Machine, Optimization
from crossdistill.types import InputError
from tests.saved import model_state

CLASSES, SAMPLES = 2, 12
R2PLUS1D = EncoderSettings("r2plus1d", {"blocks": [1, 1, 1, 1], "channels": 2})
CNN14 = EncoderSettings("cnn14", {"width": 8, "channels": 2})


def with_settings(encoder: EncoderSettings, **changes: Any) -> EncoderSettings:
    return replace(encoder, settings={**encoder.settings, **changes})


def clips() -> MultimodalDataset:
    """`video` (3, 4, 16, 16), `sound` (T_i, 1) at 32 kHz and `words` (T_i, 1): brighter and louder in class 1."""
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % CLASSES
    video = [label + random.normal(size=(3, 4, 16, 16)) for label in labels]
    sound = [(0.01 + 0.1 * label) * random.normal(size=(random.integers(2000, 11_000), 1)) for label in labels]
    words = [random.integers(3, 20, size=(random.integers(1, 7), 1)) for _ in labels]
    picture = [label + random.normal(size=(3, 32, 32)) for label in labels]
    splits = ["train"] * 8 + ["test"] * 4
    modalities = {"video": video, "sound": sound, "words": words, "picture": picture}
    return from_arrays(modalities, labels, splits=splits, name="clips")


def recipe(**encoders: EncoderSettings) -> Recipe:
    names = tuple(encoders)
    return Recipe(
        method="amid",
        epochs=2,
        auxiliary_epochs=1,
        batch_size=4,
        data=DataSettings("clips", names[:1], names[1:]),
        model=ModelSettings(width=8, encoders=encoders),
        optimization=Optimization(learning_rate=1e-3),
        machine=Machine(accelerator="cpu"),
        options={"amid": {"warmup_epochs": 1, "reduction": "mean"}},
    )


def test_raw_media_go_in_as_they_are_and_features_in_standard_units() -> None:
    made = recipe(video=R2PLUS1D, sound=CNN14, picture=EncoderSettings("densenet121"), words=EncoderSettings("rnn"))
    encoders = build(made, clips()).model.encoders
    kinds = {name: type(encoder) for name, encoder in encoders.items()}
    assert kinds == {"video": R2Plus1D, "sound": Cnn14, "picture": DenseNet, "words": Standardized}


def test_cnn14_takes_its_own_vectors_as_features() -> None:
    vectors = np.random.default_rng(0).normal(size=(SAMPLES, 8))
    data = clips()
    data = replace(data, columns=data.columns | {"vectors": ArrayColumn(vectors)})
    made = recipe(video=R2PLUS1D, vectors=replace(CNN14, weights="not read", frozen=True))
    encoder = build(made, data).model.encoders["vectors"]
    assert isinstance(encoder, Standardized)
    assert isinstance(encoder.encoder, Features)
    assert encoder.width == 8
    assert isinstance(
        build(
            recipe(video=R2PLUS1D, vectors=replace(CNN14, settings={"width": 9, "channels": 2})), data
        ).model.encoders["vectors"],
        Cnn14,
    )


def test_settings_reach_the_encoders() -> None:
    rnn = EncoderSettings("rnn", {"width": 7, "hidden": 5, "cell": "lstm", "bidirectional": False, "pooling": "max"})
    made = recipe(video=with_settings(R2PLUS1D, midplanes="formula", activation="relu"), sound=CNN14, words=rnn)
    encoders = build(made, clips()).model.encoders
    assert sum(isinstance(module, torch.nn.ReLU) for module in encoders["video"].modules()) == 2 + 4 * 4 + 3
    assert encoders["video"].layer4[0].conv2[0][0].out_channels == 2 * 27 * 16 * 16 // (2 * 12 * 16)  # type: ignore
    assert encoders["sound"].width == 8
    recurrent = encoders["words"].encoder
    assert isinstance(recurrent, RNN)
    assert isinstance(recurrent.recurrent, torch.nn.LSTM)
    assert recurrent.project[1].in_features == 5  # one direction, one pooling


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (EncoderSettings("cnn14"), "leaky_relu"),
        (EncoderSettings("cnn14", weights="w"), "leaky_relu"),
        (EncoderSettings("cnn14", weights="w", frozen=True), "relu"),
        (EncoderSettings("cnn14", {"activation": "leaky_relu"}, weights="w", frozen=True), "leaky_relu"),
        (EncoderSettings("cnn14", {"activation": "relu"}), "relu"),
    ],
)
def test_weights_that_stay_keep_their_activation(settings: EncoderSettings, expected: str) -> None:
    resolved_settings = resolved("sound", InputSpec("array", (-1, 1)), settings)
    assert resolved_settings.settings["activation"] == expected


REFUSED = {
    "r2plus1d on sound": (
        {"sound": R2PLUS1D},
        r"sound: r2plus1d needs videos \(3, time, .*found samples of shape \(-1",
    ),
    "r2plus1d on pictures": ({"picture": R2PLUS1D}, r"r2plus1d needs videos .*found samples of shape \(3, 32, 32\)"),
    "cnn14 on video": ({"video": CNN14}, r"cnn14 needs waveforms .*found samples of shape \(3, 4, 16, 16\)"),
    "densenet121 on words": ({"words": EncoderSettings("densenet121")}, "densenet121 needs pictures"),
    "rnn on video": ({"video": EncoderSettings("rnn")}, r"rnn needs sequences \(time, features\)"),
    "centred sound": ({"sound": replace(CNN14, center=True)}, "center needs sequences"),
    "frozen, untrained": ({"video": replace(R2PLUS1D, frozen=True)}, "frozen: expected weights to start from"),
    "weights of a conv": ({"sound": EncoderSettings("conv", weights="w.pt")}, "conv has no published weights"),
    "no such file": ({"video": replace(R2PLUS1D, weights="no/w.pt")}, r"no/w\.pt: no such file of weights"),
    "no model": ({"words": EncoderSettings("pretrained")}, "pretrained needs a model's folder or its name on the hub"),
    "rnn's first token": (
        {"words": EncoderSettings("rnn", {"pooling": "cls"})},
        "words.settings.pooling: expected one of mean_max, mean, max, found .cls.",
    ),
    "words' maximum": (
        {"words": EncoderSettings("pretrained", {"pooling": "max"}, weights="w")},
        "words.settings.pooling: expected one of mean, cls, pooler, found .max.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_encoded_is_one_line(case: str) -> None:
    encoders, message = REFUSED[case]
    other = {"picture": EncoderSettings("mlp"), "words": EncoderSettings("rnn")}
    rest = {name: settings for name, settings in other.items() if name not in encoders}
    with pytest.raises(InputError, match=message) as caught:
        build(recipe(**encoders, **rest), clips())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 0}, "model.encoders.video.settings.channels: expected above 0, found 0"),
        ({"blocks": (1, 1, 1)}, "model.encoders.video.settings.blocks: expected 4 numbers, found 3"),
        ({"blocks": (1, 1, 0, 1)}, "model.encoders.video.settings.blocks: expected above 0, found 0"),
    ],
)
def test_impossible_numbers_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(recipe(video=with_settings(R2PLUS1D, **change), sound=CNN14))


def test_every_setting_goes_to_yaml_and_back(tmp_path: Path) -> None:
    odd = EncoderSettings("pretrained", {"pooling": "cls"}, True, "a/b: c", True)
    made = recipe(video=odd, sound=R2PLUS1D)
    (tmp_path / "recipe.yaml").write_text(to_yaml(made), encoding="utf-8")
    found = load_recipe(str(tmp_path / "recipe.yaml")).model.encoders
    assert found == {"video": odd, "sound": R2PLUS1D}


def weights_in(folder: Path) -> Path:
    torch.manual_seed(5)
    torch.save({"model": Cnn14(8, 2).state_dict()}, folder / "cnn14.pt")
    return folder / "cnn14.pt"


@pytest.mark.parametrize("frozen", [False, True])
def test_a_run_starts_from_published_weights_and_keeps_frozen_ones(frozen: bool, tmp_path: Path) -> None:
    path = weights_in(tmp_path)
    published = torch.load(path)["model"]
    made = recipe(video=R2PLUS1D, sound=replace(CNN14, weights=str(path), frozen=frozen))
    if frozen:
        made = replace(made, auxiliary_epochs=0)  # nothing to train before the method
    started = build(made, clips()).model.encoders["sound"].state_dict()
    assert all(torch.equal(started[key], published[key]) for key in published)
    run(made, tmp_path / "run", dataset=clips())
    stored = model_state(tmp_path / "run")
    kept = [torch.equal(stored[f"encoders.sound.{key}"], published[key]) for key in published]
    assert all(kept) == frozen


def test_weights_that_are_not_frozen_need_epochs(tmp_path: Path) -> None:
    made = replace(recipe(video=R2PLUS1D, sound=replace(CNN14, weights=str(weights_in(tmp_path)))), auxiliary_epochs=0)
    with pytest.raises(InputError, match="give them epochs, set frozen where one has weights, or set"):
        run(made, tmp_path / "run", dataset=clips())


def test_a_finished_run_does_not_need_the_published_weights_again(tmp_path: Path) -> None:
    path = weights_in(tmp_path)
    made = recipe(video=R2PLUS1D, sound=replace(CNN14, weights=str(path), frozen=True))
    run(replace(made, auxiliary_epochs=0), tmp_path / "run", dataset=clips())
    path.unlink()
    built = load_trained(tmp_path / "run", clips())
    assert any(p.requires_grad for p in built.model.parameters())


def test_words_through_a_model_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    bert = EncoderSettings("pretrained", weights=str(tmp_path / "bert"), frozen=True)
    made = replace(recipe(video=R2PLUS1D, words=bert), auxiliary_epochs=0)
    run(made, tmp_path / "run", dataset=clips())
    stored = model_state(tmp_path / "run")
    published = transformers.AutoModel.from_pretrained(tmp_path / "bert").state_dict()
    assert all(torch.equal(stored[f"encoders.words.model.{key}"], published[key]) for key in published)
    with pytest.raises(
        InputError, match=r"words needs token ids \(time,\) or \(time, 1\), found samples of shape \(3, 32"
    ):
        build(recipe(video=R2PLUS1D, picture=bert), clips())
