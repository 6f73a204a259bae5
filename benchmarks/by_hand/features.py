"""Methods that bring features closer to another's, or do without some of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, mse_loss, normalize

from by_hand.descent import descent, divergence
from crossdistill.methods import COMODO, FDCMKD, FitNets, Hallucination, ModalityDropout
from crossdistill.types import Batch, Representations


def modality_dropout(method: ModalityDropout, batch: Batch) -> Callable[[], object]:
    dropped = torch.arange(len(batch.labels)) < round(method.rate * len(batch.labels))

    def loss(made: Representations) -> Tensor:
        return cross_entropy(torch.where(dropped[:, None], made.target_logits, made.full_logits), batch.labels)

    return descent(method, batch, loss)


def hallucination(method: Hallucination, batch: Batch) -> Callable[[], object]:
    def loss(made: Representations) -> Tensor:
        seeing, hallucinating = made.passes["seeing"], made.passes["hallucinating"]
        logits = [made.target_logits, seeing.target_logits, hallucinating.target_logits, made.auxiliary_logits]
        logits.append((seeing.target_logits + made.auxiliary_logits) / 2)
        apart = (hallucinating.target.sigmoid() - made.auxiliary.detach().sigmoid()).square().sum(1).mean()
        return torch.stack([cross_entropy(x, batch.labels) for x in logits]).sum() + method.weight * apart

    return descent(method, batch, loss)


def fitnets(method: FitNets, batch: Batch) -> Callable[[], object]:
    """The second stage, at its end."""
    weight = method.soft_weight_at(method.hint_epochs + method.anneal_epochs - 1)

    def loss(made: Representations) -> Tensor:
        soft = divergence(made.target_logits, made.full_logits, method.temperature)
        hint = mse_loss(method.regressor(made.target), made.full.detach()) / 2
        return cross_entropy(made.target_logits, batch.labels) + weight * soft + method.hint_weight * hint

    return descent(method, batch, loss)


def fd_cmkd(method: FDCMKD, batch: Batch) -> Callable[[], object]:
    labels = batch.labels

    def bands(features: Tensor) -> list[Tensor]:
        spectrum, width = torch.fft.rfft(features), features.shape[1]
        place, border = torch.arange(spectrum.shape[1]), (width // 2 + 1) // 2
        masks = (place > 0) & (place <= border), place > border
        return [torch.fft.irfft(spectrum * mask, n=width) for mask in masks]

    def compressed(x: Tensor) -> Tensor:
        return x.sign() * x.abs().log1p()

    def loss(made: Representations) -> Tensor:
        student, teacher = bands(made.target), bands(made.auxiliary.detach())
        (low, high), (other_low, other_high) = ([normalize(x) for x in both] for both in (student, teacher))
        total = cross_entropy(made.target_logits, labels)
        total = total + method.weight * (mse_loss(low, other_low) + mse_loss(compressed(high), compressed(other_high)))
        for shared, own, one, other in zip(method.shared, method.own, student, teacher, strict=True):
            alignment = cross_entropy(shared(one), labels) + cross_entropy(shared(other), labels)
            total = total + method.alignment_weight * alignment + cross_entropy(own(one), labels)
        return total

    return descent(method, batch, loss)


def comodo(method: COMODO, batch: Batch) -> Callable[[], object]:
    size, queue = method.queue.size, [torch.zeros(0, method.model.width)]

    def loss(made: Representations) -> Tensor:
        teacher = normalize(made.auxiliary.detach())
        remembered = torch.cat([teacher, queue[0]])
        student = normalize(method.head(made.target)) @ remembered.T / method.student_temperature
        soft = (teacher @ remembered.T / method.teacher_temperature).softmax(1)
        queue[0] = remembered[:size]
        alike = kl_div(student.log_softmax(1), soft, reduction="batchmean")
        return cross_entropy(made.target_logits, batch.labels) + method.weight * alike

    return descent(method, batch, loss)
