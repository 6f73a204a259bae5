"""What a training step is measured on: bundled recipes, and made-up samples for encoders that no bundled recipe has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.library.bundled import amid_options, emoji, own, stage_epochs, watch
from crossdistill.recipes.recipe import ModelSettings, Recipe
from crossdistill.runs.data import build_dataset

_EPOCHS = 30


class Problem(NamedTuple):
    """A recipe, its data, and how many samples a step takes."""

    recipe: Recipe
    dataset: MultimodalDataset
    batch: int


def with_all_terms(recipe: Recipe, method: str) -> Recipe:
    """The recipe with this method, all of whose terms are there although all samples have labels: they are what takes
    time and memory."""
    unfaded = {"amid_u": {**recipe.options.get("amid_u", {}), "fading": False}}
    return replace(recipe, method=method, options={**recipe.options, **unfaded})


def bundled(recipe: Recipe) -> Problem:
    return Problem(recipe, build_dataset(recipe.data), 128)


def gru() -> Problem:
    """Sequences of lips and sound as long as AVLetters' are, 26 classes: two bidirectional layers of 64 units."""
    random, samples = np.random.default_rng(0), 256
    frames = random.integers(12, 41, samples)
    lips = [random.normal(size=(steps, 80)) for steps in frames]
    audio = [random.normal(size=(2 * steps, 26)) for steps in frames]
    encoder = EncoderSettings("rnn", {"width": 128, "hidden": 64, "layers": 2, "dropout": 0.25})
    return _made_up("gru", {"lips": lips, "audio": audio}, 26, dict.fromkeys(("lips", "audio"), encoder), 32)


def r2plus1d() -> Problem:
    """Clips of 8 frames of 16 x 16, 10 classes: R(2+1)D-18 with an eighth of its channels, beside features of sound."""
    random, samples = np.random.default_rng(0), 64
    modalities = {
        "clip": random.normal(size=(samples, 3, 8, 16, 16)),
        "sound": random.normal(size=(samples, 128)),
    }
    encoders = {"clip": EncoderSettings("r2plus1d", {"channels": 8}), "sound": EncoderSettings("features")}
    return _made_up("r2plus1d", modalities, 10, encoders, 16)


def _made_up(
    name: str, modalities: dict[str, object], classes: int, encoders: dict[str, EncoderSettings], batch: int
) -> Problem:
    target, auxiliary = modalities
    labels = np.arange(len(modalities[target])) % classes  # type: ignore[arg-type]
    dataset = from_arrays(modalities, labels, splits=np.arange(len(labels)) >= 3 * len(labels) // 4, name=name)
    recipe = replace(
        own((target,), (auxiliary,)),
        name=name,
        epochs=_EPOCHS,
        model=ModelSettings(width=128, encoders=encoders, auxiliary_encoders="trained"),
        options={**stage_epochs(_EPOCHS), **amid_options(_EPOCHS, 128)},
    )
    return Problem(recipe, dataset, batch)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "emoji": lambda: bundled(emoji()),
    "watch": lambda: bundled(watch()),
    "gru": gru,
    "r2plus1d": r2plus1d,
}
