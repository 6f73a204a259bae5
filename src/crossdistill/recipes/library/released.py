"""Recipes for further protocols and targets of released data sets, and for sets of ready-made features."""

from __future__ import annotations

from dataclasses import replace

from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.library.bundled import amid_options, avletters, stage_epochs, utd_mhad
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe

_VECTORS = EncoderSettings("mlp", {"width": 128, "layers": 2, "hidden": 128, "dropout": 0.25})


def avletters_speakers() -> Recipe:
    """Read a spoken letter from the lips of speakers whom training never saw, trained with sound (26 letters, 7 + 3
    speakers).

    `crossdistill prepare avletters --protocol speakers --source DIR`, then `crossdistill train avletters_speakers
    --method amid`. The settings are those of `avletters`, which were chosen with all speakers in training.
    """
    made = avletters()
    return replace(
        made,
        name="avletters_speakers",
        data=replace(made.data, source="data/avletters_speakers", allow_shared_groups=False),
    )


def utd_mhad_depth() -> Recipe:
    """Recognise an action from a map of the motion in a depth video, trained with a wrist's inertial sensor and the
    skeleton (27 actions, subjects split).

    `crossdistill prepare utd_mhad --source DIR`, with Depth.zip in DIR, then `crossdistill train utd_mhad_depth
    --method amid`
    """
    made = vectors("utd_mhad_depth", "data/utd_mhad", ("depth_motion",), ("inertial", "skeleton"), epochs=100)
    sequences = {name: utd_mhad().model.encoders[name] for name in made.data.auxiliary}
    return replace(made, model=replace(made.model, encoders={**made.model.encoders, **sequences}))


def mfeat() -> Recipe:
    """Recognise a handwritten digit from Fourier coefficients of its shape, trained with profile correlations (10
    classes).

    `crossdistill prepare mfeat --source DIR`, then `crossdistill train mfeat --method amid`
    """
    return vectors("mfeat", "data/mfeat", ("fou",), ("fac",), epochs=50)


def mfeat_zernike() -> Recipe:
    """Recognise a handwritten digit from its Zernike moments, trained with pixel averages and profile correlations (10
    classes).

    `crossdistill prepare mfeat --source DIR`, then `crossdistill train mfeat_zernike --method amid`
    """
    return vectors("mfeat_zernike", "data/mfeat", ("zer",), ("pix", "fac"), epochs=50)


def leaves() -> Recipe:
    """Recognise a plant from the texture of its leaf, trained with the leaf's margin and shape (100 species).

    `crossdistill prepare leaves --source DIR`, then `crossdistill train leaves --method amid`
    """
    return vectors("leaves", "data/leaves", ("texture",), ("margin", "shape"), epochs=60)


def stamps() -> Recipe:
    """Tell what a drawing belongs to (animals, food, ...), trained with a sentence spoken about it (6 classes).

    `crossdistill prepare stamps --source DIR`, the two commands that it prints, which decode all files and make
    spectrograms once, then `crossdistill train stamps --method amid_u --data.labelled 0.1`.
    """
    speech = {"width": 64, "channels": 8, "blocks": [1, 1, 1], "stride": 4, "dropout": 0.25}
    return _of_pictures("stamps", "speech", EncoderSettings("resnet", speech))


def stamps_words() -> Recipe:
    """Tell what a drawing belongs to, trained with the letters of the English sentence about it (6 classes).

    As `stamps`; then `crossdistill train stamps_words --method amid_u --data.labelled 0.1`.
    """
    words = EncoderSettings("mlp", {"width": 64, "layers": 2, "hidden": 64, "dropout": 0.25})
    return _of_pictures("stamps_words", "words", words)


def _of_pictures(name: str, auxiliary: str, encoder: EncoderSettings, epochs: int = 25) -> Recipe:
    """Pictures of 48 pixels; untuned, for a CPU: in a set of this size, the epochs come to 325 steps."""
    picture = EncoderSettings("resnet", {"width": 64, "channels": 16, "blocks": [1, 1, 1], "dropout": 0.25})
    small = ReaderSettings(size=48, resize=54, least_area=0.5)
    return Recipe(
        name=name,
        epochs=epochs,
        batch_size=32,
        data=DataSettings(
            "data/stamps/spectrograms.csv",
            ("picture",),
            (auxiliary,),
            readers={"picture": small},
            allow_outside=True,
        ),
        model=ModelSettings(
            width=64,
            dropout=0.25,
            encoders={"picture": picture, auxiliary: encoder},
            auxiliary_encoders="trained",
        ),
        options={**stage_epochs(epochs), **amid_options(epochs, 64)},
    )


def vectors(name: str, source: str, target: tuple[str, ...], auxiliary: tuple[str, ...], epochs: int) -> Recipe:
    """A small perceptron for each modality, all trained together; untuned. In sets of this size, the epochs come to 600
    to 750 steps."""
    return Recipe(
        name=name,
        epochs=epochs,
        batch_size=64,
        data=DataSettings(source, target, auxiliary),
        model=ModelSettings(
            width=128,
            dropout=0.25,
            encoders=dict.fromkeys((*target, *auxiliary), _VECTORS),
            auxiliary_encoders="trained",
        ),
        options={**stage_epochs(epochs), **amid_options(epochs, 128)},
    )
