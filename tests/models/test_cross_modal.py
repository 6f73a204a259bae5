"""S, A and M: what each is made of, in which order, and that nothing else is computed or read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from crossdistill.models import CrossModalModel
from crossdistill.types import View
from tests.models.small import BATCH, CLASSES, WIDTH, Encoder, inputs, model

ALL: tuple[View, ...] = ("target", "auxiliary", "full")


def calls(module: CrossModalModel) -> Counter[str]:
    """Counts how often each encoder runs from now on."""
    counted: Counter[str] = Counter()
    for part in ("encoders", "teacher_encoders"):
        for name, encoder in getattr(module, part).items():
            encoder.register_forward_hook(lambda *_, key=f"{part}.{name}": counted.update([key]))
    return counted


@pytest.mark.parametrize(
    ("views", "separate", "expected"),
    [
        (("target",), False, "encoders.video encoders.depth"),
        (("auxiliary",), False, "encoders.audio encoders.text"),
        (("full",), False, "encoders.video encoders.depth encoders.audio encoders.text"),
        (ALL, False, "encoders.video encoders.depth encoders.audio encoders.text"),
        (("target", "full"), False, "encoders.video encoders.depth encoders.audio encoders.text"),
        (("target",), True, "encoders.video encoders.depth"),
        (("full",), True, " ".join(f"teacher_encoders.{name}" for name in ("video", "depth", "audio", "text"))),
        (
            ("target", "full"),
            True,
            "encoders.video encoders.depth "
            + " ".join(f"teacher_encoders.{name}" for name in ("video", "depth", "audio", "text")),
        ),
    ],
)
def test_each_encoder_that_is_needed_runs_once_and_no_other(
    views: tuple[View, ...], separate: bool, expected: str
) -> None:
    module = model(separate_teacher=separate)
    counted = calls(module)
    made = module(inputs(), views)
    assert counted == Counter(expected.split())
    assert set(made.representations) == set(made.logits) == set(views)


def test_shapes() -> None:
    made = model()(inputs(), ALL)
    assert {made.target.shape, made.auxiliary.shape, made.full.shape} == {(BATCH, WIDTH)}
    assert {made.target_logits.shape, made.auxiliary_logits.shape, made.full_logits.shape} == {(BATCH, CLASSES)}


def linear(weights: dict[str, Tensor], layer: str, x: Tensor) -> Tensor:
    return x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]


@pytest.mark.parametrize("separate", [False, True])
def test_every_view_from_the_weights_by_hand(separate: bool) -> None:
    """Section 4.2: features concatenated in the declared order; M by a 2-layer MLP; one classifier for S and M."""
    module, x = model(separate_teacher=separate), inputs()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn_like(p) * 0.1)  # so that a separate teacher is another one
    weights = dict(module.state_dict())
    made = module(x, ALL)

    def features(part: str, *names: str) -> Tensor:
        return torch.cat([linear(weights, f"{part}.{name}", x[name]) for name in names], dim=1)

    target = linear(weights, "target_projection.layer", features("encoders", "video", "depth"))
    auxiliary = linear(weights, "auxiliary_projection.layer", features("encoders", "audio", "text"))
    part, classifier = ("teacher_encoders", "teacher_classifier") if separate else ("encoders", "classifier")
    hidden = linear(weights, "fusion.layers.0", features(part, "video", "depth", "audio", "text"))
    full = linear(weights, "fusion.layers.3", leaky_relu(hidden, 0.1))
    torch.testing.assert_close(made.target, target)
    torch.testing.assert_close(made.auxiliary, auxiliary)
    torch.testing.assert_close(made.full, full)
    torch.testing.assert_close(made.target_logits, linear(weights, "classifier", target))
    torch.testing.assert_close(made.auxiliary_logits, linear(weights, "auxiliary_classifier", auxiliary))
    torch.testing.assert_close(made.full_logits, linear(weights, classifier, full))


@pytest.mark.parametrize("separate", [False, True])
def test_a_view_s_classifier_makes_its_logits_of_its_representation(separate: bool) -> None:
    made = model(separate_teacher=separate)
    with torch.no_grad():  # a copy at first; now apart
        for p in made.teacher_classifier.parameters():
            p.add_(1.0)
    found = made(inputs(), ALL)
    for view in ALL:
        assert torch.equal(made.classifier_of(view)(found.representations[view]), found.logits[view])


def test_the_order_of_the_inputs_does_not_matter() -> None:
    module, x = model(), inputs()
    shuffled = {name: x[name] for name in reversed(x)}
    for view in ALL:
        first, second = (module(given, ALL).representations[view] for given in (x, shuffled))
        assert torch.equal(first, second)


@pytest.mark.parametrize("layer", ["target_projection.layer", "fusion.layers.0"])
def test_swapping_the_declared_order_swaps_the_columns_that_read_each_modality(layer: str) -> None:
    first, second = model(("video", "depth")), model(("depth", "video"))
    weights = dict(first.state_dict())
    swapped = weights[f"{layer}.weight"].clone()
    moved = torch.cat([swapped[:, 7:15], swapped[:, :7], swapped[:, 15:]], dim=1)  # video has 7 columns, depth 8
    view: View = "full" if "fusion" in layer else "target"
    expected = first(inputs(), (view,)).representations[view]
    second.load_state_dict(weights)
    assert not torch.allclose(second(inputs(), (view,)).representations[view], expected, atol=1e-3)
    second.load_state_dict({**weights, f"{layer}.weight": moved})
    torch.testing.assert_close(second(inputs(), (view,)).representations[view], expected)


def test_one_classifier_gets_the_gradients_of_student_and_teacher() -> None:
    def gradient(*views: View) -> Tensor:
        module = model()
        made = module(inputs(), views)
        torch.stack([made.logits[view].square().sum() for view in views]).sum().backward()
        assert isinstance(module.classifier.weight.grad, Tensor)
        return module.classifier.weight.grad

    student, teacher = gradient("target"), gradient("full")
    assert student.abs().sum() > 0
    assert teacher.abs().sum() > 0
    torch.testing.assert_close(gradient("target", "full"), student + teacher)


def test_target_encoders_get_gradients_of_student_and_teacher_but_auxiliary_ones_of_the_teacher_only() -> None:
    module = model()
    made = module(inputs(), ("target", "full"))
    for view, reached in (("target", {"video", "depth"}), ("full", {"video", "depth", "audio", "text"})):
        weights = {name: encoder.weight for name, encoder in module.encoders.items()}
        found = torch.autograd.grad(
            made.representations[view].sum(), list(weights.values()), allow_unused=True, retain_graph=True
        )
        assert {name for name, g in zip(weights, found, strict=True) if g is not None} == reached


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(
    "views", [("target",), ("auxiliary",), ("full",), ("target", "full"), ALL], ids=lambda views: "+".join(views)
)
def test_parameters_of_are_exactly_those_that_the_views_depend_on_each_once(
    views: tuple[View, ...], separate: bool
) -> None:
    module = model(separate_teacher=separate)
    found = [id(p) for p in module.parameters_of(*views)]
    assert len(found) == len(set(found))
    made = module(inputs(), views)
    sum(made.logits[view].square().sum() for view in views).backward()  # type: ignore[union-attr]
    assert set(found) == {id(p) for p in module.parameters() if p.grad is not None}


def test_predict_needs_the_target_inputs_alone_and_works_without_gradients() -> None:
    module, x = model().eval(), inputs()
    only_target = {name: x[name] for name in ("video", "depth")}
    with torch.no_grad():
        logits = module.predict(only_target)
    assert not logits.requires_grad
    assert torch.equal(logits, module(x, ALL).target_logits)


def test_views_that_need_auxiliary_inputs_fail_loudly_without_them() -> None:
    x = inputs()
    with pytest.raises(KeyError):
        model()({name: x[name] for name in ("video", "depth")}, ("full",))


def test_a_view_that_was_not_asked_for_cannot_be_read() -> None:
    made = model()(inputs(), ("target",))
    with pytest.raises(KeyError):
        _ = made.full


@pytest.mark.parametrize("separate", [False, True])
def test_safetensors_round_trip(separate: bool, tmp_path: Path) -> None:
    first, second = model(separate_teacher=separate), model(separate_teacher=separate)
    with torch.no_grad():
        for p in second.parameters():
            p.zero_()
    save_file(first.state_dict(), tmp_path / "model.safetensors")
    second.load_state_dict(load_file(tmp_path / "model.safetensors"))
    a, b = first(inputs(), ALL), second(inputs(), ALL)
    assert all(torch.equal(a.logits[view], b.logits[view]) for view in ALL)


def test_dropout_acts_in_training_only() -> None:
    module, x = model(dropout=0.5), inputs()
    assert not torch.equal(module(x, ("full",)).full_logits, module(x, ("full",)).full_logits)
    module.eval()
    assert torch.equal(module(x, ("full",)).full_logits, module(x, ("full",)).full_logits)


@pytest.mark.parametrize(
    ("target", "auxiliary", "message"),
    [
        ((), ("audio",), "at least one target"),
        ((), (), "at least one target"),
        (("video",), ("video",), "each modality once"),
        (("video", "video"), ("audio",), "each modality once"),
        (("video",), ("smell", "taste"), "found none for smell, taste"),
        (("video",), ("keys",), "other names for modalities than keys"),
        (("video", "left.eye"), ("audio",), "other names for modalities than left.eye"),
    ],
)
def test_modalities_that_do_not_fit_are_refused(
    target: tuple[str, ...], auxiliary: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model(target, auxiliary)


def test_encoders_of_unused_modalities_are_left_out() -> None:
    module = model(("video",), ("audio",))
    assert set(module.encoders) == {"video", "audio"}
    assert not any("text" in name or "depth" in name for name in module.state_dict())


def test_has_auxiliary_encoder_parameters() -> None:
    assert model().has_auxiliary_encoder_parameters()
    bare = nn.Identity()
    bare.width = 5  # type: ignore[assignment]
    assert not CrossModalModel(
        {"video": Encoder("video"), "audio": bare}, ["video"], ["audio"], 8, 2
    ).has_auxiliary_encoder_parameters()
