"""What the methods learn from unlabelled pairs: nothing by classification, something by all else; and with all labels
known, to the bit what plain cross-entropy gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossdistill import losses
from crossdistill.losses.cosine import unit_rows
from crossdistill.losses.noise_contrastive import loss_of_scores, normalizer_of_scores
from crossdistill.methods import CCL, CMC, CRD, DIST, DKD, GMC, KD, METHODS, MST, RKD, FitNets, Method
from crossdistill.methods.noise_contrast import NoiseContrast
from crossdistill.types import Batch, Representations, Turn
from tests.methods.contrast import FEW_SAMPLE_LABELS, FEW_SAMPLES, SAMPLE_LABELS, SAMPLES, step_of
from tests.methods.small import FEW_LABELS, LABELS, VIEWS, batch, leaves, model

LEAVE_OUT = {"baseline", "teacher", "auxiliary", "crcd", "c2kd", "mi", "amid", "amid_class_means", "modality_dropout"}
PLACES = (6, 0, 3, 5, 9)  # of the memory banks' samples: 6 and 0 have no label in FEW_SAMPLE_LABELS


def kd(method: KD, made: Representations, labels: Tensor) -> Tensor:
    soft = losses.soft_label_divergence(made.target_logits, made.full_logits.detach(), 2.0)
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return 0.5 * student + 1.0 * 2.0**2 * soft + teacher


def standardized_kd(method: KD, made: Representations, labels: Tensor) -> Tensor:
    student, full = (losses.standardized_logits(x) for x in (made.target_logits, made.full_logits.detach()))
    hard = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return 0.5 * hard[0] + 1.0 * 2.0**2 * losses.soft_label_divergence(student, full, 2.0) + hard[1]


def dkd(method: DKD, made: Representations, labels: Tensor) -> Tensor:
    logits, everywhere = (made.target_logits, made.full_logits.detach()), torch.ones_like(labels, dtype=torch.bool)
    target = losses.target_class_divergence(*logits, labels, 4.0)
    others = losses.non_target_divergence(*logits, labels, everywhere, temperature=4.0)
    hard = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return hard[0] + 1.0 * (4.0**2 * (1.0 * target + 8.0 * others)) + hard[1]


def dist(method: DIST, made: Representations, labels: Tensor) -> Tensor:
    logits = made.target_logits, made.full_logits.detach()
    inter, intra = losses.inter_class_correlation_loss(*logits), losses.intra_class_correlation_loss(*logits)
    hard = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return hard[0] + 1.0 * (1.0 * inter + 1.0 * intra) + hard[1]


def hints(method: FitNets, made: Representations, labels: Tensor) -> Tensor:
    hint = losses.hint_loss(method.regressor(made.target), made.full.detach(), "mean")
    return hint + cross_entropy(made.full_logits, labels)


def fitnets(method: FitNets, made: Representations, labels: Tensor) -> Tensor:
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    return student + 4.0 * losses.soft_label_divergence(made.target_logits, made.full_logits.detach(), 3.0) + teacher


def rkd(method: RKD, made: Representations, labels: Tensor) -> Tensor:
    relations = made.target, made.full.detach(), "mean"
    student, teacher = cross_entropy(made.target_logits, labels), cross_entropy(made.full_logits, labels)
    distance, angle = losses.distance_relation_loss(*relations), losses.angle_relation_loss(*relations)
    return student + teacher + 25.0 * distance + 50.0 * angle


def noise_contrast(contrast: NoiseContrast, sides: tuple[Tensor, Tensor], allowed: Tensor) -> Tensor:
    """Both directions in the first step, over all negatives there are."""
    anchors = contrast.embed_first(sides[0]), contrast.embed_second(sides[1])
    banks = contrast.bank_second.vectors, contrast.bank_first.vectors
    found = []
    for mine, bank in zip(anchors, banks, strict=True):
        scores = unit_rows(mine) / 0.07 @ bank.T
        given = scores.gather(1, torch.tensor(PLACES)[:, None]).squeeze(1), scores, allowed, len(bank)
        found.append(loss_of_scores(*given, normalizer_of_scores(*given).detach()))
    return found[0] + found[1]


def crd(method: CRD, made: Representations, labels: Tensor) -> Tensor:
    classes = torch.tensor(SAMPLE_LABELS)
    contrast = noise_contrast(method.contrast, (made.target, made.full.detach()), classes != labels[:, None])
    return cross_entropy(made.target_logits, labels) + cross_entropy(made.full_logits, labels) + 0.8 * contrast


def cmc(method: CMC, made: Representations, labels: Tensor) -> Tensor:
    others = torch.arange(len(SAMPLE_LABELS)) != torch.tensor(PLACES)[:, None]
    return cross_entropy(made.target_logits, labels) + 1.0 * noise_contrast(
        method.contrast, (made.target, made.auxiliary), others
    )


def cmc_in_batch(method: CMC, made: Representations, labels: Tensor) -> Tensor:
    one, other = method.contrast.embed_first(made.target), method.contrast.embed_second(made.auxiliary)
    contrast = losses.info_nce_loss(one, other, 0.07) + losses.info_nce_loss(other, one, 0.07)
    return cross_entropy(made.target_logits, labels) + 1.0 * contrast


def ccl_composition(method: CCL, made: Representations, labels: Tensor) -> Tensor:
    target, auxiliary = made.target.detach(), made.auxiliary
    composed, logits = method.composition(auxiliary, target)
    nce = losses.class_contrastive_loss
    contrast = nce(target, composed, labels, 0.5) + nce(composed, auxiliary, labels, 0.5)
    divergence = losses.symmetric_kl_divergence(made.target_logits.detach(), logits)
    return cross_entropy(logits, labels) + 1.0 * contrast + 1.0 * divergence


def ccl_student(method: CCL, made: Representations, labels: Tensor) -> Tensor:
    target, auxiliary = made.target, made.auxiliary.detach()
    composed, logits = method.composition(auxiliary, target)
    nce = losses.class_contrastive_loss
    contrast = nce(target, composed, labels, 0.5) + nce(target, auxiliary, labels, 0.5)
    divergence = losses.symmetric_kl_divergence(made.target_logits, logits)
    return cross_entropy(made.target_logits, labels) + 1.0 * contrast + 1.0 * divergence


def gmc(method: GMC, made: Representations, labels: Tensor) -> Tensor:
    joint, student, auxiliary = (method.projection(x) for x in (made.full, made.target, made.auxiliary))
    contrast = losses.nt_xent_loss(joint, student, 0.3) + losses.nt_xent_loss(joint, auxiliary, 0.3)
    return (
        cross_entropy(made.full_logits, labels) + 1.0 * contrast + cross_entropy(made.target_logits, labels)
    )  # fmt: skip


def mst_cooperation(method: MST, made: Representations, labels: Tensor) -> Tensor:
    hard = [cross_entropy(made.logits[view], labels) for view in VIEWS]  # first: gradients add up in this order
    mutual = [
        losses.soft_label_divergence(made.logits[learner], made.logits[other], 4.0)
        for learner, other in itertools.permutations(VIEWS, 2)
    ]
    return torch.stack([*hard, 4.0**2 * torch.stack(mutual).sum()]).sum()


def mst_distillation(method: MST, made: Representations, labels: Tensor) -> Tensor:
    routing = method.router(made.target_logits)
    teachers = method.specialised(made).detach()
    soft = losses.routed_divergence(made.target_logits, teachers, routing, 1, 4.0)
    hard = cross_entropy(made.target_logits, labels)
    return hard + 1.0 * 4.0**2 * soft + 1.0 * losses.load_balance_loss(routing)


@dataclass(frozen=True)
class Case:
    """A turn of a method at its defaults, and what it minimises where all labels are known."""

    build: Callable[[], Method]
    formula: Callable[..., Tensor]
    epoch: int = 0
    turn: int = 0
    banks: bool = False

    def turn_of(self, method: Method) -> Turn:
        return method.turns(self.epoch)[self.turn]

    def problem(self, known: bool) -> tuple[Method, Representations, Batch]:
        """The method, and a batch of which all labels are known, or not."""
        torch.manual_seed(1)
        method = self.build()
        if self.banks:
            method.prepare(SAMPLES if known else FEW_SAMPLES)
            labels = SAMPLE_LABELS if known else FEW_SAMPLE_LABELS
            made, given, _ = step_of(PLACES, [labels[place] for place in PLACES])
            return method, made, given
        return method, leaves(), batch(LABELS if known else FEW_LABELS)


CASES = {
    "kd": Case(lambda: KD(model()), kd),
    "kd, standardised": Case(lambda: KD(model(), standardize=True), standardized_kd),
    "dkd": Case(lambda: DKD(model()), dkd, epoch=1000),
    "dist": Case(lambda: DIST(model()), dist),
    "fitnets, hints": Case(lambda: FitNets(model()), hints),
    "fitnets": Case(lambda: FitNets(model()), fitnets, epoch=15),
    "rkd": Case(lambda: RKD(model()), rkd),
    "crd": Case(lambda: CRD(model(), embedding=6), crd, banks=True),
    "cmc": Case(lambda: CMC(model(), embedding=6), cmc, banks=True),
    "cmc in the batch": Case(lambda: CMC(model(), embedding=6, form="batch"), cmc_in_batch),
    "ccl, composition": Case(lambda: CCL(model()), ccl_composition),
    "ccl, student": Case(lambda: CCL(model()), ccl_student, turn=1),
    "gmc": Case(lambda: GMC(model(), projection=6), gmc),
    "mst, cooperation": Case(lambda: MST(model(separate_teacher=True)), mst_cooperation),
    "mst": Case(lambda: MST(model(separate_teacher=True)), mst_distillation, epoch=1000),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def gradients(total: Tensor, made: Representations) -> dict[str, Tensor]:
    """Of each representation and of each view's logits; 0 where the total does not depend on them."""
    named = {**made.representations, **{f"{view} logits": tensor for view, tensor in made.logits.items()}}
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True, retain_graph=True)
    pairs = zip(named.items(), found, strict=True)
    return {str(name): torch.zeros_like(x) if gradient is None else gradient for (name, x), gradient in pairs}


@every_case
def test_with_all_labels_it_is_what_plain_cross_entropy_gives_to_the_bit(case: Case) -> None:
    method, made, given = case.problem(known=True)
    total = case.turn_of(method).objective(made, given).total
    expected = case.formula(method, made, given.labels)
    assert torch.equal(total, expected)
    ours, plain = gradients(total, made), gradients(expected, made)
    assert any(gradient.any() for gradient in ours.values())
    assert all(torch.equal(ours[name], plain[name]) for name in ours)


@every_case
def test_unlabelled_samples_are_learnt_from_and_never_by_classification(case: Case) -> None:
    method, made, given = case.problem(known=False)
    objective = case.turn_of(method).objective(made, given)
    hard = torch.stack([value for name, value in objective.terms.items() if name.startswith("classification")]).sum()
    classification, everything = gradients(hard, made), gradients(objective.total, made)
    unlabelled = ~given.labelled
    assert 0 < int(unlabelled.sum()) < len(unlabelled)
    assert any(gradient[given.labelled].any() for gradient in classification.values())
    assert not any(gradient[unlabelled].any() for gradient in classification.values())
    reached = torch.stack([gradient.abs().sum(dim=1) for gradient in everything.values()]).sum(dim=0)
    assert (reached[unlabelled] > 0).all()


@every_case
def test_an_unlabelled_sample_more_is_no_matter_to_classification(case: Case) -> None:
    """It is the mean over labelled samples: unlabelled ones do not water it down."""
    method, made, given = case.problem(known=False)
    terms = case.turn_of(method).objective(made, given).terms
    kept = given.labelled
    fewer = made.map(lambda tensor: tensor[kept])
    alone = case.turn_of(method).objective(fewer, replace(given, labels=given.labels[kept], rows=given.rows[kept]))
    names = [name for name in terms if name.startswith("classification")]
    assert [alone.terms[name].item() for name in names] == pytest.approx([terms[name].item() for name in names])
    assert alone.total.item() != pytest.approx(sum(terms[name].item() for name in names), rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_does_with_unlabelled_pairs(name: str) -> None:
    said = METHODS[name].__doc__ or ""
    assert "nlabelled pair" in said
    assert METHODS[name].learns_unlabelled == (name not in LEAVE_OUT)
    assert ("nlabelled pairs are left out" in said) == (name in LEAVE_OUT)
