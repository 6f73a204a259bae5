"""Recipes that come with the library: one typed function per data set."""

from __future__ import annotations

from collections.abc import Callable

from crossdistill.recipes.recipe import DataSettings, EncoderSettings, ModelSettings, Recipe
from crossdistill.training import Optimization


def emoji() -> Recipe:
    """Recognise an emoji's category from its picture alone, trained with its name (9 classes, bundled).

    `crossdistill train emoji --method amid`
    """
    return Recipe(
        name="emoji",
        epochs=30,
        batch_size=128,
        data=DataSettings("emoji", ("picture",), ("name",)),
        model=ModelSettings(
            width=256,
            dropout=0.5,
            encoders={
                "picture": EncoderSettings("mlp", width=256, layers=2, hidden=512, dropout=0.5),
                "name": EncoderSettings("features"),
            },
        ),
        optimization=Optimization(learning_rate=1e-3, weight_decay=1e-2),
        options={
            "mi": {"reduction": "mean", "warmup_epochs": 5},
            "amid": {"reduction": "mean", "warmup_epochs": 5},
        },
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "emoji": emoji,
}
