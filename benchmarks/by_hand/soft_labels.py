"""Methods that learn another's soft labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, normalize, one_hot

from by_hand.descent import descent, divergence, of_mixtures, quietly, targets_of
from crossdistill.methods import C2KD, DIST, DKD, KD, MST, GeneralizedDistillation, SelfTraining
from crossdistill.types import Batch, Representations


def kd(method: KD, batch: Batch) -> Callable[[], object]:
    temperature = method.temperature

    def loss(made: Representations) -> Tensor:
        soft = divergence(made.target_logits, made.full_logits, temperature)
        hard = cross_entropy(made.target_logits, batch.labels)
        return method.hard_weight * hard + method.soft_weight * temperature**2 * soft

    return descent(method, batch, loss)


def dkd(method: DKD, batch: Batch) -> Callable[[], object]:
    """As in the published code: the own class is kept out of the others by a large number."""
    temperature = method.temperature

    def loss(made: Representations) -> Tensor:
        own = one_hot(batch.labels, made.target_logits.shape[1])
        student, teacher = made.target_logits / temperature, made.full_logits.detach() / temperature
        p, q = ((logits.softmax(1) * own).sum(1) for logits in (student, teacher))
        binary = torch.stack([p, 1 - p], 1), torch.stack([q, 1 - q], 1)
        target = kl_div(binary[0].log(), binary[1], reduction="batchmean")
        others = (student - 1000 * own).log_softmax(1), (teacher - 1000 * own).softmax(1)
        soft = method.alpha * target + method.beta * kl_div(*others, reduction="batchmean")
        return cross_entropy(made.target_logits, batch.labels) + temperature**2 * soft

    return descent(method, batch, loss)


def dist(method: DIST, batch: Batch) -> Callable[[], object]:
    def correlation_loss(one: Tensor, other: Tensor) -> Tensor:
        one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
        return 1 - (normalize(one) * normalize(other)).sum(1).mean()

    def loss(made: Representations) -> Tensor:
        student, teacher = made.target_logits.softmax(1), made.full_logits.detach().softmax(1)
        between = method.beta * correlation_loss(student, teacher) + method.gamma * correlation_loss(
            student.T, teacher.T
        )
        return cross_entropy(made.target_logits, batch.labels) + between

    return descent(method, batch, loss)


def generalized_distillation(method: GeneralizedDistillation, batch: Batch) -> Callable[[], object]:
    def loss(made: Representations) -> Tensor:
        said = made.auxiliary_logits / method.temperature
        hard = cross_entropy(made.target_logits, batch.labels)
        return (1 - method.imitation) * hard + method.imitation * divergence(made.target_logits, said)

    return descent(method, batch, loss)


def self_training(method: SelfTraining, batch: Batch) -> Callable[[], object]:
    labels, known = batch.labels, batch.labels >= 0

    def loss(made: Representations) -> Tensor:
        q = quietly(method, batch, "target").target_logits.softmax(1) ** method.sharpening
        q = q / q.sum(1, keepdim=True)
        weights = torch.where(known, 1.0, method.unlabelled_weight)
        soft = (cross_entropy(made.target_logits, q, reduction="none") * weights).mean()
        soft = soft + of_mixtures(method, batch.modalities, targets_of(labels, q), weights)
        return cross_entropy(made.target_logits[known], labels[known]) + method.soft_weight * soft

    return descent(method, batch, loss)


def c2kd(method: C2KD, batch: Batch) -> Callable[[], object]:
    labels = batch.labels

    def both_ways(one: Tensor, other: Tensor) -> Tensor:
        return divergence(one, other) + divergence(other, one)

    def loss(made: Representations) -> Tensor:
        student, teacher = made.target_logits, made.auxiliary_logits
        proxies = method.student_proxy(made.target), method.teacher_proxy(made.auxiliary)
        first, second = ((x.detach()[:, :, None] - x.detach()[:, None, :]).sign() for x in proxies)
        ties = first.abs().sum((1, 2)) * second.abs().sum((1, 2))
        selected = (first * second).sum((1, 2)) / ties.sqrt() > method.threshold
        others = one_hot(labels, student.shape[1]) == 0
        one, other = (x[others].view(len(labels), -1)[selected] for x in proxies)
        crossmodal = both_ways(one, other) * len(one) / len(labels)
        unimodal = both_ways(student, proxies[0]) + both_ways(teacher, proxies[1])
        total = cross_entropy(student, labels) + cross_entropy(teacher, labels)
        selected.float().mean().item()
        return total + method.unimodal_weight * unimodal + method.crossmodal_weight * crossmodal

    return descent(method, batch, loss)


def mst(method: MST, batch: Batch) -> Callable[[], object]:
    """The last stage, as in the published code: teachers and masks run in each step."""
    temperature, model = method.temperature, method.model

    def loss(made: Representations) -> Tensor:
        with torch.no_grad():
            teachers = [
                model.classifier_of(view)(method.masks[view](made.representations[view]) * made.representations[view])
                for view in ("auxiliary", "full")
            ]
        routing = method.router(made.target_logits)
        log_student = (made.target_logits / temperature).log_softmax(1)
        apart = [kl_div(log_student, (x / temperature).softmax(1), reduction="none").sum(1) for x in teachers]
        soft = torch.stack(apart, 1).gather(1, routing.topk(method.top, 1).indices).mean()
        used = routing.softmax(1).mean(0)
        balance = (-used.log() - torch.tensor(float(len(used))).log()).mean()
        hard = cross_entropy(made.target_logits, batch.labels)
        return hard + method.soft_weight * temperature**2 * soft + method.balance_weight * balance

    return descent(method, batch, loss)
