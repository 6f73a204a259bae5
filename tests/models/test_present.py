"""Samples that lack a modality: no encoder sees them, and what stands in their place reaches nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from crossdistill.models import CrossModalModel
from crossdistill.types import Padded, View
from tests.models.small import BATCH, inputs, model

ALL: tuple[View, ...] = ("target", "auxiliary", "full")
AUDIO = torch.tensor([True, False, True, True, False, True])


@pytest.mark.parametrize("separate", [False, True])
def test_samples_that_have_everything_get_what_they_get_among_themselves(separate: bool) -> None:
    module, x = model(separate_teacher=separate), inputs()
    made = module(x, ALL, {"audio": AUDIO})
    alone = module({name: values[AUDIO] for name, values in x.items()}, ALL)
    for view in ALL:
        torch.testing.assert_close(made.representations[view][AUDIO], alone.representations[view])
        torch.testing.assert_close(made.logits[view][AUDIO], alone.logits[view])
    assert torch.equal(made.target, module(x, ALL).target), "the student has all it reads"


@pytest.mark.parametrize("separate", [False, True])
def test_what_stands_in_an_absent_sample_s_place_reaches_nothing(separate: bool) -> None:
    def outcome(filler: float) -> list[Tensor]:
        module, x = model(separate_teacher=separate), inputs()
        x["audio"][~AUDIO] = filler
        made = module(x, ALL, {"audio": AUDIO})
        views = [made.logits[view] for view in ALL]
        sum(view[AUDIO].square().sum() for view in views).backward()  # type: ignore[union-attr]
        return [*views, *(p.grad for p in module.parameters() if p.grad is not None)]

    for first, second in zip(outcome(0.0), outcome(math.nan), strict=True):
        assert torch.equal(first, second)
        assert torch.isfinite(first).all()


class Normalised(nn.Module):
    """Batch statistics; or, of sequences, the length of the batch's padding."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: Tensor | Padded) -> Tensor:
        values = x.values.sum(1) + x.values.shape[1] if isinstance(x, Padded) else x
        return self.norm(values)  # type: ignore[no-any-return]


def normalised() -> CrossModalModel:
    return CrossModalModel({"a": Normalised(), "b": Normalised()}, ["a"], ["b"], 8, 3)


def test_batch_statistics_are_those_of_real_samples() -> None:
    module, x = normalised(), torch.randn(BATCH, 8)
    module({"a": x, "b": x}, ("full",), {"b": AUDIO})
    norm = module.encoders["b"].norm
    torch.testing.assert_close(norm.running_mean, 0.1 * x[AUDIO].mean(0))
    assert norm.num_batches_tracked == 1


def test_a_batch_without_any_sample_changes_no_statistics_and_gives_gradients_of_zero() -> None:
    """Of zero and not none: another rank has samples, and all ranks add up their gradients."""
    module, x = normalised(), torch.randn(BATCH, 8)
    made = module({"a": x, "b": torch.full_like(x, math.nan)}, ("full",), {"b": torch.zeros(BATCH, dtype=torch.bool)})
    made.full.square().sum().backward()
    encoder = module.encoders["b"]
    assert encoder.norm.num_batches_tracked == 0
    assert all(p.grad is not None and not p.grad.any() for p in encoder.parameters())
    module.freeze_auxiliary_encoders()
    module({"a": x, "b": x}, ("full",), {"b": torch.zeros(BATCH, dtype=torch.bool)})


def test_sequences_are_encoded_without_the_padding_of_absent_ones() -> None:
    module = normalised().eval()
    values, lengths = torch.randn(3, 9, 8), torch.tensor([4, 9, 2])
    for row, length in enumerate(lengths):
        values[row, length:] = 0
    present = torch.tensor([True, False, True])
    seen: list[Padded] = []
    module.encoders["b"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    module({"a": torch.randn(3, 8), "b": Padded(values, lengths)}, ("full",), {"b": present})
    assert seen[0].lengths.tolist() == [4, 2]
    assert torch.equal(seen[0].values, values[present, :4])
