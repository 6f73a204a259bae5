"""AMID and AMID-U with one thing changed: the rows of Tables 4 and 5 and the other points that the paper leaves open;
and what AMID-U's gain is owed to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

U_NO_L_MI = "amid_u: no L_MI"
U_NO_L_MIA = "amid_u: no L_MIa"
U_NO_SOFT_LABELS = "amid_u: no soft labels"
U_JSD = "amid_u: JSD"
"""AMID-U's, as comparisons label them, of which something is claimed."""
_U_NO_SHARPENING, _U_NOT_DEBIASED = "amid_u: no sharpening", "amid_u: not debiased"


def ablations_of(recipe: Recipe, methods: Sequence[str]) -> list[Recipe]:
    """The labelled recipes of `ablations` and `ablations_of_amid_u`: those whose method is among these, AMID's where
    neither is."""
    of_amid_u = ablations_of_amid_u(recipe) if "amid_u" in methods else {}
    of_amid = ablations(recipe) if "amid" in methods or not of_amid_u else {}
    return [*of_amid.values(), *of_amid_u.values()]


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


def ablations_of_amid_u(recipe: Recipe) -> dict[str, Recipe]:
    """Label -> recipe, each the recipe's AMID-U but for one option, no two of them alike. What has no meaning for its
    task is left out. Which samples have labels, and whether inputs are mixed, the data say and not the recipe: with all
    labels S learns alone in every row but "no fading", and of windows none are mixed in any.
    """
    given = options_in(recipe, "amid_u")
    adversary = ("amid_u: no L_adv", 0.0) if given["alpha_3"] else ("amid_u: with L_adv", 1.0)
    rows: dict[str, dict[str, Any]] = {
        U_NO_L_MI: {"alpha_1": 0.0, "alpha_2": 0.0},
        "amid_u: no L_MIs": {"alpha_1": 0.0},
        U_NO_L_MIA: {"alpha_2": 0.0},
        U_NO_SOFT_LABELS: {"soft_weight": 0.0},
        U_JSD: {"divergence": "jsd"},
        adversary[0]: {"alpha_3": adversary[1]},
        "amid_u: no mixtures": {"concentration": 0.0},
        _U_NO_SHARPENING: {"sharpening": 1.0},
        "amid_u: no ramp": {"ramp": 0.0},
        "amid_u: no warm-up": {"warmup": 0.0},
        _U_NOT_DEBIASED: {"debiased": False},
        "amid_u: unlabelled weight 1": {"unlabelled_weight": 1.0},
    }
    if recipe.data.labelled > 0.5 and not recipe.data.labelled_groups:
        rows["amid_u: no fading"] = {"fading": False}
    made: dict[str, Recipe] = {}
    for label, options in rows.items():
        changed = {**given, **options}
        alike = [given, *(other.options["amid_u"] for other in made.values())]
        if changed not in alike and label not in _LEFT_OUT_OF_AMID_U.get(recipe.data.task, frozenset()):
            of_methods = {**recipe.options, "amid_u": changed}
            row = replace(recipe, method="amid_u", options=of_methods, label=label, role="ablation", varied="")
            made[label] = row
    return made


_OF_CLASSES = frozenset({NCE, SYMMETRIC_KL})
_LEFT_OUT: Mapping[TaskKind, frozenset[str]] = {
    "multilabel": _OF_CLASSES,
    "regression": _OF_CLASSES | {NO_DYNAMIC_WEIGHT},  # the weights stay: no two samples are of one class
}
_LEFT_OUT_OF_AMID_U: Mapping[TaskKind, frozenset[str]] = {
    "multilabel": frozenset({_U_NOT_DEBIASED}),
    "regression": frozenset({_U_NOT_DEBIASED, _U_NO_SHARPENING}),
}
"""What q says of classes alone."""


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
