"""AMID with one thing changed: the rows of Tables 4 and 5, and the other points that the paper leaves open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from crossdistill.methods import MI
from crossdistill.recipes.files import options_in, options_of
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.recipes.variants.published import (
    FIXED_TEACHER,
    INSTANCES,
    L_MIS,
    NCE,
    NO_ADVERSARIAL,
    NO_D2,
    NO_DYNAMIC_WEIGHT,
    NO_WARMUP,
)
from crossdistill.types import TaskKind

SYMMETRIC_KL = "amid: symmetric KL"


def ablations(recipe: Recipe) -> dict[str, Recipe]:
    """Label -> recipe, each the recipe's AMID but for one thing. What cannot differ in this recipe is left out, and so
    is what has no meaning for its task.

    L_nce of Table 4 is [9]'s, CCL's class means, with the recipe's own weights for `amid_class_means`; the weights of
    all other rows are AMID's.
    """
    amid = options_in(recipe, "amid")

    def changed(**options: Any) -> Recipe:
        return replace(recipe, method="amid", options={**recipe.options, "amid": {**amid, **options}})

    def modelled(**settings: Any) -> Recipe:
        return replace(changed(), model=replace(recipe.model, **settings))

    shared = {name: value for name, value in amid.items() if name in options_of(MI)}
    rows = {
        L_MIS: replace(recipe, method="mi", options={**recipe.options, "mi": shared}),
        NO_ADVERSARIAL: changed(alpha_3=0.0),
        NCE: as_method(recipe, "amid_class_means"),
        INSTANCES: changed(contrast="nce"),
        FIXED_TEACHER: modelled(teacher="fixed"),
        NO_WARMUP: changed(warmup_epochs=0),
        NO_D2: changed(second_discriminator=False),
        NO_DYNAMIC_WEIGHT: changed(dynamic_weights=False),
        SYMMETRIC_KL: changed(divergence="symmetric_kl"),
        "amid: separate extractors": modelled(separate_teacher=not recipe.model.separate_teacher),
        **({"amid: sums": changed(reduction="sum")} if amid["reduction"] == "mean" else {}),
        **_other_auxiliary_encoders(recipe, modelled),
    }
    without = _LEFT_OUT.get(recipe.data.task, frozenset())
    return {
        label: replace(ablation, label=label, role="ablation", varied="")
        for label, ablation in rows.items()
        if label not in without
    }


_OF_CLASSES = frozenset({NCE, SYMMETRIC_KL})
_LEFT_OUT: Mapping[TaskKind, frozenset[str]] = {
    "multilabel": _OF_CLASSES,
    "regression": _OF_CLASSES | {NO_DYNAMIC_WEIGHT},  # the weights stay: no two samples are of one class
}


def _other_auxiliary_encoders(recipe: Recipe, modelled: Callable[..., Recipe]) -> dict[str, Recipe]:
    """Train auxiliary encoders where the recipe freezes them, and the reverse; nothing for ready-made features."""
    kinds = {recipe.model.encoders[name].kind for name in recipe.data.auxiliary if name in recipe.model.encoders}
    if kinds == {"features"}:
        return {}
    if recipe.model.auxiliary_encoders == "frozen":
        given = recipe.model.encoders
        released = {name: replace(given[name], frozen=False) for name in recipe.data.auxiliary if name in given}
        return {
            "amid: auxiliary encoders trained": modelled(auxiliary_encoders="trained", encoders={**given, **released})
        }
    frozen = modelled(auxiliary_encoders="frozen")
    return {
        "amid: auxiliary encoders frozen": replace(frozen, auxiliary_epochs=recipe.auxiliary_epochs or recipe.epochs)
    }
