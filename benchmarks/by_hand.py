"""Steps of a few methods as one would type them: the model's own forward pass, then losses and optimisers by hand.

What they leave out is what they would not have: other reductions and divergences, samples that lack something, a bank
that is larger than its candidates, gradients that survive any temperature, a log.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, logsigmoid, normalize
from torch.optim import AdamW

from crossdistill.methods import CCL, CMC, CRD, Method
from crossdistill.types import Batch


def baseline(method: Method, batch: Batch) -> Callable[[], object]:
    model = method.model
    optimizer = AdamW(model.parameters_of("target"), 1e-3, fused=True)

    def run() -> None:
        loss = cross_entropy(model.predict(batch.modalities).float(), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return run


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
    banks = [bank.vectors.clone() for bank in (contrast.bank_first, contrast.bank_second)]
    embeddings = [contrast.embed_first, contrast.embed_second]
    parameters = [p for p in model.parameters_of(*views) if p.requires_grad] + list(contrast.parameters())
    optimizer, tau = AdamW(parameters, 1e-3, fused=True), contrast.temperature

    def run() -> None:
        made = model(batch.modalities, views)
        places = torch.searchsorted(contrast.sampler.rows, batch.rows)
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


BY_HAND: dict[str, Callable[..., Callable[[], object]]] = {"baseline": baseline, "ccl": ccl, "crd": crd, "cmc": cmc}
