"""Emoji: 1,906 Twemoji drawings and their CLDR names, nine categories. Bundled.

Modalities: `picture` (1280,), EfficientNet-lite0 (ImageNet) features of the drawing; `name` (384,), MiniLM sentence
embedding of the name. Classes: the emojibase groups (CLDR's). Split: 60 % train, 40 % test, stratified, fixed seed.
Licences: see NOTICE.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.bundles import load_bundle
from crossdistill.datasets.releases import named, release_arrays, texts
from crossdistill.extras import needed_for

GROUPS = (
    "smileys & emotion",
    "people & body",
    "animals & nature",
    "food & drink",
    "travel & places",
    "activities",
    "objects",
    "symbols",
    "flags",
)
"""Class names in the order of the release's `y`, which is emojibase's without its group 2 (skin tones)."""

_TEST_FRACTION = 0.4
_SPLIT_SEED = 0


def load() -> MultimodalDataset:
    """The bundled data set, with the 64×64 drawings as `pictures` and the names as `captions`."""
    return replace(load_bundle("emoji"), licence="CC-BY-4.0 (pictures), Unicode-3.0 (names), MIT (categories)")


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from emoji.npz, or the folder that holds it; returns `output`. Raises InputError."""
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from emoji.npz, or the folder that holds it. Raises InputError."""
    keys = ("efficientnet_lite0", "minilm_name", "y", "hex", "text", "twitter")
    arrays = release_arrays(source, "emoji.npz", keys)
    groups = named(arrays["y"], GROUPS, "emoji.npz: y")
    is_test = np.zeros(len(arrays["y"]), dtype=np.bool_)
    with needed_for("the split of emoji.npz"):
        from sklearn.model_selection import train_test_split

    _, test = train_test_split(
        np.arange(len(is_test)), test_size=_TEST_FRACTION, random_state=_SPLIT_SEED, stratify=arrays["y"]
    )
    is_test[test] = True
    return from_arrays(
        {
            "picture": arrays["efficientnet_lite0"].astype(np.float16),
            "name": arrays["minilm_name"].astype(np.float16),
        },
        groups,
        splits=is_test,
        ids=texts(arrays["hex"], "emoji.npz: hex"),
        pictures=arrays["twitter"],
        captions=[text.split(" : ")[0] for text in texts(arrays["text"], "emoji.npz: text")],
        name="emoji",
    )
