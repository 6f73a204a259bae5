"""Recipes that come with the library: one typed function per data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.training import Optimization


def stage_epochs(epochs: int) -> dict[str, Mapping[str, int]]:
    """Options of the methods with first stages, or weights that rise: which shares of the run's epochs these take."""
    hint_epochs = min(max(1, epochs // 4), epochs - 1)
    return {
        "fitnets": {"hint_epochs": hint_epochs, "anneal_epochs": epochs - hint_epochs},
        "mst": {"cooperation_epochs": max(1, epochs // 3), "mask_epochs": max(1, epochs // 6)},
        "dkd": {"warmup_epochs": epochs // 12},  # 20 of 240, as published
    }


def amid_options(epochs: int, width: int) -> dict[str, Mapping[str, Any]]:
    """Options of AMID and its relatives that tuning starts from: weights that suit Eq. 8's sums in batches with some
    ten samples of a class, for class means ten times as large, and a warm-up over a fifth of the run's epochs."""
    warmup = {"warmup_epochs": epochs // 5}
    shared = {"alpha_3": 0.1, **warmup, "discriminator_width": width}
    return {
        "mi": {"alpha_1": 0.1, **warmup},
        "amid": {"alpha_1": 0.1, "alpha_2": 0.04, **shared},
        "amid_class_means": {"alpha_1": 1.0, "alpha_2": 0.4, **shared},
    }


def emoji() -> Recipe:
    """Recognise an emoji's category from its picture alone, trained with its name (9 classes, bundled).

    `crossdistill train emoji --method amid`. Settings of the methods that `catalogue.TUNED` names: the best of eight
    trials on validation samples, averaged over three splits (`crossdistill tune emoji --methods all --trials 8`).
    """
    return Recipe(
        name="emoji",
        epochs=30,
        batch_size=128,
        data=DataSettings("emoji", ("picture",), ("name",)),
        model=ModelSettings(
            width=256,
            dropout=0.25,
            encoders={
                "picture": EncoderSettings("mlp", {"width": 256, "layers": 2, "hidden": 512, "dropout": 0.25}),
                "name": EncoderSettings("features"),
            },
        ),
        options={
            **stage_epochs(30),
            "kd": {"temperature": 10.0, "soft_weight": 0.585},
            "fitnets": {**stage_epochs(30)["fitnets"], "soft_weight": 15.9, "temperature": 3.0, "hint_weight": 10.0},
            "rkd": {"distance_weight": 31.3, "angle_weight": 135.0},
            "cmc": {"weight": 0.169, "temperature": 0.05},
            "crcd": {"feature_weight": 0.0159, "gradient_weight": 0.0111, "temperature": 0.2},
            "gmc": {"contrast_weight": 1.9, "temperature": 0.2},
            "c2kd": {"threshold": -1.0, "unimodal_weight": 7.1, "crossmodal_weight": 0.139},
            **amid_options(30, 256),
        },
    )


def watch(epochs: int = 15) -> Recipe:
    """Recognise a shoulder exercise from a wristwatch's gyroscope alone, trained with its accelerometer (7 classes,
    subjects split; bundled).

    `crossdistill train watch --method amid_u --data.labelled_groups 1`: one of six people labelled. Encoder, learning
    rate and epochs were chosen on training subjects. The demonstration takes 8 epochs, so that it takes minutes: on
    validation samples AMID-U's gain is then as large (13.3 points, 13.8 after 15; six draws of who is labelled). Fewer
    would cost some of it: 7.8 points after 6 and 6.0 after 5, 10.7 after 8 (eight other draws).
    """
    encoder = EncoderSettings("signal", {"width": 64, "layers": 3, "hidden": 16, "dropout": 0.25})
    return Recipe(
        name="watch",
        epochs=epochs,
        batch_size=64,
        data=DataSettings("watch", ("gyroscope",), ("accelerometer",)),
        model=ModelSettings(
            width=64,
            dropout=0.25,
            encoders={"gyroscope": encoder, "accelerometer": encoder},
            auxiliary_encoders="trained",
        ),
        optimization=Optimization(learning_rate=2e-3),
        options={**stage_epochs(epochs), **amid_options(epochs, 64)},
    )


def avletters() -> Recipe:
    """Read a spoken letter from the lips alone, trained with its sound (26 letters, repetition 3 is tested).

    `crossdistill prepare avletters --source DIR`, then `crossdistill train avletters --method amid`; `--data.fold K`
    leaves speaker K out instead. Settings: the best on validation samples, averaged over three splits, of 16 trials for
    the baseline (learning rate, weight decay, dropout) and 7 for `amid_class_means` (`crossdistill tune`).
    """
    settings = {"width": 128, "layers": 2, "hidden": 512, "dropout": 0.5, "steps": 12}
    encoder = EncoderSettings("mlp", settings, center=True)
    return Recipe(
        name="avletters",
        epochs=60,
        batch_size=64,
        data=DataSettings("data/avletters", ("lips",), ("audio",), allow_shared_groups=True),  # the paper's protocol
        model=ModelSettings(
            width=128,
            encoders={"lips": encoder, "audio": encoder},
            auxiliary_encoders="trained",
        ),
        optimization=Optimization(learning_rate=3.9e-3, weight_decay=0.14, discriminator_learning_rate=7.5e-5),
        options={
            **stage_epochs(60),
            **amid_options(60, 128),
            "amid_class_means": {
                "alpha_1": 1.72,
                "alpha_2": 0.838,
                "alpha_3": 0.171,
                "temperature": 0.1,
                "warmup_epochs": 12,
                "discriminator_width": 128,
            },
        },
    )


def utd_mhad() -> Recipe:
    """Recognise an action from a wrist's inertial sensor alone, trained with the camera's skeleton (27 actions,
    subjects split).

    `crossdistill prepare utd_mhad --source DIR`, then `crossdistill train utd_mhad --method amid`. Where a person
    stands and how the sensor is worn say little of the action, so each recording is centred on its own mean: on
    held-out training subjects, with one labelled, that took the student alone from 63 to 74 % and, for the skeleton,
    the teacher from 40 to 80 % (two draws).
    """
    encoder = EncoderSettings("conv", {"width": 128, "layers": 3, "hidden": 64, "dropout": 0.25}, center=True)
    return Recipe(
        name="utd_mhad",
        epochs=60,
        batch_size=64,
        data=DataSettings("data/utd_mhad", ("inertial",), ("skeleton",)),
        model=ModelSettings(
            width=128,
            dropout=0.25,
            encoders={"inertial": encoder, "skeleton": encoder},
            auxiliary_encoders="trained",
        ),
        options={**stage_epochs(60), **amid_options(60, 128)},
    )


def mosi() -> Recipe:
    """Tell positive from negative opinions by voice and face, trained with the words (2 classes, official split).

    `crossdistill prepare mosi --source DIR`, then `crossdistill train mosi --method amid`
    """
    encoder = EncoderSettings("mlp", {"width": 128, "layers": 2, "hidden": 128, "dropout": 0.5})
    return Recipe(
        name="mosi",
        epochs=20,
        batch_size=64,
        data=DataSettings("data/mosi", ("audio", "video"), ("text",)),
        model=ModelSettings(
            width=128,
            dropout=0.5,
            encoders={"audio": encoder, "video": encoder, "text": EncoderSettings("features")},
        ),
        optimization=Optimization(learning_rate=3e-4, weight_decay=0.1),
        options={**stage_epochs(20), **amid_options(20, 128)},
    )


def own(target: tuple[str, ...] = ("target",), auxiliary: tuple[str, ...] = ("auxiliary",)) -> Recipe:
    """A start for data of your own: encoders by the shape of each modality, all trained together, by AMID-U, which is
    for few labels: where all samples have theirs its student learns alone, and a warning says so.

    `crossdistill train own --data.source MANIFEST --data.target wrist --data.auxiliary camera,voice`

    Args:
        target: names of the modalities that prediction has
        auxiliary: names of those that training alone has

    >>> from crossdistill import own
    >>> recipe = own(target=("wrist",), auxiliary=("camera", "voice"))
    >>> recipe.data.auxiliary, recipe.method, recipe.epochs
    (('camera', 'voice'), 'amid_u', 40)
    """
    return Recipe(
        name="own",
        method="amid_u",
        epochs=40,
        batch_size=64,
        data=DataSettings("data/own", target, auxiliary),
        model=ModelSettings(width=128, dropout=0.25, auxiliary_encoders="trained"),
        options={**stage_epochs(40), **amid_options(40, 128)},
    )
