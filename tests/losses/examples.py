"""Batches to try the losses on: random ones for hypothesis, and the extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from crossdistill import losses
from tests.losses import contrast_equations, contrastive_equations, equations

properties = settings(max_examples=40, deadline=None, derandomize=True)

Loss = Callable[..., Tensor]


class LabelledBatch(NamedTuple):
    full: Tensor
    other: Tensor
    labels: Tensor

    def rows(self) -> tuple[list[list[float]], list[list[float]], list[int]]:
        """The same numbers as lists, for the slow equations."""
        return self.full.tolist(), self.other.tolist(), self.labels.tolist()


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


# Entries are 0 or within [2^-10, 1], so that a row's norm is 0 or known to be near its scale.
ENTRIES = st.just(0.0) | st.floats(2**-10, 1.0, width=32) | st.floats(-1.0, -(2**-10), width=32)
TEMPERATURES = st.sampled_from([0.01, 0.05, 0.5, 2.0])


@st.composite
def rows(draw: Any, batch: int, width: int, scales: Sequence[float] = (1.0,)) -> Tensor:
    values = draw(st.lists(ENTRIES, min_size=batch * width, max_size=batch * width))
    scale = draw(st.lists(st.sampled_from(scales), min_size=batch, max_size=batch))
    return torch.tensor(values, dtype=torch.float64).view(batch, width) * torch.tensor(scale).double()[:, None]


@st.composite
def batches(
    draw: Any, max_batch: int = 6, scales: Sequence[float] = (1.0,), dtype: torch.dtype = torch.float64
) -> LabelledBatch:
    batch, width = draw(st.integers(1, max_batch)), draw(st.integers(1, 4))
    labels = draw(st.lists(st.integers(0, 3), min_size=batch, max_size=batch))
    full, other = draw(rows(batch, width, scales)), draw(rows(batch, width, scales))
    return LabelledBatch(full.to(dtype), other.to(dtype), torch.tensor(labels))


def logit_pairs(batch: int = 3, classes: int = 4, bound: float = 20.0) -> st.SearchStrategy[tuple[Tensor, Tensor]]:
    logits = st.lists(st.floats(-bound, bound, width=32), min_size=batch * classes, max_size=batch * classes)
    tensor = logits.map(lambda values: torch.tensor(values, dtype=torch.float64).view(batch, classes))
    return st.tuples(tensor, tensor)


def value_and_gradients(loss: Loss, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    value = loss(*leaves)
    value.backward()
    return value.detach(), tuple(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves)


LABELS = torch.tensor([2, 0, 2, 1, 0, 2])


def representation_losses(labels: Tensor, temperature: float) -> dict[str, tuple[Loss, Callable[..., float]]]:
    """Name -> (function of (full, other), the same as slow equation over lists)."""
    integers = labels.tolist()
    mi, mi_slow = losses.mutual_information_loss, equations.mutual_information_loss
    named = {"labels": labels, "temperature": temperature}
    slow = {"labels": integers, "temperature": temperature}
    return {
        "mi_sum": (partial(mi, **named), partial(mi_slow, **slow)),
        "mi_mean": (partial(mi, reduction="mean", **named), partial(mi_slow, reduction="mean", **slow)),
        "mi_bound": (
            partial(losses.mutual_information_bound, **named),
            partial(equations.mutual_information_bound, **slow),
        ),
        "info_nce": (
            partial(losses.info_nce_loss, temperature=temperature),
            partial(contrastive_equations.info_nce_loss, temperature=temperature),
        ),
        "noise_contrastive": noise_contrast(labels, temperature),
        "class_contrastive": (
            partial(losses.class_contrastive_loss, **named),
            partial(contrast_equations.class_contrastive_loss, **slow),
        ),
        "nt_xent": (
            partial(losses.nt_xent_loss, temperature=temperature),
            partial(contrast_equations.nt_xent_loss, temperature=temperature),
        ),
        "pair_cosine": (losses.pair_cosine, equations.pair_cosine),
        "same_class_cosine": (
            partial(losses.same_class_cosine, labels=labels),
            partial(equations.same_class_cosine, labels=integers),
        ),
    }


def noise_contrast(labels: Tensor, temperature: float) -> tuple[Loss, Callable[..., float]]:
    """Row i of `full` contrasts row i of `other` with the rows of other classes."""
    allowed = labels[:, None] != labels[None, :]
    named = {"samples": 9, "log_normalizer": 1.5, "temperature": temperature}

    def fast(full: Tensor, other: Tensor) -> Tensor:
        other = other if other.dtype == torch.float64 else other.float()  # once, as it is two arguments
        return losses.noise_contrastive_loss(full, other, other, allowed, **named)

    def slow(full: list[list[float]], other: list[list[float]]) -> float:
        return contrastive_equations.noise_contrastive_loss(full, other, other, allowed.tolist(), **named)

    return fast, slow


REPRESENTATION_LOSSES = tuple(representation_losses(LABELS, 0.5))


def _all_losses() -> dict[str, tuple[Loss, tuple[Tensor, ...]]]:
    """Every differentiable function of the package, with float64 inputs of an ordinary size."""
    pair = normal(6, 5, seed=1), normal(6, 5, seed=2)
    logits = normal(6, seed=3), normal(6, seed=4), normal(4, seed=5), normal(4, seed=6)
    weights = (0.3, 0.7)
    cases: dict[str, tuple[Loss, tuple[Tensor, ...]]] = {
        name: (fast, pair) for name, (fast, _) in representation_losses(LABELS, 0.5).items()
    }
    bank = normal(7, 5, seed=9)
    named = {"allowed": torch.arange(6)[:, None] != torch.arange(7)[None, :], "samples": 20, "log_normalizer": 1.0}
    cases["noise_contrastive_bank"] = (partial(losses.noise_contrastive_loss, **named), (*pair, bank))
    relations = normal(2, 3, 4, seed=7), normal(2, 5, 4, seed=8)
    negatives = torch.tensor([[0, 1, 1, 0, 1], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]]).bool()
    cases["relation_contrast"] = (partial(losses.relation_contrastive_loss, negatives=negatives), relations)
    weighted = normal(6, 5, seed=11, dtype=torch.float32)
    cases["classification_gradient_direction"] = (
        lambda x, weight: (losses.classification_gradient_direction(x, LABELS, weight) * weighted).sum(),
        (normal(6, 4, seed=9), normal(4, 5, seed=10)),
    )
    some_labels = torch.tensor([0, -1, 2, -1, 1, 4])
    cases["labelled_cross_entropy"] = (partial(losses.labelled_cross_entropy, labels=some_labels), pair[:1])
    beliefs = normal(6, 3, seed=11).softmax(1)
    cases["mutual_information_beliefs"] = (
        lambda full, other: losses.mutual_information_loss(full, other, LABELS, 0.5, "mean", beliefs),
        pair,
    )
    cases["jsd"] = (losses.jensen_shannon_divergence, pair)
    cases["soft_labels"] = (partial(losses.soft_label_divergence, temperature=3.0), pair)
    cases |= {
        f"hallucination_{name}": (partial(losses.hallucination_loss, reduction=name), pair) for name in ("sum", "mean")
    }
    cases["frequency_decoupled"] = (losses.frequency_decoupled_loss, pair)
    cases["standardized_mse"] = (losses.standardized_mse_loss, pair)
    cases["frequency_bands"] = (lambda x: losses.frequency_bands(x)[0].exp().sum(), pair[:1])
    cases["queue_similarity"] = (losses.queue_similarity_loss, (*pair, bank))
    cases |= {f"hint_{name}": (partial(losses.hint_loss, reduction=name), pair) for name in ("sum", "mean")}
    for name in ("sum", "mean"):
        cases[f"distance_{name}"] = (partial(losses.distance_relation_loss, reduction=name), pair)
        cases[f"angle_{name}"] = (partial(losses.angle_relation_loss, reduction=name), pair)
    selected = torch.tensor([True, True, False, True, False, True])
    for name in ("removed", "zeroed"):
        given = {"labels": LABELS, "selected": selected, "target_class": name}
        cases[f"non_target_{name}"] = (partial(losses.non_target_divergence, **given), pair)
    cases["target_class"] = (partial(losses.target_class_divergence, targets=LABELS, temperature=3.0), pair)
    everywhere = torch.ones(6, dtype=torch.bool)
    nckd = partial(losses.non_target_divergence, labels=LABELS, selected=everywhere, temperature=3.0)
    cases["non_target_temperature"] = (nckd, pair)
    cases["inter_class"] = (partial(losses.inter_class_correlation_loss, temperature=3.0), pair)
    cases["intra_class"] = (partial(losses.intra_class_correlation_loss, temperature=3.0), pair)
    cases["standardized"] = (lambda x: (losses.standardized_logits(x) * weighted).sum(), pair[:1])
    cases["balance"] = (losses.load_balance_loss, pair[:1])
    routed = partial(losses.routed_divergence, routing_logits=normal(6, 3, seed=9), top=2, temperature=3.0)
    cases["routed"] = (routed, (pair[0], normal(6, 3, 5, seed=10)))
    for name, partners in {"": None, "_expected": 2.5}.items():
        given = {"weights": weights, "expected_partners": partners}
        cases["student" + name] = (partial(losses.student_adversarial_loss, **given), (logits[0], logits[2]))
        cases["discriminator" + name] = (partial(losses.discriminator_loss, **given), logits)
    return cases


ALL_LOSSES = _all_losses()


def _extremes() -> dict[str, tuple[Tensor, Tensor, Tensor, float]]:
    """Name -> (full, other, labels, temperature), float32."""
    full, other = normal(6, 4, seed=7, dtype=torch.float32), normal(6, 4, seed=8, dtype=torch.float32)
    one_class, distinct = torch.zeros(6, dtype=torch.int64), torch.arange(6)
    same = full[:1].expand(6, 4)
    some_zero = full * torch.tensor([1.0, 0, 1, 0, 1, 1])[:, None]
    scales = torch.tensor([1e30, 1e-30, 1.0, 1e-30, 1e30, 0.0])[:, None]
    ragged = full * torch.tensor([1e30, 1e-30, 1.0, 0.0])
    nothing = torch.zeros(6, 4)
    cold = 0.01
    return {
        "ordinary": (full, other, LABELS, 0.5),
        "one class": (full, other, one_class, 0.5),
        "one class, cold": (full, other, one_class, cold),
        "all distinct": (full, other, distinct, 0.5),
        "all distinct, cold": (full, other, distinct, cold),
        "batch of 1": (full[:1], other[:1], one_class[:1], 0.5),
        "batch of 2, one class": (full[:2], other[:2], one_class[:2], 0.5),
        "batch of 2, two classes": (full[:2], other[:2], distinct[:2], 0.5),
        "batch of 2, two classes, cold": (full[:2], other[:2], distinct[:2], cold),
        "identical rows": (same, same, LABELS, 0.5),
        "identical rows, cold": (same, same, LABELS, cold),
        "aligned, cold": (full, full, distinct, cold),
        "opposed, cold": (full, -full, distinct, cold),
        "aligned to a negative, opposed to the positive, cold": (full[:1].repeat(2, 1) * torch.tensor([[1.0], [-1.0]]),
                                                                 full[:1].repeat(2, 1) * torch.tensor([[-1.0], [1.0]]),
                                                                 distinct[:2], cold),
        "some zero rows": (some_zero, some_zero.flip(0), LABELS, 0.5),
        "some zero rows, cold": (some_zero, some_zero.flip(0), LABELS, cold),
        "all zero": (nothing, nothing, LABELS, 0.5),
        "all zero, cold": (nothing, nothing, LABELS, cold),
        "huge": (full * 1e30, other * 1e30, LABELS, 0.5),
        "tiny": (full * 1e-30, other * 1e-30, LABELS, 0.5),
        "huge and tiny, cold": (full * 1e30, other * 1e-30, LABELS, cold),
        "each row its scale": (full * scales, other * scales.flip(0), LABELS, 0.5),
        "each column its scale": (ragged, ragged.flip(0), LABELS, 0.5),
        "width 1": (full[:, :1], other[:, :1], LABELS, cold),
    }  # fmt: skip


EXTREMES = _extremes()
