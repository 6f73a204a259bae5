"""What a cross-fitted teacher makes of a recipe: that of each fold's teachers, and that of the student they teach."""

from __future__ import annotations

from dataclasses import replace

from crossdistill.recipes.recipe import DataSettings, Recipe, as_method

CROSS_FITTED = "cross_fitted"
"""The value of `model.teacher`."""

OUTPUTS = "teacher_outputs"
"""What the modality of its outputs is called."""


def is_cross_fitted(recipe: Recipe) -> bool:
    return recipe.model.teacher == CROSS_FITTED


def taught(recipe: Recipe) -> Recipe:
    """What the model is built from: of a cross-fitted teacher the outputs, given, in place of the auxiliary modalities;
    any other recipe as it is."""
    if not is_cross_fitted(recipe):
        return recipe
    target = recipe.data.target
    readers = {name: reader for name, reader in recipe.data.readers.items() if name in target}
    encoders = {name: settings for name, settings in recipe.model.encoders.items() if name in target}
    return replace(
        recipe,
        data=replace(recipe.data, auxiliary=(OUTPUTS,), readers=readers),
        model=replace(recipe.model, teacher="given", encoders=encoders),
    )


def of_fold(recipe: Recipe, fold: int, member: int) -> Recipe:
    """The recipe of one of a fold's teachers, for data that have their split, labels, weights and control
    already."""
    return replace(
        as_method(recipe, "teacher"),
        label=f"teacher {member}, fold {fold}",
        seed=recipe.seed * recipe.model.ensemble + member,
        data=_as_given(recipe.data),
        model=replace(recipe.model, teacher="by_method"),
    )


def _as_given(settings: DataSettings) -> DataSettings:
    return replace(
        settings,
        fold=-1,
        control="none",
        labelled=1.0,
        labelled_groups=0,
        evaluate_on="none",
        choose_epoch_on="none",
        balanced=False,
        class_weights={},
    )
