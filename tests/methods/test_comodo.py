"""The queue, what is compared over it, and that it needs no label."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossdistill.methods import COMODO, Auxiliary
from crossdistill.runs.build import build
from crossdistill.types import InputError, TrainingSamples
from tests.losses.test_queue_similarity import divergence
from tests.methods.slow import cross_entropy
from tests.methods.small import LABELS, WIDTH, batch, leaves, model, moved_by, rows
from tests.runs.small import gestures, recipe

SIZE = 10


def comodo(**options: object) -> COMODO:
    torch.manual_seed(1)
    method = COMODO(model(), hidden=12, **options)  # type: ignore[arg-type]
    method.prepare(TrainingSamples(torch.arange(SIZE), torch.zeros(SIZE, dtype=torch.int64)))
    return method


@pytest.mark.parametrize("weight", [0.0, 1.0, 4.0])
def test_the_objective_is_the_sum_of_its_printed_terms(weight: float) -> None:
    """Over this batch's embeddings and the remembered ones, which earlier steps left."""
    method, earlier, made = comodo(weight=weight, student_temperature=0.2), leaves(seed=7), leaves()
    method.end_step(earlier, batch())
    queue = [*rows(made.auxiliary), *rows(earlier.auxiliary)]
    head = method.head(made.target)
    expected = {
        "classification_student": cross_entropy(made.target_logits, LABELS),
        "classification_auxiliary": cross_entropy(made.auxiliary_logits, LABELS),
        "queue": divergence(rows(head), rows(made.auxiliary), queue, 0.2, 0.1),
    }
    objective = method.turns(0)[0].objective(made, batch())
    assert {name: value.item() for name, value in objective.terms.items()} == pytest.approx(expected, rel=1e-4)
    total = sum(value * (weight if name == "queue" else 1.0) for name, value in expected.items())
    assert objective.total.item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("queue", [3, 10])
def test_the_queue_s_term_is_over_this_batch_and_the_latest_embeddings(queue: int) -> None:
    """Where the ring has gone round, and where a batch of seven is larger than the queue."""
    method, earlier = comodo(queue=queue), [leaves(seed=seed) for seed in range(4)]
    for made in earlier:
        method.end_step(made, batch())
    made = leaves(seed=9)
    latest = [row for step in reversed(earlier) for row in rows(step.auxiliary)][:queue]
    expected = divergence(
        rows(method.head(made.target)), rows(made.auxiliary), [*rows(made.auxiliary), *latest], 0.05, 0.1
    )
    term = method.turns(0)[0].objective(made, batch()).terms["queue"]
    assert term.item() == pytest.approx(expected, rel=1e-4)


def test_the_queue_is_no_larger_than_the_training_set_and_part_of_the_state() -> None:
    method = comodo()
    assert method.queue.size == SIZE
    method.end_step(leaves(), batch())
    again = comodo()
    again.load_state_dict(method.state_dict())
    made = leaves(seed=3)
    one, other = (each.turns(0)[0].objective(made, batch()).terms["queue"] for each in (method, again))
    assert torch.equal(one, other)
    assert again.queue.filled == len(LABELS)


def test_without_labels_the_student_alone_learns() -> None:
    method = comodo()
    unlabelled = replace(batch(), labels=torch.full((len(LABELS),), -1))
    made = method.model(unlabelled.modalities, method.views)
    method.end_step(made, unlabelled)
    method.turns(0)[0].objective(made, unlabelled).total.backward()
    named = {**dict(method.model.named_parameters()), **dict(method.named_parameters())}
    moved = {name.split(".")[0] for name, p in named.items() if p.grad is not None and p.grad.any()}
    assert moved == {"encoders", "head"}
    assert not any(p.grad is not None and p.grad.any() for p in method.model.encoders["audio"].parameters())
    labelled = moved_by(method, method.turns(0)[0])
    assert labelled == {"encoders.video", "encoders.audio", "classifier", "auxiliary_classifier", "head"}


def test_the_student_comes_to_see_the_samples_as_the_teacher_does() -> None:
    """Where the target decides what the teacher sees: nearest neighbours among samples become the teacher's."""
    torch.manual_seed(0)
    method = COMODO(model(), hidden=64, student_temperature=0.1)
    method.prepare(TrainingSamples(torch.arange(70), torch.zeros(70, dtype=torch.int64)))
    given = batch(LABELS * 10)
    video = given.modalities["video"]
    assert isinstance(video, torch.Tensor)
    inputs = {"video": video, "audio": torch.cat([video, video[:, :2]], dim=1)}
    given = replace(given, modalities=inputs, labels=torch.full_like(given.labels, -1))
    optimizer = torch.optim.Adam([*method.model.parameters_of("target"), *method.head.parameters()], 3e-3)

    def agreement() -> float:
        with torch.no_grad():
            made = method.model(given.modalities, method.views)
            teacher = torch.nn.functional.normalize(made.auxiliary)
            student = torch.nn.functional.normalize(method.head(made.target))
            theirs, ours = teacher @ teacher.T, student @ teacher.T
            return float(
                (theirs.topk(5).indices[:, :, None] == ours.topk(5).indices[:, None, :]).any(2).double().mean()
            )

    before = agreement()
    for _ in range(200):
        made = method.model(given.modalities, method.views)
        objective = method.turns(0)[0].objective(made, given)
        optimizer.zero_grad()
        objective.total.backward()
        optimizer.step()
    assert before < 0.4
    assert agreement() > 0.8


def test_the_teacher_is_the_auxiliary_model_trained_first() -> None:
    stages = build(recipe(method="comodo"), gestures()).stages
    assert [stage.name for stage in stages] == ["auxiliary", "teacher", "comodo"]
    assert isinstance(stages[1].method, Auxiliary)
    assert stages[2].method.head[-1].out_features == WIDTH  # type: ignore[index, union-attr]


@pytest.mark.parametrize("options", [{"weight": -1.0}, {"queue": 0}, {"teacher_temperature": 0.0}])
def test_unusable_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))}: expected"):
        comodo(**options)
