"""What is frozen stays as it is: encoders after their pre-training, a teacher trained before its student."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crossdistill.models import CrossModalModel
from crossdistill.types import View
from tests.models.small import inputs, model

ALL: tuple[View, ...] = ("target", "auxiliary", "full")


def train_a_little(module: CrossModalModel) -> None:
    module.train()
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        made = module(inputs(), ALL)
        torch.stack([made.logits[view].square().mean() for view in ALL]).sum().backward()
        optimizer.step()


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    """The first part of each name that is no longer what it was."""
    after = module.state_dict()
    return {".".join(name.split(".")[:2]) for name, value in before.items() if not torch.equal(value, after[name])}


def test_frozen_auxiliary_encoders_stay_and_all_else_moves() -> None:
    module = model(dropout=0.3)
    module.freeze_auxiliary_encoders()
    before = state(module)
    train_a_little(module)
    moved = changed(before, module)
    assert not {"encoders.audio", "encoders.text"} & moved
    assert {"encoders.video", "encoders.depth", "auxiliary_projection.layer", "fusion.layers"} <= moved
    assert all(p.grad is None for name in module.auxiliary for p in module.encoders[name].parameters())


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    module = model(separate_teacher=True)
    module.freeze_auxiliary_encoders()
    module.freeze_teacher()
    module.eval().train()
    for part in (module.encoders["audio"], module.teacher_encoders["video"], module.fusion, module.teacher_classifier):
        assert not any(child.training for child in part.modules())
    assert module.encoders["video"].training
    assert module.auxiliary_projection.training


def test_frozen_parameters_are_not_offered_to_an_optimiser() -> None:
    module = model()
    module.freeze_auxiliary_encoders()
    frozen = {id(p) for name in module.auxiliary for p in module.encoders[name].parameters()}
    assert not frozen & {id(p) for p in module.parameters_of(*ALL)}


def test_a_separate_teacher_starts_equal_and_shares_nothing() -> None:
    module = model(separate_teacher=True)
    student = {id(p) for part in (module.encoders, module.classifier) for p in part.parameters()}
    teacher = {id(p) for part in (module.teacher_encoders, module.teacher_classifier) for p in part.parameters()}
    assert len(student) == len(teacher)
    assert not student & teacher
    pairs = ((module.encoders, module.teacher_encoders), (module.classifier, module.teacher_classifier))
    for first, second in pairs:
        for a, b in zip(first.parameters(), second.parameters(), strict=True):
            assert torch.equal(a, b)


def test_a_shared_teacher_has_no_copies() -> None:
    assert not any(name.startswith("teacher_") for name in model().state_dict())


def test_a_frozen_teacher_stays_and_its_student_moves() -> None:
    module = model(separate_teacher=True, dropout=0.5)
    module.freeze_teacher()
    before, logits = state(module), module(inputs(), ("full",)).full_logits
    train_a_little(module)
    moved = changed(before, module)
    assert not any(name.startswith(("teacher_", "fusion")) for name in moved)
    assert {"encoders.video", "classifier.weight", "target_projection.layer"} <= moved
    assert torch.equal(module(inputs(), ("full",)).full_logits, logits)
    assert not module.parameters_of("full")


def test_what_a_frozen_auxiliary_model_says_has_no_dropout() -> None:
    module = model(dropout=0.5)
    module.freeze_auxiliary_model()
    module.train()
    first, second = (module(inputs(), ALL) for _ in range(2))
    assert torch.equal(first.auxiliary_logits, second.auxiliary_logits)
    assert not torch.equal(first.target_logits, second.target_logits)
    assert torch.equal(module.eval()(inputs(), ALL).auxiliary_logits, first.auxiliary_logits)


def test_what_a_held_teacher_says_has_no_dropout() -> None:
    module = model(separate_teacher=True, dropout=0.5)
    module.hold([module.fusion, module.teacher_classifier, module.teacher_encoders, module.encoders])
    module.train()
    first, second = (module(inputs(), ALL) for _ in range(2))
    assert torch.equal(first.full_logits, second.full_logits)
    assert not torch.equal(first.target_logits, second.target_logits)


def trainable(module: CrossModalModel) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def test_what_is_held_makes_no_graph_and_learns_again_when_others_are_held() -> None:
    module = model(separate_teacher=True)
    before = trainable(module)
    module.hold(module.modules_of("auxiliary"))
    made = module(inputs(), ALL)
    assert [made.logits[view].requires_grad for view in ALL] == [True, False, True]
    module.hold(module.modules_of("full"))
    made = module(inputs(), ALL)
    assert [made.logits[view].requires_grad for view in ALL] == [True, True, False]
    module.hold(())
    assert trainable(module) == before


def test_a_held_part_passes_gradients_on_to_what_comes_before_it() -> None:
    module = model()
    module.hold([module.classifier])
    module(inputs(), ("target",)).target_logits.sum().backward()
    assert module.encoders["video"].weight.grad is not None  # type: ignore[union-attr]
    assert module.classifier.weight.grad is None


def test_frozen_parts_are_frozen_still_when_they_are_no_longer_held() -> None:
    """Also those that are frozen while they are held."""
    module = model(separate_teacher=True)
    module.freeze_auxiliary_encoders()
    module.hold([module.encoders, module.fusion, module.teacher_encoders, module.teacher_classifier])
    module.freeze_teacher()
    module.hold(())
    frozen = ("encoders.audio", "encoders.text", "teacher_", "fusion")
    assert trainable(module) == {name for name, _ in module.named_parameters() if not name.startswith(frozen)}


def test_optimisers_are_offered_what_is_held_for_a_time() -> None:
    """They are made once for a whole run, and the turns of an epoch before its parts are held."""
    module = model(separate_teacher=True)
    module.freeze_auxiliary_encoders()
    before = [id(p) for p in module.parameters_of(*ALL)]
    module.hold(module.modules_of(*ALL))
    assert [id(p) for p in module.parameters_of(*ALL)] == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_of_what_is_held_is_released_by_itself(copied: Callable[[CrossModalModel], CrossModalModel]) -> None:
    module = model()
    before = trainable(module)
    module.hold(module.modules_of(*ALL))
    other = copied(module)
    assert len(other.parameters_of(*ALL)) == len(module.parameters_of(*ALL))
    other.hold(())
    assert trainable(other) == before
    assert not trainable(module)


def test_a_teacher_that_shares_encoders_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="separate_teacher"):
        model().freeze_teacher()


def test_a_separate_teacher_takes_over_the_pre_trained_auxiliary_encoders_alone() -> None:
    module = model(separate_teacher=True)
    with torch.no_grad():
        for p in module.encoders.parameters():
            p.add_(1.0)
    before = state(module.teacher_encoders)
    module.start_teacher_from_encoders()
    for name in module.auxiliary:
        assert torch.equal(module.teacher_encoders[name].weight, module.encoders[name].weight)
    assert {name.split(".")[0] for name in changed(before, module.teacher_encoders)} == {"audio", "text"}


def test_freezing_the_auxiliary_encoders_freezes_the_separate_teacher_s_too() -> None:
    module = model(separate_teacher=True)
    module.freeze_auxiliary_encoders()
    before = state(module)
    train_a_little(module)
    moved = changed(before, module)
    assert not {"encoders.audio", "encoders.text", "teacher_encoders.audio", "teacher_encoders.text"} & moved
    assert "teacher_encoders.video" in moved
