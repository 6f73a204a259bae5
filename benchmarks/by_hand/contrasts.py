"""Methods that contrast or relate samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, logsigmoid, normalize, one_hot, pdist, smooth_l1_loss
from torch.optim import AdamW

from by_hand.descent import descent, jensen_shannon, mutual_information, of_labels
from crossdistill.methods import CCL, CMC, CRCD, CRD, GMC, MI, RKD
from crossdistill.types import Batch, Representations


def rkd(method: RKD, batch: Batch) -> Callable[[], object]:
    triplets = len(batch.labels) * (len(batch.labels) - 1) * (len(batch.labels) - 2)

    def angles(x: Tensor) -> Tensor:
        unit = normalize(x[None] - x[:, None], dim=2)
        return unit @ unit.transpose(1, 2)

    def loss(made: Representations) -> Tensor:
        student, teacher = made.target, made.full.detach()
        one, other = pdist(student), pdist(teacher)
        distance = smooth_l1_loss(one / one.mean(), other / other.mean())
        angle = smooth_l1_loss(angles(student), angles(teacher), reduction="sum") / triplets
        relations = method.distance_weight * distance + method.angle_weight * angle
        return cross_entropy(made.target_logits, batch.labels) + relations

    return descent(method, batch, loss)


def mi(method: MI, batch: Batch) -> Callable[[], object]:
    def loss(made: Representations) -> Tensor:
        contrast, _ = mutual_information(made.full, made.target, batch.labels, method.temperature)
        divergence = jensen_shannon(made.target_logits, made.full_logits)
        return of_labels(made, batch.labels) + divergence + method.alpha_1 * contrast

    return descent(method, batch, loss)


def gmc(method: GMC, batch: Batch) -> Callable[[], object]:
    def nt_xent(one: Tensor, other: Tensor) -> Tensor:
        both = normalize(torch.cat([one, other]))
        similarity = (both @ both.T / method.temperature).fill_diagonal_(-torch.inf)
        return cross_entropy(similarity, torch.arange(len(both)).roll(len(one)))

    def loss(made: Representations) -> Tensor:
        joint, student, auxiliary = map(method.projection, (made.full, made.target, made.auxiliary))
        contrast = nt_xent(joint, student) + nt_xent(joint, auxiliary)
        return of_labels(made, batch.labels) + method.contrast_weight * contrast

    return descent(method, batch, loss)


def class_contrast(first: Tensor, second: Tensor, labels: Tensor, temperature: float) -> Tensor:
    similarity = normalize(first) @ normalize(second).T / temperature
    positive = (labels[:, None] == labels).float()
    positives, negatives = positive.sum(1), (1 - positive).sum(1).clamp_min(1)
    total = similarity.new_zeros(())
    for log_p in (similarity.log_softmax(1), similarity.T.log_softmax(1)):
        others = torch.log1p(-log_p.exp()) * (1 - positive)
        total = total - ((log_p * positive).sum(1) / positives + others.sum(1) / negatives).mean()
    return total


def symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    one, other = one.log_softmax(1), other.log_softmax(1)
    return kl_div(one, other, reduction="batchmean", log_target=True) + kl_div(
        other, one, reduction="batchmean", log_target=True
    )


def ccl(method: CCL, batch: Batch) -> Callable[[], object]:
    model, composition, tau, labels = method.model, method.composition, method.temperature, batch.labels
    of_composition = AdamW([*composition.parameters(), *model.parameters_of("auxiliary")], 1e-3, fused=True)
    of_student = AdamW(model.parameters_of("target"), 1e-3, fused=True)

    def run() -> None:
        made = model(batch.modalities, ("target", "auxiliary"))
        target, logits = made.target.detach(), made.target_logits.detach()
        composed, composed_logits = composition(made.auxiliary, target)
        loss = cross_entropy(composed_logits, labels) + symmetric_kl(logits, composed_logits)
        loss = loss + class_contrast(target, composed, labels, tau)
        loss = loss + class_contrast(composed, made.auxiliary, labels, tau)
        of_composition.zero_grad()
        torch.autograd.backward(loss, inputs=[p for group in of_composition.param_groups for p in group["params"]])
        of_composition.step()
        auxiliary = made.auxiliary.detach()
        composed, composed_logits = composition(auxiliary, made.target)
        loss = cross_entropy(made.target_logits, labels) + symmetric_kl(made.target_logits, composed_logits)
        loss = loss + class_contrast(made.target, composed, labels, tau)
        loss = loss + class_contrast(made.target, auxiliary, labels, tau)
        of_student.zero_grad()
        torch.autograd.backward(loss, inputs=[p for group in of_student.param_groups for p in group["params"]])
        of_student.step()
        loss.item()

    return run


def memory_contrast(method: CRD | CMC, batch: Batch, other: str) -> Callable[[], object]:
    """Both directions of noise contrast, against all training samples that may be negatives."""
    model, contrast, labels = method.model, method.contrast, batch.labels
    views, samples = ("target", other), len(contrast.sampler.rows)
    known = contrast.sampler.rows.to(labels.device)
    banks = [bank.vectors.clone() for bank in (contrast.bank_first, contrast.bank_second)]
    embeddings = [contrast.embed_first, contrast.embed_second]
    parameters = [p for p in model.parameters_of(*views) if p.requires_grad] + list(contrast.parameters())
    optimizer, tau = AdamW(parameters, 1e-3, fused=True), contrast.temperature

    def run() -> None:
        made = model(batch.modalities, views)
        places = torch.searchsorted(known, batch.rows)
        second = made.representations[other]
        sides = [made.target, second.detach() if other == "full" else second]
        allowed = torch.arange(samples) != places[:, None]
        loss = cross_entropy(made.target_logits, labels)
        if other == "full":
            allowed &= contrast.sampler.labels != labels[:, None]
            loss = loss + cross_entropy(made.full_logits, labels)
        threshold = (allowed.sum(1, keepdim=True) / samples).log() + contrast.log_normalizers.mean()
        new = [normalize(embedding(side)) for embedding, side in zip(embeddings, sides, strict=True)]
        for anchors, bank in zip(new, reversed(banks), strict=True):
            scores = anchors @ bank.T / tau - threshold
            positive = logsigmoid(scores.gather(1, places[:, None]))
            loss = loss - (positive.sum() + (logsigmoid(-scores) * allowed).sum()) / len(labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for bank, embedding, side in zip(banks, embeddings, sides, strict=True):
                bank[places] = normalize(0.5 * bank[places] + 0.5 * normalize(embedding(side)))
        loss.item()

    return run


def crd(method: CRD, batch: Batch) -> Callable[[], object]:
    return memory_contrast(method, batch, "full")


def cmc(method: CMC, batch: Batch) -> Callable[[], object]:
    return memory_contrast(method, batch, "auxiliary")


def crcd(method: CRCD, batch: Batch) -> Callable[[], object]:
    model, labels = method.model, batch.labels
    size = max(method.queue.size, len(labels))
    queue = [method.queue.features.clone(), method.queue.gradients.clone(), method.queue.labels.clone()]

    def elements(features: Tensor, logits: Tensor, weight: Tensor) -> list[Tensor]:
        errors = logits.softmax(1) - one_hot(labels, logits.shape[1])
        return [normalize(features), normalize(errors @ weight)]

    def loss(made: Representations) -> Tensor:
        student = elements(made.target, made.target_logits, model.classifier.weight)
        with torch.no_grad():
            teacher = elements(made.full, made.full_logits, model.classifier_of("full").weight)
        *candidates, of_labels = (torch.cat([a, b])[:size] for a, b in zip([*teacher, labels], queue, strict=True))
        negatives = (of_labels != labels[:, None]) & (of_labels >= 0)
        total = cross_entropy(made.target_logits, labels)
        networks = (method.features, method.feature_weight), (method.gradients, method.gradient_weight)
        for (pair, weight), own, others in zip(networks, student, candidates, strict=True):
            anchors = others[: method.anchors]
            cross, between = normalize(pair.cross(anchors, own), dim=2), normalize(pair.teacher(anchors, others), dim=2)
            distance = (1 - cross @ between.transpose(1, 2)) / method.temperature
            log_others = torch.log1p(-(-distance.clamp_min(1e-6 / method.temperature)).exp()) * negatives
            total = total + weight * (distance.diagonal(dim1=1, dim2=2) - log_others.sum(2)).mean()
        queue[:] = [kept[: method.queue.size] for kept in (*candidates, of_labels)]
        return total

    return descent(method, batch, loss)
