"""From batch to step: the one training loop of every method."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from crossdistill.methods import Method
from crossdistill.training.checkpoint import Checkpoint
from crossdistill.training.chunks import represent
from crossdistill.training.distributed import average_gradients, gather, mean_over_ranks, on_first_rank
from crossdistill.training.engine import Engine
from crossdistill.training.finite import LOOKED_AT, LossWatch
from crossdistill.training.incomplete import divide
from crossdistill.training.optimizers import SGD, Adam, AdamW
from crossdistill.training.passes import with_mixing
from crossdistill.training.pauses import GO_ON, SAVE, Agreement, EpochSoFar, Interrupted
from crossdistill.training.settings import Optimization, learning_rate_factor
from crossdistill.training.sharding import WHOLE, Shards, encoder_parameters
from crossdistill.training.turns import turns_in
from crossdistill.types import Batch, InputError, Note, Turn


@dataclass(frozen=True)
class Stage:
    """One method for a number of epochs. A run is a list of them: pre-training where there is any, then the method.

    before: what is done to the model before the stage begins, and again before it is resumed: copying, freezing.
    """

    index: int
    name: str
    method: Method
    epochs: int
    before: tuple[Callable[[], None], ...] = ()


Record = dict[str, float | int | str]


@dataclass(frozen=True)
class Observer:
    """What a run does beside training: it measures, records, saves, and may ask for a stop.

    evaluate: measured after each epoch on rank 0, never used to choose anything; finish_epoch: takes the epoch's
    record, on rank 0; finish_reading: takes, on every rank, what went wrong in reading the epoch's samples, and how
    many this rank has asked for; wish: asked after each step, `GO_ON`, or `SAVE` for a checkpoint inside the epoch, or
    a signal's number: then Interrupted is raised, once that is saved; save: takes a checkpoint, on rank 0; called: how
    an error calls the samples in these rows of the data set
    """

    evaluate: Callable[[Method, int], Mapping[str, float]] = lambda method, epoch: {}
    finish_epoch: Callable[[Record, int], None] = lambda record, epoch: None
    finish_reading: Callable[[Sequence[Note], int], None] = lambda notes, asked: None
    wish: Callable[[], int] = lambda: GO_ON
    save: Callable[[Callable[[], Checkpoint]], None] = lambda take: None
    called: Callable[[Sequence[int]], str] = lambda rows: f"{len(rows)} samples"


def fit(
    engine: Engine,
    stage: Stage,
    batches: Callable[[int, int], Iterable[Batch]],
    settings: Optimization,
    seed: int,
    resume: Checkpoint | None,
    observer: Observer,
    checkpoint_every: int = 1,
    sharded: bool = False,
) -> None:
    """Train the stage's method, from `resume` where it is a checkpoint of this stage.

    batches: epoch and its first step -> this rank's share of each global batch; checkpoint_every: epochs after which
    the observer is given a checkpoint to save, as after the last; sharded: as `Machine` has it; the model is whole
    again, on its device, when this returns.
    """
    method = stage.method
    model = engine.to_device(method.model)
    engine.to_device(method)
    optimizers = build_optimizers(method, stage.epochs, settings)
    shards = Shards(engine, encoder_parameters(model, optimizers) if sharded else ())
    if resume is not None:
        resume.restore(model, method, optimizers, shards.cut)
    shards.divide()
    losses = LossWatch(engine, stage.name, observer.called)
    agreement, inside = Agreement(engine), resume.inside if resume is not None else {}
    for epoch in range(resume.epoch if resume is not None else 0, stage.epochs):
        torch.manual_seed(epoch_seed(seed, stage.index, epoch, engine.global_rank))
        model.hold(())
        turns = method.turns(epoch)
        learning_rate = set_learning_rates(optimizers, turns, settings, epoch, stage.epochs)
        model.hold(method.held(epoch), [p for turn in turns for p in turn.parameters])
        model.train()
        so_far = EpochSoFar.restored(inside, engine, method) if inside else EpochSoFar()
        started, inside = time.perf_counter() - so_far.seconds, {}
        for batch in batches(epoch, so_far.steps):
            made = step(engine, method, turns, optimizers, batch, settings.clip_norm, settings.chunk_size, shards)
            so_far.add(batch, made.terms, made.measures, made.weights)
            losses.add(so_far.steps, batch.rows, made.terms)
            agreed = agreement.reached(observer.wish())
            if so_far.steps % LOOKED_AT == 0 or agreed >= SAVE:
                losses.look(epoch)
            if agreed >= SAVE:
                paused = time.perf_counter()
                stored = so_far.stored(engine, method, paused - started)
                take = partial(Checkpoint.of, stage.index, epoch, model, method, shards.states(optimizers), stored)
                with shards.whole():
                    on_first_rank(engine, partial(observer.save, take))
                started += time.perf_counter() - paused
            if agreed > SAVE:
                raise Interrupted(agreed)
        losses.look(epoch)
        observer.finish_reading(so_far.notes, so_far.asked)
        record = _told(engine, stage, epoch, so_far, learning_rate)
        record["seconds"] = time.perf_counter() - started
        with shards.whole():
            on_first_rank(engine, partial(_measure_and_finish, record, method, epoch, observer))
            if (epoch + 1) % checkpoint_every == 0 or epoch + 1 == stage.epochs:
                take = partial(Checkpoint.of, stage.index, epoch + 1, model, method, shards.states(optimizers))
                on_first_rank(engine, partial(observer.save, take))
    model.hold(())
    shards.close()


def _told(engine: Engine, stage: Stage, epoch: int, so_far: EpochSoFar, learning_rate: float) -> Record:
    """What is recorded of an epoch's training: means over its steps and over ranks."""
    so_far.terms.share(partial(mean_over_ranks, engine))
    so_far.measures.share(partial(mean_over_ranks, engine))
    terms = so_far.terms.read()
    if not terms:
        raise InputError(
            f"{stage.name}, epoch {epoch}: no training sample could be read with all modalities that {stage.name} "
            "learns from; the notes of the run, notes.txt in its folder, name what is wrong with each"
        )
    measures = so_far.measures.read() | stage.method.end_epoch(epoch)
    return {
        "stage": stage.name,
        "epoch": epoch,
        "learning_rate": learning_rate,
        **{f"training/loss/{name}": value for name, value in terms.items()},
        **{f"training/{name}": value for name, value in measures.items()},
    }


def _measure_and_finish(record: Record, method: Method, epoch: int, observer: Observer) -> None:
    observer.finish_epoch({**record, **observer.evaluate(method, epoch)}, epoch)


@dataclass(frozen=True)
class Step:
    """What the turns of a step had in their objectives: terms and measures by name, and how much a term counts in an
    epoch's mean where that is not 1."""

    terms: dict[str, Tensor]
    measures: dict[str, Tensor]
    weights: dict[str, Tensor]


def step(
    engine: Engine,
    method: Method,
    turns: Iterable[Turn],
    optimizers: Mapping[str, Optimizer],
    batch: Batch,
    clip_norm: float,
    chunk_size: int = 0,
    shards: Shards = WHOLE,
) -> Step:
    """One global batch: its representations, then each player's move.

    chunk_size: samples that encoders see at a time, 0 for all; see `represent`
    shards: parameters that are divided among ranks before the step and after it
    A turn without a sample that it could learn from is skipped, and so is `end_step` without a complete one.
    """
    batch = with_mixing(method, batch)
    local = represent(engine, method, batch, chunk_size, shards)
    samples = divide(method, *gather(engine, local, batch))
    made = Step({}, {}, {})
    for turn in filter(samples.can_learn, turns):
        objective = samples.objective(turn)
        optimizers[turn.name].zero_grad()
        everywhere = shards.expect(turn.parameters)
        torch.autograd.backward(objective.total, inputs=list(turn.parameters))  # leaves no gradient on the other player
        shards.settle()
        average_gradients(engine, everywhere)
        shards.clip(turn.parameters, clip_norm)
        optimizers[turn.name].step()
        made.terms.update({name: term.detach() for name, term in objective.terms.items()})
        made.measures.update(objective.measures)
    made.weights.update(samples.weights(made.terms))
    shards.divide()
    if samples.complete_count > 0:
        method.end_step(samples.complete, samples.batch)
    return made


def build_optimizers(method: Method, epochs: int, settings: Optimization) -> dict[str, Optimizer]:
    """One optimiser for each turn that occurs in any epoch, by the turn's name."""
    turns = {turn.name: turn for epoch in range(epochs) for turn in turns_in(method, epoch)}
    return {name: build_optimizer(turn, settings) for name, turn in turns.items()}


def build_optimizer(turn: Turn, settings: Optimization) -> Optimizer:
    if turn.adversary:
        return Adam(turn.parameters, settings.discriminator_learning_rate, betas=(0.5, 0.999), fused=True)
    if settings.name == "sgd":  # the fused one fails where some parameters get their first gradient later than others
        return SGD(
            turn.parameters, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay, foreach=True
        )
    optimizer = AdamW if settings.name == "adamw" else Adam
    return optimizer(turn.parameters, settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def set_learning_rates(
    optimizers: Mapping[str, Optimizer], turns: Iterable[Turn], settings: Optimization, epoch: int, epochs: int
) -> float:
    """Put this epoch's learning rate into the players' optimisers, and return it."""
    learning_rate = settings.learning_rate * learning_rate_factor(settings, epoch, epochs)
    for turn in turns:
        if not turn.adversary:
            for group in optimizers[turn.name].param_groups:
                group["lr"] = learning_rate
    return learning_rate


def epoch_seed(seed: int, stage: int, epoch: int, rank: int) -> int:
    """Each epoch's random numbers depend on these four alone, so that a resumed run draws what it would have drawn."""
    digest = hashlib.sha256(f"{seed}/{stage}/{epoch}/{rank}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
