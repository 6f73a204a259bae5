"""Mistakes in shapes, types and options raise ValueError in one line: what was expected, and what came."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch

from crossdistill import losses

ROWS, LABELS = torch.ones(4, 3), torch.zeros(4, dtype=torch.int64)
LOGITS, PARTNERS = torch.ones(4), torch.ones(2)
WEIGHTS = (0.5, 0.5)

Call = Callable[..., object]

WITH_LABELS: dict[str, Call] = {
    "loss": losses.mutual_information_loss,
    "bound": losses.mutual_information_bound,
    "class_contrastive": losses.class_contrastive_loss,
    "same_class_cosine": losses.same_class_cosine,
}
PAIRS: dict[str, Call] = WITH_LABELS | {
    "pair_cosine": lambda full, other, labels: losses.pair_cosine(full, other),
    "nt_xent": lambda full, other, labels: losses.nt_xent_loss(full, other),
}
LABELS_ALONE: dict[str, Call] = {
    "class_partners": losses.class_partners,
    "same_class_pairs": losses.same_class_pairs,
    **{name: lambda labels, call=call: call(ROWS, ROWS, labels) for name, call in WITH_LABELS.items()},
}
DISCRIMINATORS: dict[str, Call] = {
    "student": lambda d1, d2, *rest: losses.student_adversarial_loss(d1, d2, *rest),
    "discriminator": lambda d1, d2, *rest: losses.discriminator_loss(d1, d1, d2, d2, *rest),
}


def assert_refused(call: Callable[[], object], *mentioned: object) -> None:
    """ValueError, in one line that mentions these, as words or numbers of their own."""
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in mentioned:
        assert re.search(rf"(?<!\w){re.escape(str(word))}(?!\w)", message), f"{word!r} is not in {message!r}"


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("full", "other", "mentioned"),
    [
        (torch.ones(4, 3), torch.ones(5, 3), (4, 5)),
        (torch.ones(4, 3), torch.ones(1, 3), (4, 1)),  # must not be broadcast
        (torch.ones(4, 3), torch.ones(4, 6), (3, 6)),
        (torch.ones(4, 3), torch.ones(4, 1), (3, 1)),
        (torch.ones(4), torch.ones(4), (4,)),
        (torch.ones(4, 3, 7), torch.ones(4, 3, 7), (4, 3, 7)),
        (torch.ones(4, 0), torch.ones(4, 0), (4, 0, "column")),
        (torch.ones(4, 3, dtype=torch.int64), torch.ones(4, 3), ("int64",)),
        (torch.ones(4, 3), torch.ones(4, 3, dtype=torch.bool), ("bool",)),
    ],
)
def test_representations(name: str, full: torch.Tensor, other: torch.Tensor, mentioned: tuple[object, ...]) -> None:
    assert_refused(lambda: PAIRS[name](full, other, LABELS), *mentioned)


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize("length", [1, 3, 7])
def test_labels_of_another_length(name: str, length: int) -> None:
    assert_refused(lambda: WITH_LABELS[name](ROWS, ROWS, torch.zeros(length, dtype=torch.int64)), length, 4)


@pytest.mark.parametrize("name", LABELS_ALONE)
def test_labels_of_another_kind(name: str) -> None:
    assert_refused(lambda: LABELS_ALONE[name](torch.zeros(4)), "float32")
    assert_refused(lambda: LABELS_ALONE[name](LABELS[:, None]), 4, 1)


@pytest.mark.parametrize("name", ["loss", "bound", "class_contrastive"])
@pytest.mark.parametrize("temperature", [0.0, -0.5, math.nan])
def test_temperature(name: str, temperature: float) -> None:
    assert_refused(lambda: WITH_LABELS[name](ROWS, ROWS, LABELS, temperature), "temperature", temperature)


def test_reduction() -> None:
    call = losses.mutual_information_loss
    assert_refused(lambda: call(ROWS, ROWS, LABELS, reduction="median"), "median", "sum", "mean")


@pytest.mark.parametrize(
    ("p", "q", "mentioned"),
    [
        (torch.ones(4, 3), torch.ones(4, 5), (3, 5)),
        (torch.ones(4, 3), torch.ones(1, 3), (4, 1)),
        (torch.ones(4, 3), torch.ones(3), (4, 3)),
        (torch.ones(4), torch.ones(4), (4,)),
        (torch.ones(4, 0), torch.ones(4, 0), (4, 0, "column")),
        (torch.ones(4, 3), torch.ones(4, 3, dtype=torch.int64), ("int64",)),
        (torch.ones(4, 3, dtype=torch.int32), torch.ones(4, 3), ("int32",)),
    ],
)
def test_prediction_logits(p: torch.Tensor, q: torch.Tensor, mentioned: tuple[object, ...]) -> None:
    assert_refused(lambda: losses.jensen_shannon_divergence(p, q), *mentioned)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminator_logits(name: str) -> None:
    call = DISCRIMINATORS[name]
    assert_refused(lambda: call(LOGITS.long(), PARTNERS, WEIGHTS), "int64")
    assert_refused(lambda: call(LOGITS, PARTNERS.long(), WEIGHTS), "int64")
    assert_refused(lambda: call(LOGITS[:, None], PARTNERS, WEIGHTS), 4, 1)
    assert_refused(lambda: call(LOGITS, PARTNERS[:, None], WEIGHTS), 2, 1)


def test_discriminator_logits_of_different_lengths() -> None:
    call = losses.discriminator_loss
    assert_refused(lambda: call(LOGITS, torch.ones(3), PARTNERS, PARTNERS, WEIGHTS), 4, 3)
    assert_refused(lambda: call(LOGITS, torch.ones(1), PARTNERS, PARTNERS, WEIGHTS), 4, 1)
    assert_refused(lambda: call(LOGITS, LOGITS, PARTNERS, torch.ones(3), WEIGHTS), 2, 3)


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("weights", [(1.0,), (0.2, 0.3, 0.5), torch.ones(3), torch.ones(2, 1), torch.tensor(0.5), 0.5])
def test_weights(name: str, weights: object) -> None:
    assert_refused(lambda: DISCRIMINATORS[name](LOGITS, PARTNERS, weights), "weights")


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("partners", [0.0, -2.0, math.nan])
def test_expected_partners(name: str, partners: float) -> None:
    assert_refused(lambda: DISCRIMINATORS[name](LOGITS, PARTNERS, WEIGHTS, partners), "expected_partners", partners)
    assert_refused(lambda: DISCRIMINATORS[name](LOGITS, torch.ones(0), WEIGHTS, partners), "expected_partners")


def test_representations_without_columns_are_refused() -> None:
    empty = torch.zeros(3, 0)
    with pytest.raises(ValueError, match="one row and one column"):
        losses.mutual_information_loss(empty, empty, torch.tensor([0, 0, 1]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.uint32])
def test_labels_of_any_integer_dtype_have_the_same_partners(dtype: torch.dtype) -> None:
    labels = torch.tensor([3, 1, 3, 2, 1, 3])
    for found, expected in zip(losses.class_partners(labels.to(dtype)), losses.class_partners(labels), strict=True):
        assert torch.equal(found, expected)
