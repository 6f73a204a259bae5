"""AMID and what was made of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize
from torch.optim import Adam, AdamW

from by_hand.descent import descent, jensen_shannon, mutual_information, of_labels, of_mixtures, quietly, targets_of
from crossdistill.methods import AMID, AMIDU
from crossdistill.types import Batch, Representations


def class_means(first: Tensor, second: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The same as L_MI with means over positives and over negatives in place of sums."""
    posterior = (normalize(first) @ normalize(second).T / temperature).softmax(1)
    positive = (labels[:, None] == labels).float()
    own = (positive * posterior.log()).sum(1) / positive.sum(1)
    others = ((1 - positive) * torch.log1p(-posterior)).sum(1) / (1 - positive).sum(1).clamp_min(1)
    return -(own + others).mean(), posterior.detach().diagonal()


def amid(method: AMID, batch: Batch) -> Callable[[], object]:
    model, labels, (lambda_1, lambda_2) = method.model, batch.labels, method.adversary.weights
    of_model = AdamW(model.parameters_of(*method.views), 1e-3, fused=True)
    d1, d2 = method.adversary.d1, method.adversary.d2
    discriminators = [*d1.parameters(), *d2.parameters()]
    of_discriminators = Adam(discriminators, 1e-4, betas=(0.5, 0.999), fused=True)
    others = (labels[:, None] == labels).fill_diagonal_(False)
    contrast_of = mutual_information if method.reduction == "sum" else class_means

    def run() -> None:
        made = model(batch.modalities, method.views)
        anchors = others.any(1).nonzero()[:, 0]
        partners = torch.multinomial(others[anchors].float(), 1)[:, 0]
        contrast, own = contrast_of(made.full, made.target, labels, method.temperature)
        of_auxiliary, _ = contrast_of(made.full, made.auxiliary, labels, method.temperature)
        loss = of_labels(made, labels) + jensen_shannon(made.target_logits, made.full_logits)
        loss = loss + method.alpha_1 * contrast + method.alpha_2 * of_auxiliary
        told = logsigmoid(d1(made.target)).mean(), logsigmoid(d2(made.target[partners])).mean()
        loss = loss - method.alpha_3 * (lambda_1 * told[0] + lambda_2 * told[1])
        of_model.zero_grad()
        torch.autograd.backward(loss, inputs=[p for group in of_model.param_groups for p in group["params"]])
        of_model.step()
        full, target = made.full.detach(), made.target.detach()
        first = logsigmoid(d1(full)) + logsigmoid(-d1(target))
        second = logsigmoid(d2(full[anchors])) + logsigmoid(-d2(target[partners]))
        game = -lambda_1 * first.mean() - lambda_2 * second.mean()
        of_discriminators.zero_grad()
        game.backward()
        of_discriminators.step()
        cosines = normalize(full) @ normalize(target).T
        logged = [loss, game, own.log().mean(), cosines.diagonal().mean(), cosines[others].mean()]
        torch.stack([value.detach() for value in logged]).tolist()

    return run


def amid_u(method: AMIDU, batch: Batch) -> Callable[[], object]:
    labels, known = batch.labels, batch.labels >= 0

    def teachers_word() -> Tensor:
        quiet = quietly(method, batch, "auxiliary", "full")
        q = ((quiet.full_logits.softmax(1) + quiet.auxiliary_logits.softmax(1)) / 2) ** method.sharpening
        return q / q.sum(1, keepdim=True)

    def contrast(one: Tensor, other: Tensor, targets: Tensor) -> Tensor:
        positive = (labels[:, None] == labels) & known | torch.eye(len(labels), dtype=torch.bool)
        weights = torch.where(positive, 1.0, 1 - targets @ targets.T)
        scores = normalize(one) @ normalize(other).T / method.temperature + weights.clamp_min(1e-12).log()
        posterior, negatives = scores.softmax(1), weights * ~positive
        loss = (positive * posterior.log()).sum(1) / positive.sum(1)
        loss = loss + (negatives * torch.log1p(-posterior)).sum(1) / negatives.sum(1).clamp_min(1)
        return -loss.mean()

    def loss(made: Representations) -> Tensor:
        q = teachers_word()
        targets = targets_of(labels, q)
        weights = torch.where(known, 1.0, method.unlabelled_weight)
        total = of_mixtures(method, batch.modalities, targets, weights)
        total = total + (cross_entropy(made.target_logits, q, reduction="none") * weights).mean()
        for logits in (made.target_logits, made.full_logits, made.auxiliary_logits):
            total = total + cross_entropy(logits[known], labels[known])
        total = total + method.alpha_1 * contrast(made.full, made.target, targets)
        total = total + method.alpha_2 * contrast(made.full, made.auxiliary, targets)
        with torch.no_grad():
            _, own = mutual_information(made.full, made.target, labels, method.temperature)
            own.log().mean().item()
        return total

    return descent(method, batch, loss)
