"""Steps of a few methods as one would type them: the model's own forward pass, then losses and optimisers by hand.

What they leave out is what they would not have: other reductions and divergences, samples that lack something, a bank
that is larger than its candidates, gradients that survive any temperature, a log.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, logsigmoid, normalize, one_hot, pdist, smooth_l1_loss
from torch.optim import Adam, AdamW

from crossdistill.methods import AMID, AMIDU, CCL, CMC, CRD, DIST, GMC, KD, MI, RKD, Method
from crossdistill.types import Batch, Representations


def baseline(method: Method, batch: Batch) -> Callable[[], object]:
    model = method.model
    optimizer = AdamW(model.parameters_of("target"), 1e-3, fused=True)

    def run() -> float:
        loss = cross_entropy(model.predict(batch.modalities).float(), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def descent(method: Method, batch: Batch, loss_of: Callable[[Representations], Tensor]) -> Callable[[], object]:
    """A step on one loss of the method's views, by one optimiser."""
    model = method.model
    own = [p for p in method.parameters() if p.requires_grad]
    optimizer = AdamW({id(p): p for p in [*model.parameters_of(*method.views), *own]}.values(), 1e-3, fused=True)

    def run() -> float:
        loss = loss_of(model(batch.modalities, method.views))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def of_labels(made: Representations, labels: Tensor) -> Tensor:
    return cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels)


def kd(method: KD, batch: Batch) -> Callable[[], object]:
    temperature = method.temperature

    def loss(made: Representations) -> Tensor:
        student = (made.target_logits / temperature).log_softmax(1)
        teacher = (made.full_logits.detach() / temperature).softmax(1)
        soft = kl_div(student, teacher, reduction="batchmean")
        hard = cross_entropy(made.target_logits, batch.labels)
        return method.hard_weight * hard + method.soft_weight * temperature**2 * soft

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


def rkd(method: RKD, batch: Batch) -> Callable[[], object]:
    def angles(x: Tensor) -> Tensor:
        unit = normalize(x[None] - x[:, None], dim=2)
        return unit @ unit.transpose(1, 2)

    def loss(made: Representations) -> Tensor:
        student, teacher = made.target, made.full.detach()
        one, other = pdist(student), pdist(teacher)
        distance = smooth_l1_loss(one / one.mean(), other / other.mean())
        relations = method.distance_weight * distance + method.angle_weight * smooth_l1_loss(
            angles(student), angles(teacher)
        )
        return cross_entropy(made.target_logits, batch.labels) + relations

    return descent(method, batch, loss)


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


def amid(method: AMID, batch: Batch) -> Callable[[], object]:
    model, labels, (lambda_1, lambda_2) = method.model, batch.labels, method.weights
    of_model = AdamW(model.parameters_of(*method.views), 1e-3, fused=True)
    discriminators = [*method.d1.parameters(), *method.d2.parameters()]
    of_discriminators = Adam(discriminators, 1e-4, betas=(0.5, 0.999), fused=True)
    others = (labels[:, None] == labels).fill_diagonal_(False)

    def run() -> None:
        made = model(batch.modalities, method.views)
        anchors = others.any(1).nonzero()[:, 0]
        partners = torch.multinomial(others[anchors].float(), 1)[:, 0]
        contrast, own = mutual_information(made.full, made.target, labels, method.temperature)
        of_auxiliary, _ = mutual_information(made.full, made.auxiliary, labels, method.temperature)
        loss = of_labels(made, labels) + jensen_shannon(made.target_logits, made.full_logits)
        loss = loss + method.alpha_1 * contrast + method.alpha_2 * of_auxiliary
        told = logsigmoid(method.d1(made.target)).mean(), logsigmoid(method.d2(made.target[partners])).mean()
        loss = loss - method.alpha_3 * (lambda_1 * told[0] + lambda_2 * told[1])
        of_model.zero_grad()
        torch.autograd.backward(loss, inputs=[p for group in of_model.param_groups for p in group["params"]])
        of_model.step()
        full, target = made.full.detach(), made.target.detach()
        first = logsigmoid(method.d1(full)) + logsigmoid(-method.d1(target))
        second = logsigmoid(method.d2(full[anchors])) + logsigmoid(-method.d2(target[partners]))
        game = -lambda_1 * first.mean() - lambda_2 * second.mean()
        of_discriminators.zero_grad()
        game.backward()
        of_discriminators.step()
        cosines = normalize(full) @ normalize(target).T
        logged = [loss, game, own.log().mean(), cosines.diagonal().mean(), cosines[others].mean()]
        torch.stack([value.detach() for value in logged]).tolist()

    return run


def mix(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    return weight * one + (1 - weight) * other


def amid_u(method: AMIDU, batch: Batch) -> Callable[[], object]:
    model, labels, known = method.model, batch.labels, batch.labels >= 0

    def teachers_word() -> Tensor:
        with torch.no_grad():
            quiet = model.eval()(batch.modalities, ("auxiliary", "full"))
            model.train()
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
        targets = torch.where(known[:, None], one_hot(labels.clamp_min(0), q.shape[1]), q)
        mixture = torch.distributions.Beta(method.mixing, method.mixing).sample(torch.Size((len(q), 1)))
        order = torch.randperm(len(q))
        inputs = {name: batch.modalities[name] for name in model.target}
        mixed = {name: mix(x, x[order], mixture.view(-1, *[1] * (x.ndim - 1))) for name, x in inputs.items()}
        total = cross_entropy(model.predict(mixed), mix(targets, targets[order], mixture))
        total = total + cross_entropy(made.target_logits, q)
        for logits in (made.target_logits, made.full_logits, made.auxiliary_logits):
            total = total + cross_entropy(logits[known], labels[known])
        total = total + method.alpha_1 * contrast(made.full, made.target, targets)
        total = total + method.alpha_2 * contrast(made.full, made.auxiliary, targets)
        with torch.no_grad():
            _, own = mutual_information(made.full, made.target, labels, method.temperature)
            own.log().mean().item()
        return total

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


BY_HAND: dict[str, Callable[..., Callable[[], object]]] = {
    "baseline": baseline,
    "kd": kd,
    "dist": dist,
    "rkd": rkd,
    "mi": mi,
    "gmc": gmc,
    "amid": amid,
    "amid_u": amid_u,
    "ccl": ccl,
    "crd": crd,
    "cmc": cmc,
}
