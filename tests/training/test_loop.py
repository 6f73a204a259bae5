"""The training loop's parts: optimisers, learning rates, clipping, precision, seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from crossdistill.encoders import MLP, RNN, Conv
from crossdistill.methods import AMID, KD, Baseline, Method
from crossdistill.models import CrossModalModel
from crossdistill.training import Checkpoint, Observer, Optimization, Record, Stage, fit, loop
from crossdistill.training.distributed import average_gradients, gather
from crossdistill.training.loop import build_optimizers, epoch_seed, set_learning_rates, step
from crossdistill.training.pauses import SAVE
from crossdistill.types import Batch, DivergedError, Padded, Pixels, Turn
from tests.training.small import amid, batch, cpu


@pytest.mark.parametrize(("name", "kind"), [("adamw", AdamW), ("adam", Adam), ("sgd", SGD)])
def test_the_students_optimiser_is_the_recipe_s(name: str, kind: type) -> None:
    settings = Optimization(name, learning_rate=0.02, weight_decay=0.003, momentum=0.7)  # type: ignore[arg-type]
    optimizers = build_optimizers(amid(), 3, settings)
    assert set(optimizers) == {"student and teacher", "discriminators"}
    student = optimizers["student and teacher"]
    assert type(student).__bases__ == (kind,)
    assert (student.defaults["lr"], student.defaults["weight_decay"]) == (0.02, 0.003)
    if name == "sgd":
        assert student.defaults["momentum"] == 0.7


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_discriminators_have_adam_with_its_own_constant_learning_rate(name: str) -> None:
    method = amid(warmup_epochs=2)
    settings = Optimization(name, learning_rate=0.02, schedule="cosine", discriminator_learning_rate=3e-4)  # type: ignore[arg-type]
    optimizers = build_optimizers(method, 10, settings)
    adversary = optimizers["discriminators"]
    assert type(adversary).__bases__ == (Adam,)
    assert adversary.defaults["betas"] == (0.5, 0.999)
    assert adversary.defaults["weight_decay"] == 0
    rates = []
    for epoch in range(10):
        rates.append(set_learning_rates(optimizers, method.turns(epoch), settings, epoch, 10))
        assert adversary.param_groups[0]["lr"] == 3e-4
        assert optimizers["student and teacher"].param_groups[0]["lr"] == rates[-1]
    assert rates[0] == 0.02
    assert len(set(rates)) == 10


def test_a_run_that_ends_in_warm_up_needs_no_discriminators() -> None:
    assert set(build_optimizers(amid(warmup_epochs=5), 5, Optimization())) == {"student and teacher"}
    assert set(build_optimizers(amid(warmup_epochs=5), 6, Optimization())) == {"student and teacher", "discriminators"}


def gradient_norm(parameters: Sequence[nn.Parameter]) -> float:
    return math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))


def moved(method: Method, turn: Turn, clip_norm: float) -> tuple[float, list[Tensor]]:
    """How far one step of SGD (learning rate 1) goes, and in which direction: the gradient as it was used."""
    before = [p.detach().clone() for p in turn.parameters]
    sgd = SGD(turn.parameters, lr=1.0)
    step(cpu(), method, [turn], {turn.name: sgd}, batch(), clip_norm)
    way = [b - p.detach() for b, p in zip(before, turn.parameters, strict=True)]
    return math.sqrt(sum(float(w.square().sum()) for w in way)), way


@pytest.mark.parametrize("player", [0, 1])
def test_clipping_shortens_a_turn_s_gradient_to_the_norm_and_keeps_its_direction(player: int) -> None:
    free_norm, free = moved(method := amid(), method.turns(9)[player], math.inf)
    limit = free_norm / 5
    clipped_norm, clipped = moved(method := amid(), method.turns(9)[player], limit)
    assert clipped_norm == pytest.approx(limit, rel=1e-3)
    for whole, part in zip(free, clipped, strict=True):
        torch.testing.assert_close(part, whole / 5, rtol=2e-3, atol=1e-6)


def test_a_norm_above_the_gradient_s_changes_nothing() -> None:
    free_norm, free = moved(method := amid(), method.turns(9)[0], math.inf)
    _, clipped = moved(method := amid(), method.turns(9)[0], 2 * free_norm)
    assert all(torch.equal(a, b) for a, b in zip(free, clipped, strict=True))


def test_the_discriminators_move_after_the_student_on_the_same_representations() -> None:
    """One forward pass a step; the second player sees what the first one saw."""
    method, alone = amid(), amid()
    optimizers = {t.name: SGD(t.parameters, lr=0.5) for t in method.turns(9)}
    terms = step(cpu(), method, method.turns(9), optimizers, batch(), math.inf).terms
    made = alone.model(batch().modalities, alone.views)
    expected = alone.turns(9)[1].objective(made, batch()).total
    torch.testing.assert_close(terms["discriminators"], expected)


def test_what_a_step_tells_keeps_no_graph() -> None:
    method = amid()
    optimizers = {turn.name: SGD(turn.parameters, lr=0.5) for turn in method.turns(9)}
    made = step(cpu(), method, method.turns(9), optimizers, batch(), math.inf)
    assert made.terms
    assert not any(value.requires_grad for value in (*made.terms.values(), *made.measures.values()))


def test_a_step_makes_numbers_of_pixels_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = Pixels(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), torch.ones(4, dtype=torch.bool), (0.5,) * 3, (0.2,) * 3)
    model = CrossModalModel({"picture": MLP(12, 8)}, ["picture"], [], width=8, classes=2)
    made, numbers = list[Tensor](), Pixels.numbers

    def counted(pixels: Pixels, device: torch.device | str = "cpu") -> Tensor:
        made.append(numbers(pixels, device))
        return made[-1]

    monkeypatch.setattr(Pixels, "numbers", counted)
    method = Baseline(model)
    optimizers = build_optimizers(method, 1, Optimization())
    pictures = Batch({}, torch.arange(4) % 2, torch.arange(4), {}, pixels={"picture": pixels})
    step(cpu(), method, method.turns(0), optimizers, pictures, math.inf)
    assert len(made) == 1


def test_epoch_seed_depends_on_each_of_its_four_numbers() -> None:
    seeds = {numbers: epoch_seed(*numbers) for numbers in itertools.product(range(4), repeat=4)}
    assert len(set(seeds.values())) == 4**4
    assert len({epoch_seed(*numbers) for numbers in [(1, 11, 1, 1), (11, 1, 1, 1), (1, 1, 11, 1), (1, 1, 1, 11)]}) == 4
    assert all(0 <= seed < 2**63 for seed in seeds.values())
    torch.manual_seed(max(seeds.values()))
    assert epoch_seed(3, 1, 2, 0) == seeds[3, 1, 2, 0]


def test_one_process_gathers_and_averages_nothing() -> None:
    method, given = amid(), batch()
    made = method.model(given.modalities, method.views)
    gathered, global_batch = gather(cpu(), made, given)
    assert gathered is made
    assert torch.equal(global_batch.labels, given.labels)
    assert global_batch.modalities == {}
    turn = method.turns(9)[0]
    turn.objective(made, given).total.backward()  # type: ignore[no-untyped-call]
    before = [None if p.grad is None else p.grad.clone() for p in turn.parameters]
    average_gradients(cpu(), turn.parameters)
    for gradient, p in zip(before, turn.parameters, strict=True):
        assert (gradient is None) == (p.grad is None)
        assert gradient is None or torch.equal(gradient, p.grad)  # type: ignore[arg-type]


ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Conv(3, 8, hidden=8),
    "rnn": lambda: RNN(3, 8, hidden=8),
    "mlp": lambda: MLP(4 * 3, 8, steps=4),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_half_precision_encodes_in_bfloat16_and_loses_in_float32(encoder: str) -> None:
    torch.manual_seed(0)
    model = CrossModalModel({"a": ENCODERS[encoder](), "b": ENCODERS[encoder]()}, ["a"], ["b"], 8, 4)
    method = AMID(model, warmup_epochs=0, discriminator_width=16)
    lengths = torch.tensor([5, 1, 3, 5, 2, 4])
    inputs = {name: Padded(torch.randn(6, 5, 3), lengths) for name in ("a", "b")}
    given = Batch(inputs, torch.tensor([0, 1, 0, 1, 2, 3]), torch.arange(6), {})
    seen = []
    model.fusion.register_forward_hook(lambda *arguments: seen.append(arguments[2].dtype))
    optimizers = build_optimizers(method, 1, Optimization())
    terms = step(cpu("bf16-mixed"), method, method.turns(0), optimizers, given, math.inf).terms
    assert seen == [torch.bfloat16]
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert all(torch.isfinite(term) for term in terms.values())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def fitted(method: Method, epochs: int, resume: Checkpoint | None = None) -> tuple[list[Record], Checkpoint]:
    records: list[Record] = []
    kept: list[Checkpoint] = []

    def finish(record: Record, epoch: int) -> None:
        records.append(record)

    def evaluate(method: Method, epoch: int) -> Mapping[str, float]:
        return {"measured": float(epoch)}

    stage = Stage(0, "amid", method, epochs)
    fit(
        cpu(),
        stage,
        lambda epoch, first: [batch(seed=epoch), batch(seed=epoch + 50)][first:],
        Optimization(),
        0,
        resume,
        Observer(evaluate, finish, save=lambda take: kept.append(take())),
    )
    return records, kept[-1]


class Resting(KD):
    """Holds the student's encoder in its first epoch, and the classifier always, which its turn moves all the same."""

    def held(self, epoch: int) -> Sequence[nn.Module]:
        return [self.model.classifier, *(self.model.modules_of("target") if epoch == 0 else ())]

    def turns(self, epoch: int) -> Sequence[Turn]:
        (turn,) = super().turns(epoch)
        resting = {*self.model.modules_of("target").parameters()} if epoch == 0 else set()
        resting -= {*self.model.classifier.parameters()}
        return [replace(turn, parameters=[p for p in turn.parameters if p.requires_grad and p not in resting])]


def test_what_is_held_in_one_epoch_trains_in_the_next_and_what_a_turn_moves_always_does() -> None:
    method = Resting(amid().model)
    encoder, classifier = next(method.model.modules_of("target").parameters()), method.model.classifier
    states = []
    fit(
        cpu(),
        Stage(0, "kd", method, 2),
        lambda epoch, first: [batch(seed=epoch)],
        Optimization(),
        0,
        None,
        Observer(finish_epoch=lambda *_: states.append([p.clone() for p in (encoder, *classifier.parameters())])),
    )
    assert len(method.turns(1)[0].parameters) > len(method.turns(0)[0].parameters)
    (first, *of_first), (second, *of_second) = states
    assert not torch.equal(first, second), "the encoder learns in the second epoch"
    assert not torch.equal(of_first[0], of_second[0])


def test_an_epoch_s_seconds_are_those_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint inside an epoch may take as long as its steps: here a clock that runs while one is saved alone."""
    records: list[Record] = []
    saved: list[int] = []
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: float(len(saved))))

    def save(take: Callable[[], Checkpoint]) -> None:
        saved.append(1)

    fit(
        cpu(),
        Stage(0, "amid", amid(), 1),
        lambda epoch, first: [batch()],
        Optimization(),
        0,
        None,
        Observer(finish_epoch=lambda record, epoch: records.append(record), wish=lambda: SAVE, save=save),
    )
    assert len(saved) == 2, "one inside the epoch, one at its end"
    assert records[0]["seconds"] == 0


def test_an_epoch_s_record() -> None:
    method = amid(warmup_epochs=1)
    records, checkpoint = fitted(method, 3)
    assert [record["epoch"] for record in records] == [0, 1, 2]
    assert {record["stage"] for record in records} == {"amid"}
    assert [record["measured"] for record in records] == [0.0, 1.0, 2.0]
    assert all(float(record["seconds"]) > 0 for record in records)
    warm = {"training/loss/classification_student", "training/loss/classification_teacher", "training/loss/jsd"}
    later = {
        *warm,
        "training/loss/mi_student",
        "training/loss/mi_auxiliary",
        "training/loss/adversarial",
        "training/loss/discriminators",
    }
    losses = [{key for key in record if key.startswith("training/loss/")} for record in records]
    assert losses == [warm, later, later]
    assert {key for key in records[0] if not key.startswith("training/")} == {
        "stage", "epoch", "learning_rate", "seconds", "measured"
    }  # fmt: skip
    assert {"training/lambda_1", "training/lambda_2"} <= set(records[0])
    assert (checkpoint.stage, checkpoint.epoch) == (0, 3)


def test_losses_in_a_record_are_means_over_the_epoch_s_steps() -> None:
    method, alone = amid(warmup_epochs=1), amid(warmup_epochs=1)
    records, _ = fitted(method, 1)
    optimizers = build_optimizers(alone, 1, Optimization())
    terms = [step(cpu(), alone, alone.turns(0), optimizers, batch(seed=seed), math.inf).terms for seed in (0, 50)]
    for name in terms[0]:
        assert records[0][f"training/loss/{name}"] == pytest.approx(sum(t[name].item() for t in terms) / 2, rel=1e-6)


def test_turns_are_stepped_by_the_gradient_of_their_objective() -> None:
    method, reference = amid(), amid()
    for index in (0, 1):
        turn, expected = method.turns(9)[index], reference.turns(9)[index]
        made = reference.model(batch().modalities, reference.views)
        gradients = torch.autograd.grad(
            expected.objective(made, batch()).total, list(expected.parameters), allow_unused=True
        )
        _, way = moved(method, turn, math.inf)
        for gradient, used in zip(gradients, way, strict=True):
            assert gradient is None or torch.allclose(gradient, used, rtol=1e-3, atol=1e-5)
        reference.model.load_state_dict(method.model.state_dict())


def test_a_loss_that_is_no_number_is_seen_within_fifty_steps() -> None:
    """An epoch may take a day."""
    seen = 0

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        nonlocal seen
        for number in range(1000):
            seen += 1
            given = batch(seed=number % 3)
            if number < 60:
                yield given
                continue
            broken = {name: torch.full_like(value, math.nan) for name, value in given.modalities.items()}  # type: ignore[arg-type]
            yield replace(given, modalities=broken)

    told: list[int] = []

    def called(rows: Sequence[int]) -> str:
        told.extend(rows)
        return "those samples"

    with pytest.raises(DivergedError, match=r"amid, epoch 0, step 61: loss \w+ became nan, of a batch with those sam"):
        fit(cpu(), Stage(0, "amid", amid(), 1), batches, Optimization(), 0, None, Observer(called=called))
    assert seen == 100, "each look waits for the device"
    assert told == batch(seed=60 % 3).rows.tolist()
