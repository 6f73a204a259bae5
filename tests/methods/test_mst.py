"""Three stages, masks that specialise, and a router."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from crossdistill.methods import MST
from crossdistill.models import FeatureMask
from crossdistill.types import Batch, Representations, TrainingSamples
from tests.methods.slow import cross_entropy, divergence, kl, log_softmax
from tests.methods.small import (
    FEW_LABELS,
    LABELS,
    NO_LABELS,
    VIEWS,
    batch,
    leaves,
    model,
    moved_by,
    rows,
    with_fixed_teacher,
)

FIRST, SECOND, THIRD = 0, 2, 5
STAGES = {"cooperation_epochs": 2, "mask_epochs": 3}


def mst(**options: object) -> MST:
    torch.manual_seed(1)
    return MST(model(separate_teacher=True), **{**STAGES, **options})  # type: ignore[arg-type]


def masked_logits(method: MST, view: str, made: Representations) -> Tensor:
    representation = made.representations[view].detach()  # type: ignore[index]
    layer = method.model.auxiliary_classifier if view == "auxiliary" else method.model.teacher_classifier
    return layer(method.masks[view](representation) * representation)  # type: ignore[no-any-return]


def test_stages_follow_one_another() -> None:
    method = mst()
    names = [turn.name for epoch in range(7) for turn in method.turns(epoch)]
    assert names == ["student and teachers"] * 2 + ["masks"] * 3 + ["student"] * 2
    assert [turn.name for turn in mst(cooperation_epochs=0, mask_epochs=0).turns(0)] == ["student"]


@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS], ids=str)
def test_in_the_first_stage_all_learn_the_labels_and_each_other(labels: tuple[int, ...]) -> None:
    method, made = mst(temperature=3.0), leaves()
    objective = method.turns(FIRST)[0].objective(made, batch(labels))
    classification = [cross_entropy(made.logits[view], labels) for view in VIEWS]
    mutual = sum(divergence(made.logits[a], made.logits[b], 3.0) for a, b in itertools.permutations(VIEWS, 2))
    assert objective.terms["mutual"].item() == pytest.approx(mutual, rel=1e-4)
    assert objective.total.item() == pytest.approx(sum(classification) + 9 * mutual, rel=1e-4)


@pytest.mark.parametrize("labels", [LABELS, NO_LABELS], ids=str)
def test_in_the_second_stage_masks_bring_the_teachers_to_the_student(labels: tuple[int, ...]) -> None:
    method, made = mst(temperature=3.0), leaves()
    objective = method.turns(SECOND)[0].objective(made, batch(labels))
    expected = sum(
        divergence(masked_logits(method, view, made), made.target_logits, 3.0) for view in ("auxiliary", "full")
    )
    assert objective.total.item() == pytest.approx(9 * expected, rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"top": 2}, {"soft_weight": 0.3, "balance_weight": 2.0, "temperature": 1.5}])
@pytest.mark.parametrize("labels", [LABELS, FEW_LABELS, NO_LABELS], ids=str)
def test_in_the_third_stage_the_student_learns_from_the_routed_teachers(
    options: dict[str, float], labels: tuple[int, ...]
) -> None:
    method, made = mst(**options), leaves()
    objective = method.turns(THIRD)[0].objective(made, batch(labels))
    teachers = [rows(masked_logits(method, view, made)) for view in ("auxiliary", "full")]
    routing, student = rows(method.router(made.target_logits)), rows(made.target_logits)
    soft = 0.0
    for i, weights in enumerate(routing):
        best = sorted(range(2), key=lambda e: -weights[e])[: method.top]
        soft += sum(kl(teachers[e][i], student[i], method.temperature) for e in best) / method.top
    soft /= len(LABELS)
    shares = [sum(2.718281828459045 ** log_softmax(row)[e] for row in routing) / len(LABELS) for e in range(2)]
    balance = sum(0.5 * torch.log(torch.tensor(0.5 / share)).item() for share in shares)
    terms = {name: value.item() for name, value in objective.terms.items()}
    hard = cross_entropy(made.target_logits, labels)
    assert terms == pytest.approx({"classification_student": hard, "routed": soft, "balance": balance}, 1e-4, 1e-6)
    expected = hard + method.soft_weight * method.temperature**2 * soft + method.balance_weight * balance
    assert objective.total.item() == pytest.approx(expected, rel=1e-4)


def test_who_moves_in_which_stage() -> None:
    method = mst()
    student, auxiliary = {"encoders.video", "classifier"}, {"encoders.audio", "auxiliary_classifier"}
    full = {"teacher_encoders.video", "teacher_encoders.audio", "fusion", "teacher_classifier"}
    assert moved_by(method, method.turns(FIRST)[0]) == student | auxiliary | full
    assert moved_by(method, method.turns(SECOND)[0]) == {"masks"}
    assert moved_by(method, method.turns(THIRD)[0]) == student | {"router"}


def test_a_teacher_fixed_beforehand_stays_so_in_every_stage() -> None:
    torch.manual_seed(1)
    method = MST(with_fixed_teacher(), **STAGES)
    moved = [moved_by(method, method.turns(epoch)[0]) for epoch in (FIRST, SECOND, THIRD)]
    student = {"encoders.video", "classifier"}
    assert moved == [student | {"auxiliary_classifier"}, {"masks"}, student | {"router"}]


def reached(total: Tensor, made: Representations) -> set[str]:
    """The representations and logits that get a gradient."""
    total.backward()  # type: ignore[no-untyped-call]
    named = {f"{view} representation": tensor for view, tensor in made.representations.items()}
    named |= {f"{view} logits": tensor for view, tensor in made.logits.items()}
    return {name for name, tensor in named.items() if tensor.grad is not None}


def test_masks_learn_from_what_student_and_teachers_are() -> None:
    made = leaves()
    assert reached(mst().turns(SECOND)[0].objective(made, batch()).total, made) == set()


@pytest.mark.parametrize("term", ["routed", "balance"])
def test_in_the_third_stage_soft_labels_and_balance_reach_the_student_alone(term: str) -> None:
    made = leaves()
    assert reached(mst().turns(THIRD)[0].objective(made, batch()).terms[term], made) == {"target logits"}


def test_routings_add_up_to_one_and_choose_a_teacher_for_each_sample() -> None:
    method, made = mst(), leaves(LABELS * 5)
    routing = method.routing(made)
    assert routing.shape == (len(LABELS) * 5, 2)
    assert (routing >= 0).all()
    torch.testing.assert_close(routing.sum(dim=1), torch.ones(len(routing)))
    assert set(routing.argmax(dim=1).tolist()) == {0, 1}, "samples differ in their teacher"


def test_the_router_learns_balance_alone_and_choosing_passes_no_gradient() -> None:
    """As published: of two equal students, the one with the heavier soft term has the same router's gradient."""
    gradients = []
    for weight in (1.0, 100.0):
        method, made = mst(soft_weight=weight), leaves()
        total = method.turns(THIRD)[0].objective(made, batch()).total
        gradients.append(torch.autograd.grad(total, list(method.router.parameters())))
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize(("score", "kept"), [(50.0, 1.0), (-50.0, 0.0)])
def test_a_mask_keeps_all_or_nothing_at_its_ends(score: float, kept: float) -> None:
    method, made = mst(), leaves()
    with torch.no_grad():
        for mask in method.masks.values():
            mask.score.weight.zero_()
            mask.score.bias.fill_(score)
    for e, view in enumerate(("auxiliary", "full")):
        expected = method.model.classifier_of(view)(kept * made.representations[view])  # type: ignore[arg-type,index]
        torch.testing.assert_close(method.specialised(made)[:, e], expected)


def test_masks_differ_by_sample_and_feature() -> None:
    method, made = mst(), leaves()
    mask = method.masks["full"](made.full)
    assert mask.shape == made.full.shape
    assert ((mask > 0) & (mask < 1)).all()
    assert (mask.std(dim=0) > 0).all()
    assert (mask.std(dim=1) > 0).all()


def test_training_masks_brings_the_teachers_closer_to_the_student() -> None:
    method, given = mst(), batch()
    (turn,) = method.turns(SECOND)
    optimizer = torch.optim.Adam(turn.parameters, 0.01)
    totals = []
    for _ in range(100):
        total = turn.objective(method.model(given.modalities, method.views), given).total
        totals.append(total.item())
        optimizer.zero_grad()
        torch.autograd.backward(total, inputs=list(turn.parameters))
        optimizer.step()
    assert totals[-1] < 0.7 * totals[0]


@pytest.mark.parametrize("top", [1, 2])
def test_the_log_has_the_teachers_shares_in_the_third_stage_only(top: int) -> None:
    method, counts = mst(top=top), [0, 0]
    for seed in range(3):
        made = leaves(seed=seed)
        method.end_step(made, batch())
        for row in rows(method.router(made.target_logits)):
            for e in sorted(range(2), key=lambda e: -row[e])[:top]:
                counts[e] += 1
    expected = {"routed_to_auxiliary": counts[0] / sum(counts), "routed_to_teacher": counts[1] / sum(counts)}
    assert method.end_epoch(THIRD) == pytest.approx(expected)
    method.end_step(leaves(), batch())
    assert method.end_epoch(SECOND) == method.end_epoch(FIRST) == {}


def stepped(method: MST, given: Batch, made: Representations) -> Tensor:
    """The loss of a step of the third stage, and what the step keeps."""
    total = method.turns(THIRD)[0].objective(made, given).total
    method.end_step(made, given)
    return total.detach()


def prepared(**options: object) -> MST:
    method = mst(**options)
    method.prepare(TrainingSamples(torch.arange(len(LABELS)), torch.tensor(LABELS)))
    return method


def test_in_the_third_stage_a_sample_is_masked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    method, made, given = prepared(), leaves(), batch()
    seen: list[int] = []
    masked = FeatureMask.forward
    monkeypatch.setattr(FeatureMask, "forward", lambda self, x: seen.append(len(x)) or masked(self, x))
    first = stepped(method, given, made)
    assert torch.equal(stepped(method, given, made), first)
    assert seen == [len(LABELS)] * 2, "two masks, once each"
    moved = made.full.detach().clone()
    moved[2] += 0.01
    other = Representations({**made.representations, "full": moved.requires_grad_()}, made.logits)
    kept = stepped(method, given, other)
    assert seen[2:] == [1, 1], "the sample that the teacher saw otherwise, and no other"
    torch.testing.assert_close(kept, stepped(mst(), given, other))


def test_what_is_known_of_samples_is_state_and_moves_with_a_step_alone() -> None:
    method, made, given = prepared(), leaves(), batch()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    total = method.turns(THIRD)[0].objective(made, given).total
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    method.end_step(made, given)
    resumed = prepared()
    resumed.load_state_dict(method.state_dict())
    with torch.no_grad():
        for mask in resumed.masks.values():
            mask.score.weight.fill_(torch.nan)  # whose word is not asked for
    assert torch.equal(stepped(resumed, given, made), total)


def test_teachers_that_learn_with_the_student_are_never_known() -> None:
    """Without a copy of the classifier the student moves what the logits are made by."""
    torch.manual_seed(1)
    method = MST(model(), **STAGES)
    method.prepare(TrainingSamples(torch.arange(len(LABELS)), torch.tensor(LABELS)))
    made, given = leaves(), batch()
    before = stepped(method, given, made)
    with torch.no_grad():
        method.model.classifier.weight.mul_(3.0)
    assert stepped(method, given, made) != before


def test_who_does_not_learn_runs_without_dropout() -> None:
    """Teachers once they have learnt; the student while the masks alone learn, as in the published code."""
    method = mst()
    dropout = method.model.fusion.layers[2]
    for epoch, trains, learns in (
        (FIRST, True, True),
        (SECOND, False, False),
        (THIRD, False, True),
        (FIRST, True, True),
    ):
        method.model.hold(method.held(epoch))
        method.model.train()
        assert dropout.training == method.model.teacher_encoders.training == trains
        assert method.model.encoders["video"].training == learns
        assert method.model.classifier.training == learns
        assert method.model.encoders["audio"].training == trains


@pytest.mark.parametrize(
    ("epoch", "learning"), [(FIRST, {"target", "auxiliary", "full"}), (SECOND, set()), (THIRD, {"target"})]
)
def test_who_does_not_learn_makes_no_graph(epoch: int, learning: set[str]) -> None:
    method = mst()
    for earlier in range(epoch + 1):
        method.model.hold(method.held(earlier))
    made = method.model(batch().modalities, method.views)
    assert {view for view in VIEWS if made.logits[view].requires_grad} == learning
    assert {view for view in VIEWS if made.representations[view].requires_grad} == learning


def test_an_epoch_s_turns_may_be_asked_for_before_its_parts_are_held_or_after() -> None:
    method = mst()
    before = {epoch: [id(p) for p in method.turns(epoch)[0].parameters] for epoch in (FIRST, SECOND, THIRD)}
    for held, epoch in itertools.product((FIRST, SECOND, THIRD), repeat=2):
        method.model.hold(method.held(held))
        assert [id(p) for p in method.turns(epoch)[0].parameters] == before[epoch]


EXTREMES = {
    "identical rows": lambda t: t[:1].expand_as(t),
    "zero": torch.zeros_like,
    "huge": lambda t: 1e4 * t / t.abs().max(),
}


@pytest.mark.parametrize("epoch", [FIRST, SECOND, THIRD])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes_in_every_stage(extreme: str, epoch: int) -> None:
    change, made = EXTREMES[extreme], leaves()
    broken = Representations(
        {view: change(t.detach()).clone().requires_grad_() for view, t in made.representations.items()},
        {view: change(t.detach()).clone().requires_grad_() for view, t in made.logits.items()},
    )
    method = mst()
    total = method.turns(epoch)[0].objective(broken, batch()).total
    total.backward()  # type: ignore[no-untyped-call]
    assert total.isfinite()
    leaves_and_parameters = [*broken.representations.values(), *broken.logits.values(), *method.parameters()]
    assert all(leaf.grad is None or leaf.grad.isfinite().all() for leaf in leaves_and_parameters)


@pytest.mark.parametrize(
    "options",
    [
        {"top": 0},
        {"top": 3},
        {"temperature": 0.0},
        {"cooperation_epochs": -1},
        {"mask_epochs": -1},
        {"soft_weight": -1.0},
        {"balance_weight": -1.0},
        {"mask_hidden": 10},
        {"mask_heads": 0},
    ],
    ids=str,
)
def test_unusable_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        mst(**options)
