"""Encoders that run in chunks (GradCache): the batch's own gradient, with the chances of the first pass, in a chunk's
room."""

from __future__ import annotations

import math
import signal
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from crossdistill.encoders import MLP, RNN, Conv
from crossdistill.methods import METHODS, MI, Method
from crossdistill.methods.mi import warmup_objective
from crossdistill.models import CrossModalModel
from crossdistill.runs.run import run
from crossdistill.training.chunks import chunks, represent
from crossdistill.training.engine import OneProcess
from crossdistill.training.incomplete import divide
from crossdistill.training.loop import step
from crossdistill.training.passes import forward, with_mixing
from crossdistill.types import Batch, InputError, Objective, Padded, Pixels, Representations, TrainingSamples, Turn
from tests.contracts.small import data, recipe
from tests.contracts.test_runs import assert_same_run
from tests.stopping import run_with_stops

SIZE, WIDTH, CLASSES = 13, 6, 3
SIZES = (1, 4, SIZE - 1)
"""None divides the batch."""


def method_of(name: str, dropout: float, encoder: Callable[[], nn.Module] | None = None) -> Method:
    torch.manual_seed(0)
    of_steps = encoder() if encoder is not None else Conv(3, WIDTH, layers=2, hidden=8, dropout=dropout)
    of_steps.mixes = True  # type: ignore[assignment]  # so that chunks of what is mixed are tried, too
    encoders = {"steps": of_steps, "vectors": MLP(5, WIDTH, hidden=8, dropout=dropout)}
    kind = METHODS[name]
    model = CrossModalModel(
        *(encoders, ["steps"], ["vectors"], WIDTH, CLASSES, dropout),
        separate_teacher=kind.separate_teacher,
        student=kind.student,
    )
    options = {"amid": {"discriminator_width": 8}, "amid_u": {"fading": False}}
    method = kind(model, **options.get(name, {}))  # type: ignore[arg-type]
    method.prepare(TrainingSamples(torch.arange(SIZE), torch.arange(SIZE) % CLASSES))
    model.double()
    method.double()
    return method


def batch_of(labels: Tensor | None = None) -> Batch:
    """Sequences of different length and vectors; the first four samples, a whole chunk, and another lack these."""
    random = torch.Generator().manual_seed(1)
    lengths = torch.randint(4, 12, (SIZE,), generator=random)
    steps = torch.randn(SIZE, 12, 3, generator=random, dtype=torch.float64)
    steps *= torch.arange(12)[None, :, None] < lengths[:, None, None]
    vectors = torch.randn(SIZE, 5, generator=random, dtype=torch.float64)
    has = torch.tensor([False] * 4 + [True] * 8 + [False])
    labels = torch.arange(SIZE) % CLASSES if labels is None else labels
    inputs = {"steps": Padded(steps, lengths), "vectors": vectors}
    return Batch(inputs, labels, torch.arange(SIZE), {"vectors": has}, chance=torch.linspace(0.05, 0.9, SIZE).double())


def by_hand(method: Method, batch: Batch, chunk_size: int) -> Representations:
    """Every chunk's representations with their graphs, side by side: what the first pass draws, and all its memory."""
    made = [forward(method, part) for part in chunks(with_mixing(method, batch), chunk_size)]
    joined = iter([torch.cat(tensors) for tensors in zip(*(each.tensors() for each in made), strict=True)])
    return made[0].map(lambda _: next(joined))


def gradients_of(method: Method, batch: Batch, made: Representations) -> list[Tensor | None]:
    """By the model's parameters, of every turn of the last epoch."""
    samples = divide(method, made, replace(with_mixing(method, batch), modalities={}))
    found: list[Tensor | None] = []
    for turn in method.turns(1000):
        total = samples.objective(turn).total
        found += torch.autograd.grad(total, list(turn.parameters), retain_graph=True, allow_unused=True)
    return found


def assert_same_gradients(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> None:
    assert any(gradient is not None and gradient.any() for gradient in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None), "what no loss depends on has no gradient"
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("chunk_size", SIZES)
@pytest.mark.parametrize("name", ["baseline", "hallucination", "modality_dropout", "ccl", "amid", "amid_u"])
def test_masks_of_the_first_pass_come_back_in_the_second(name: str, chunk_size: int) -> None:
    """Of each kind of forward pass a method: one encoder, two branches, a token, two players, an adversary, quiet and
    mixed passes; with dropout, lengths, samples that lack a modality or a label."""
    labels = torch.arange(SIZE) % CLASSES
    if METHODS[name].learns_unlabelled:
        labels[::3] = -1
    method, batch = method_of(name, dropout=0.4), batch_of(labels)
    torch.manual_seed(5)
    reference = by_hand(method, batch, chunk_size)
    expected, drawn = gradients_of(method, batch, reference), torch.rand(3)
    torch.manual_seed(5)
    made = represent(OneProcess(), method, with_mixing(method, batch), chunk_size)
    for one, other in zip(made.tensors(), reference.tensors(), strict=True):
        assert torch.equal(one, other)
        assert one.requires_grad == other.requires_grad
    assert_same_gradients(gradients_of(method, batch, made), expected)
    assert torch.equal(torch.rand(3), drawn), "what comes after the step draws what it would have drawn"


@pytest.mark.parametrize("chunk_size", [*SIZES, SIZE, SIZE + 1])
def test_without_chance_a_step_is_that_of_the_whole_batch(chunk_size: int) -> None:
    """With clipping, and of a recurrent encoder."""

    def stepped(chunk_size: int) -> dict[str, Tensor]:
        method = method_of("amid", 0.0, lambda: RNN(3, WIDTH, hidden=4))
        turns = method.turns(1000)
        for _ in range(2):
            step(
                *(OneProcess(), method, turns, {turn.name: SGD(turn.parameters, lr=0.1) for turn in turns}),
                *(batch_of(), 0.5, chunk_size),
            )
        return {**method.model.state_dict(), **method.state_dict()}

    for one, other in zip(stepped(chunk_size).values(), stepped(0).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("chunk_size", [0, *SIZES])
def test_pictures_become_numbers_chunk_by_chunk_and_their_step_is_the_whole_batch_s(
    chunk_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that readers give as bytes: no more of them than a chunk is ever on the device as numbers."""
    converted: list[int] = []
    numbers = Pixels.numbers

    def counted(self: Pixels, device: torch.device | str = "cpu") -> Tensor:
        converted.append(len(self.values))
        return numbers(self, device)

    def stepped(size: int) -> dict[str, Tensor]:
        torch.manual_seed(0)
        encoders = {"picture": MLP(3 * 4 * 4, WIDTH, hidden=8), "vectors": MLP(5, WIDTH, hidden=8)}
        method = METHODS["kd"](CrossModalModel(encoders, ["picture"], ["vectors"], WIDTH, CLASSES))
        turns = method.turns(0)
        optimizers = {turn.name: SGD(turn.parameters, lr=0.1) for turn in turns}
        step(OneProcess(), method, turns, optimizers, pictures, math.inf, size)
        return method.model.state_dict()

    random = torch.Generator().manual_seed(1)
    bytes_of = torch.randint(0, 256, (SIZE, 3, 4, 4), generator=random, dtype=torch.uint8)
    there = torch.arange(SIZE) != 5
    pictures = Batch(
        {"vectors": torch.randn(SIZE, 5, generator=random)},
        torch.arange(SIZE) % CLASSES,
        torch.arange(SIZE),
        {"picture": there},
        pixels={"picture": Pixels(bytes_of, there, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))},
    )
    whole = stepped(0)
    monkeypatch.setattr(Pixels, "numbers", counted)
    for name, value in stepped(chunk_size).items():
        torch.testing.assert_close(value, whole[name], msg=name)
    assert sum(converted) == SIZE * (2 if chunk_size else 1), "once, and in chunks again for the gradient"
    assert max(converted) <= (chunk_size or SIZE)


def test_half_precision_runs_again_in_half_precision() -> None:
    method, batch = method_of("mi", dropout=0.4), batch_of()
    method.model.float()
    inputs = {"vectors": batch.modalities["vectors"].float()}  # type: ignore[union-attr]
    steps = batch.modalities["steps"]
    batch = replace(batch, modalities=inputs | {"steps": Padded(steps.values.float(), steps.lengths)})  # type: ignore[union-attr]
    engine, found = OneProcess(precision="bf16-mixed"), []
    for make in (lambda: represent(engine, method, batch, 4), lambda: in_half_precision(method, batch)):
        torch.manual_seed(5)
        made = make()
        assert made.target.dtype == torch.float32
        found.append(gradients_of(method, batch, made))
    for one, other in zip(*found, strict=True):
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2 * float(other.abs().max()))


def in_half_precision(method: Method, batch: Batch) -> Representations:
    with torch.autocast("cpu", torch.bfloat16):
        return by_hand(method, batch, 4).map(Tensor.float)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 7, 12, 13, 20])
@pytest.mark.parametrize("mixes", [False, True])
def test_chunks_are_few_even_and_leave_pairs_together(chunk_size: int, mixes: bool) -> None:
    batch = with_mixing(method_of("amid_u", 0.0), batch_of()) if mixes else batch_of()
    parts = chunks(batch, chunk_size)
    sizes = [len(part.labels) for part in parts]
    assert torch.equal(torch.cat([part.rows for part in parts]), batch.rows)
    assert max(sizes) <= max(chunk_size, 2 if mixes else 1)
    assert max(sizes) - min(sizes) <= (3 if mixes else 1)  # an odd last sample is alone
    if not mixes or chunk_size % 2 == 0:
        assert len(parts) == max(math.ceil(SIZE / chunk_size), 1)
    if mixes:
        assert sum(int(part.mixing.whole.sum()) for part in parts if part.mixing) == int(batch.mixing.whole.sum())  # type: ignore[union-attr]


class Watched(nn.Module):
    """An encoder that knows how many of the samples that it has seen have activations still."""

    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.kept, self.most = nn.Linear(36, WIDTH), weakref.WeakSet[Tensor](), 0

    def forward(self, x: Padded) -> Tensor:
        hidden = x.values.new_zeros(len(x.values), 12, 3)
        hidden[:, : x.values.shape[1]] = x.values
        made: Tensor = self.layer(hidden.flatten(1)).exp()  # whose backward pass keeps it
        self.kept.add(made)
        self.most = max(self.most, sum(len(each) for each in self.kept))
        return made


@pytest.mark.parametrize(("chunk_size", "most"), [(0, SIZE), (1, 2), (4, 8)])
def test_no_more_than_a_chunk_s_activations_are_kept(chunk_size: int, most: int) -> None:
    """Through the step, its backward passes included; a chunk's go while the next one's come."""
    encoder = Watched()
    method = method_of("baseline", 0.0, lambda: encoder)
    turns = method.turns(0)
    step(
        *(OneProcess(), method, turns, {turn.name: SGD(turn.parameters, lr=0.1) for turn in turns}),
        *(batch_of(), math.inf, chunk_size),
    )
    assert encoder.most <= most
    assert (encoder.most == SIZE) == (chunk_size == 0)
    assert not encoder.kept, "nothing is left after the step"


class Normalised(nn.Module):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.normalisation = nn.Linear(3, WIDTH), nn.BatchNorm1d(WIDTH)

    def forward(self, x: Padded) -> Tensor:
        normalised: Tensor = self.normalisation(self.layer(x.values[:, 0]))
        return normalised


class OwnStatistics(nn.BatchNorm1d):
    """As of a sample alone, which is differentiated after later samples have moved the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        return functional.batch_norm(
            x, self.running_mean.clone(), self.running_var.clone(), self.weight, self.bias, eps=self.eps
        )


class NormalisedByHand(Normalised):
    def __init__(self) -> None:
        super().__init__()
        self.normalisation = OwnStatistics(WIDTH)


@pytest.mark.parametrize(("chunk_size", "moves"), [(5, 3), (2, 6), (1, 0)])
def test_batch_normalisation_is_of_a_chunk_and_its_statistics_move_once(chunk_size: int, moves: int) -> None:
    """A sample alone is normalised by the running statistics, which other chunks move before and after."""
    found = []
    for encoder, make in (
        (NormalisedByHand, lambda m, b: by_hand(m, b, chunk_size)),
        (Normalised, lambda m, b: represent(OneProcess(), m, b, chunk_size)),
    ):
        method = method_of("kd", 0.0, encoder)
        gradients = gradients_of(method, batch_of(), make(method, batch_of()))
        found.append((gradients, dict(method.model.named_buffers())))
    (expected, buffers), (gradients, again) = found
    assert_same_gradients(gradients, expected)
    assert int(buffers["encoders.steps.normalisation.num_batches_tracked"]) == moves
    for name, buffer in buffers.items():
        assert torch.equal(buffer, again[name]), name


class OwnChance(Normalised):
    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)

    def forward(self, x: Padded) -> Tensor:
        return super().forward(x) * float(self.random.uniform(0.9, 1.1))


class TwiceDifferentiated(MI):
    """Its loss has the gradient by an encoder in it."""

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), self._penalised)]

    def _penalised(self, made: Representations, batch: Batch) -> Objective:
        loss = self.task.loss(made.target_logits, batch.labels)
        gradients = torch.autograd.grad(loss, list(self.model.encoders["steps"].parameters()), create_graph=True)
        return Objective(loss + torch.stack([g.square().sum() for g in gradients]).sum(), {})


class SecondPlayer(MI):
    """The auxiliary model moves first, and M, through which the student learns then, is made with it."""

    views = ("target", "auxiliary", "full")

    def turns(self, epoch: int) -> Sequence[Turn]:
        auxiliary = list(self.model.encoders["vectors"].parameters())
        student = list(self.model.encoders["steps"].parameters())
        return [Turn("first", auxiliary, self._first), Turn("second", student, self._second)]

    def _first(self, made: Representations, batch: Batch) -> Objective:
        return Objective(self.task.loss(made.auxiliary_logits, batch.labels), {})

    def _second(self, made: Representations, batch: Batch) -> Objective:
        return warmup_objective(self.task, made, batch, "jsd")


OTHERWISE: dict[str, tuple[str, Callable[[], Method]]] = {
    "own chance": ("of the same samples an encoder", lambda: method_of("baseline", 0.0, OwnChance)),
    "moved meanwhile": ("of the same samples an encoder", lambda: SecondPlayer(method_of("mi", 0.0).model)),
    "second derivatives": ("a loss differentiates", lambda: TwiceDifferentiated(method_of("mi", 0.0).model)),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_would_be_another_gradient_is_one_line(what: str) -> None:
    line, make = OTHERWISE[what]
    method = make()
    turns = method.turns(0)
    optimizers = {turn.name: SGD(turn.parameters, lr=0.1) for turn in turns}
    with pytest.raises(InputError, match=f"^optimization.chunk_size: {line}"):
        step(OneProcess(), method, turns, optimizers, batch_of(), math.inf, 5)
    step(OneProcess(), method, turns, optimizers, batch_of(), math.inf)


@pytest.mark.parametrize(("fading", "labelled"), [(False, 1.0), (True, 1.0), (True, 0.75)])
def test_a_run_in_chunks_stopped_inside_its_epochs_equals_one_never_stopped(
    fading: bool, labelled: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe("amid_u")
    chosen = replace(
        chosen,
        epochs=2,
        options={"amid_u": {"fading": fading}},
        data=replace(chosen.data, labelled=labelled),
        model=replace(chosen.model, dropout=0.3),
        optimization=replace(chosen.optimization, chunk_size=24),
    )
    run(chosen, tmp_path / "unbroken", dataset=data())
    folder = tmp_path / "stopped"
    _, stops = run_with_stops(monkeypatch, 7, folder, lambda: run(chosen, folder, resume=True, dataset=data()))
    assert stops
    assert set(stops) == {signal.SIGTERM}
    assert_same_run(folder, tmp_path / "unbroken")
