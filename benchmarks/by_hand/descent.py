"""A step on one loss, typed by hand, and what several losses are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, normalize, one_hot
from torch.optim import AdamW

from crossdistill.methods import AMIDU, Method, SelfTraining
from crossdistill.types import Batch, ModalityTensors, Padded, Representations, View


def descent(method: Method, batch: Batch, loss_of: Callable[[Representations], Tensor]) -> Callable[[], object]:
    """A step on one loss by one optimiser."""
    model = method.model
    own = [p for p in method.parameters() if p.requires_grad]
    parameters = {id(p): p for p in [*model.parameters_of(*method.views), *own]}.values()
    return steps_on(lambda: loss_of(model(batch.modalities, method.views)), parameters)


def steps_on(loss_of_batch: Callable[[], Tensor], parameters: Iterable[Tensor]) -> Callable[[], object]:
    optimizer = AdamW(parameters, 1e-3, fused=True)

    def run() -> float:
        loss = loss_of_batch()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def baseline(method: Method, batch: Batch) -> Callable[[], object]:
    model = method.model
    return steps_on(
        lambda: cross_entropy(model.predict(batch.modalities).float(), batch.labels), model.parameters_of("target")
    )


def teacher(method: Method, batch: Batch) -> Callable[[], object]:
    return descent(method, batch, lambda made: cross_entropy(made.full_logits, batch.labels))


def auxiliary(method: Method, batch: Batch) -> Callable[[], object]:
    return descent(method, batch, lambda made: cross_entropy(made.auxiliary_logits, batch.labels))


def of_labels(made: Representations, labels: Tensor) -> Tensor:
    return cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels)


def mutual_information(first: Tensor, second: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """L_MI (Eq. 7, 8) as printed, and the pairs' own posteriors, from which Eq. 6 takes its bound."""
    posterior = (normalize(first) @ normalize(second).T / temperature).softmax(1)
    positive = (labels[:, None] == labels).float()
    loss = -(positive * posterior.log() + (1 - positive) * torch.log1p(-posterior)).sum(1).mean()
    return loss, posterior.detach().diagonal()


def jensen_shannon(one: Tensor, other: Tensor) -> Tensor:
    one, other = one.log_softmax(1), other.log_softmax(1)
    between = ((one.exp() + other.exp()) / 2).log()
    return (
        kl_div(between, one, reduction="batchmean", log_target=True)
        + kl_div(between, other, reduction="batchmean", log_target=True)
    ) / 2


def divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Of the student's soft labels from a teacher's, which it takes as given."""
    log_p = (student / temperature).log_softmax(1)
    return kl_div(log_p, (teacher.detach() / temperature).softmax(1), reduction="batchmean")


@torch.no_grad()
def quietly(method: Method, batch: Batch, *views: View) -> Representations:
    """What the model says without dropout and without gradient."""
    quiet: Representations = method.model.eval()(batch.modalities, views)
    method.model.train()
    return quiet


def mix(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    return weight * one + (1 - weight) * other


def targets_of(labels: Tensor, q: Tensor) -> Tensor:
    """(B, C) a sample's label where it is known, else q."""
    return torch.where((labels >= 0)[:, None], one_hot(labels.clamp_min(0), q.shape[1]), q)


def of_mixtures(method: AMIDU | SelfTraining, inputs: ModalityTensors, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of the student on pairs of samples mixed, each times its samples' weights, mixed alike; 0 of what
    the method does not mix."""
    if not method.model.can_mix:
        return weights.new_zeros(())
    weight = torch.distributions.Beta(method.mixing, method.mixing).sample(torch.Size((len(targets), 1)))
    order = torch.randperm(len(targets))
    logits = method.model.predict(mixed_inputs(method, inputs, order, weight))
    losses = cross_entropy(logits, mix(targets, targets[order], weight), reduction="none")
    return (losses * mix(weights, weights[order], weight[:, 0])).mean()


def mixed_inputs(method: Method, inputs: ModalityTensors, order: Tensor, weight: Tensor) -> ModalityTensors:
    """The target modalities of each sample, mixed with those of another."""
    mixed = {}
    for name in method.model.target:
        x = inputs[name]
        values = x.values if isinstance(x, Padded) else x
        blend = mix(values, values[order], weight.view(-1, *[1] * (values.ndim - 1)))
        mixed[name] = Padded(blend, torch.maximum(x.lengths, x.lengths[order])) if isinstance(x, Padded) else blend
    return mixed
