"""A run's stages by its settings, and that what one of them leaves fixed stays so."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import Tensor

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.listening import Listener, Values
from crossdistill.methods import AMID, METHODS, MI, Auxiliary, Teacher
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs import stage as stage_module
from crossdistill.runs.build import build, total_epochs
from crossdistill.runs.run import run
from crossdistill.training import Checkpoint
from crossdistill.types import InputError
from tests.runs.small import gestures, recipe, with_model

SETTINGS = [
    {"auxiliary_encoders": a, "teacher": t, "separate_teacher": s}
    for a in ("frozen", "trained")
    for t in ("online", "fixed")
    for s in (False, True)
]


def planned(made: Recipe) -> list[tuple[str, int]]:
    return [(stage.name, stage.epochs) for stage in build(made, gestures()).stages]


@pytest.mark.parametrize(
    ("method", "settings", "auxiliary_epochs", "expected"),
    [
        ("baseline", {}, 2, [("baseline", 3)]),
        ("auxiliary", {}, 2, [("auxiliary", 3)]),
        ("teacher", {}, 2, [("auxiliary", 2), ("teacher", 3)]),
        ("amid", {}, 2, [("auxiliary", 2), ("amid", 3)]),
        ("amid", {"auxiliary_encoders": "trained"}, 0, [("amid", 3)]),
        ("amid", {"auxiliary_encoders": "trained"}, 2, [("auxiliary", 2), ("amid", 3)]),
        ("mi", {"teacher": "fixed"}, 2, [("auxiliary", 2), ("teacher", 3), ("mi", 3)]),
        ("kd", {}, 2, [("auxiliary", 2), ("teacher", 3), ("kd", 3)]),
        ("kd", {"teacher": "online"}, 2, [("auxiliary", 2), ("kd", 3)]),
        ("fitnets", {}, 2, [("auxiliary", 2), ("teacher", 3), ("fitnets", 3)]),
        ("rkd", {}, 2, [("auxiliary", 2), ("teacher", 3), ("rkd", 3)]),
        ("c2kd", {}, 2, [("auxiliary", 2), ("teacher", 3), ("c2kd", 3)]),
        ("c2kd", {"teacher": "fixed"}, 2, [("auxiliary", 2), ("teacher", 3), ("c2kd", 3)]),
        ("c2kd", {"teacher": "online"}, 2, [("auxiliary", 2), ("c2kd", 3)]),
        ("hallucination", {"auxiliary_encoders": "trained"}, 0, [("teacher", 3), ("hallucination", 3)]),
        ("ccl", {"auxiliary_encoders": "trained"}, 0, [("teacher", 3), ("ccl", 3)]),
        ("ccl", {"teacher": "online", "auxiliary_encoders": "trained"}, 0, [("ccl", 3)]),
        ("mst", {}, 2, [("auxiliary", 2), ("mst", 3)]),
        ("mst", {"teacher": "fixed"}, 2, [("auxiliary", 2), ("teacher", 3), ("mst", 3)]),
        ("amid", {"teacher": "fixed", "auxiliary_encoders": "trained"}, 0, [("teacher", 3), ("amid", 3)]),
        ("teacher", {"teacher": "fixed"}, 2, [("auxiliary", 2), ("teacher", 3)]),
        ("baseline", {"teacher": "fixed"}, 2, [("baseline", 3)]),
        (
            "amid",
            {"encoders": {"wrist": EncoderSettings("conv"), "eye": EncoderSettings("features")}},
            0,
            [("amid", 3)],
        ),
    ],
)
def test_pre_training_then_teacher_then_method(
    method: str, settings: dict[str, object], auxiliary_epochs: int, expected: list[tuple[str, int]]
) -> None:
    made = with_model(recipe(method=method, auxiliary_epochs=auxiliary_epochs), **settings)
    assert planned(made) == expected


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("method", METHODS)
def test_the_progress_bar_s_total_is_that_of_the_stages(method: str, settings: dict[str, object]) -> None:
    made = with_model(recipe(method=method), **settings)
    assert total_epochs(made) == sum(epochs for _, epochs in planned(made))


def state_after_each_epoch(made: Recipe, folder: Path) -> list[tuple[str, dict[str, Tensor]]]:
    """(stage, the model's state) after every epoch of a real run."""
    found: list[tuple[str, dict[str, Tensor]]] = []

    class Stages(Listener):
        def step(self, task: str, values: Values = MappingProxyType({})) -> None:
            found.append((str(values["stage"]), {}))

    original = Checkpoint.save

    def save(checkpoint: Checkpoint, path: Path, previous: Path | None = None) -> None:
        found[-1][1].update({name: value.clone() for name, value in checkpoint.model.items()})
        original(checkpoint, path, previous)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", save)
        run(made, folder, listener=Stages(), dataset=gestures())
    return found


def parts_that_moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """The first two parts of the names whose values changed."""
    return {".".join(name.split(".")[:2]) for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_what_is_fixed_does_not_change_in_a_real_run(settings: dict[str, str | bool], tmp_path: Path) -> None:
    states = state_after_each_epoch(with_model(recipe(), **settings), tmp_path / "run")
    fixed = settings["teacher"] == "fixed"
    assert [stage for stage, _ in states] == ["auxiliary"] * 2 + ["teacher"] * 3 * fixed + ["amid"] * 3
    pretrained = next(state for stage, state in reversed(states) if stage == "auxiliary")
    before_main = [state for stage, state in states if stage != "amid"][-1]
    last = states[-1][1]
    in_main = parts_that_moved(before_main, last)
    frozen = settings["auxiliary_encoders"] == "frozen"
    assert {"encoders.wrist", "classifier.weight"} <= in_main
    assert ("encoders.eye" in parts_that_moved(pretrained, last)) != frozen
    assert any(name.startswith(("teacher_", "fusion")) for name in in_main) != fixed
    if fixed:
        moved = parts_that_moved(pretrained, before_main)
        assert {"fusion.layers", "teacher_encoders.wrist", "teacher_classifier.weight"} <= moved
        assert not {"encoders.wrist", "encoders.eye", "classifier.weight"} & moved, "the student waits for its teacher"
    if fixed or settings["separate_teacher"]:
        copies = {name: value for name, value in last.items() if name.startswith("teacher_encoders.eye")}
        kept = [torch.equal(value, pretrained[name.removeprefix("teacher_")]) for name, value in copies.items()]
        assert all(kept) == frozen, "the teacher's copy is of the pre-trained encoder"


@pytest.mark.parametrize(
    ("method", "settings", "separate"),
    [
        ("amid", {}, False),
        ("mst", {}, True),
        ("mst", {"teacher": "online"}, True),
        ("c2kd", {}, False),
        ("kd", {}, True),
        ("kd", {"teacher": "online"}, False),
        ("kd", {"teacher": "online", "separate_teacher": True}, True),
    ],
)
def test_teachers_are_separate_where_the_method_or_the_recipe_says_so(
    method: str, settings: dict[str, object], separate: bool
) -> None:
    assert build(with_model(recipe(method=method), **settings), gestures()).model.separate_teacher == separate


def test_the_specialised_teachers_do_not_change_while_the_student_learns_from_them(tmp_path: Path) -> None:
    options = {"mst": {"cooperation_epochs": 1, "mask_epochs": 1}}
    states = state_after_each_epoch(recipe(method="mst", options=options), tmp_path / "run")
    first, masks, last = (state for stage, state in states if stage == "mst")
    assert parts_that_moved(first, masks) == set()
    assert parts_that_moved(masks, last) == {"encoders.wrist", "classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("name", RECIPES)
def test_first_stages_of_bundled_recipes_leave_the_last_one_time(name: str) -> None:
    made = RECIPES[name]()
    for method, options in made.options.items():
        first = sum(value for key, value in options.items() if key.endswith("_epochs") and key != "anneal_epochs")
        assert first <= made.epochs // 2, method
    assert {"fitnets", "mst"} <= set(made.options)
    fitnets = made.options["fitnets"]
    assert fitnets["hint_epochs"] + fitnets["anneal_epochs"] == made.epochs


def test_frozen_encoders_without_pre_training_are_refused_and_the_folder_stays_free(tmp_path: Path) -> None:
    made = recipe(auxiliary_epochs=0)
    with pytest.raises(
        InputError, match="auxiliary_epochs: 0 would freeze auxiliary encoders that nothing has trained"
    ):
        run(made, tmp_path / "run", dataset=gestures())
    corrected = recipe(auxiliary_epochs=1)
    run(corrected, tmp_path / "run", dataset=gestures())


def test_the_pre_training_stage_is_the_auxiliary_method_on_the_same_model() -> None:
    made = with_model(recipe(), teacher="fixed")
    built = build(made, gestures())
    kinds = [type(stage.method) for stage in built.stages]
    assert all(stage.method.model is built.model for stage in built.stages)
    for stage in built.stages:
        for prepare in stage.before:
            prepare()
    assert kinds == [Auxiliary, Teacher, METHODS["amid"]]


def test_options_of_the_recipe_reach_the_method() -> None:
    options = {"amid": {"alpha_1": 0.25, "expected_partners": 4.17, "dynamic_weights": False}, "mi": {"alpha_1": 9.0}}
    amid, mi = (build(recipe(method=name, options=options), gestures()).method for name in ("amid", "mi"))
    assert isinstance(amid, AMID)
    assert isinstance(mi, MI)
    settings = amid.adversary.settings
    assert (amid.alpha_1, settings.expected_partners, settings.dynamic, mi.alpha_1) == (0.25, 4.17, False, 9.0)


def test_each_stage_draws_its_own_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch of the main stage does not repeat the pre-training's order of samples."""
    seen: list[int] = []
    original = stage_module.training_batches

    def watched(*arguments: object, **options: object) -> object:
        seen.append(options["epoch"])  # type: ignore[arg-type]
        return original(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stage_module, "training_batches", watched)
    run(recipe(), tmp_path / "run", dataset=gestures())
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.teacher == "fixed"])
def test_a_fixed_teacher_says_the_same_in_training_whatever_the_dropout(name: str) -> None:
    made = build(with_model(recipe(method=name), dropout=0.5), gestures())
    model, last, given = made.model, made.stages[-1], gestures().__getitems__(range(6))
    for change in last.before:
        change()
    model.train()
    first, second = (model(given.modalities, last.method.views) for _ in range(2))
    taught_by = last.method.taught_by
    assert torch.equal(first.logits[taught_by], second.logits[taught_by])
    assert torch.equal(model.eval()(given.modalities, last.method.views).logits[taught_by], first.logits[taught_by])
    assert not torch.equal(first.target_logits, second.target_logits)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.teacher == "pre_trained"])
def test_a_pre_trained_teacher_goes_on_learning(name: str, tmp_path: Path) -> None:
    made = with_model(recipe(method=name, auxiliary_epochs=0), auxiliary_encoders="trained")
    states = state_after_each_epoch(made, tmp_path / "run")
    assert [stage for stage, _ in states] == ["teacher"] * 3 + [name] * 3
    before, last = states[2][1], states[-1][1]
    alone = parts_that_moved(states[0][1], before)
    assert {"encoders.eye", "auxiliary_classifier.weight"} <= alone
    assert "encoders.wrist" not in alone, "the student waits for its teacher"
    assert {"encoders.eye", "auxiliary_classifier.weight", "encoders.wrist"} <= parts_that_moved(before, last)
