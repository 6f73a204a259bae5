"""Sequences of very different length, encoded in groups: the same features and gradients as all at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossdistill.encoders import RNN, Conv
from crossdistill.models.grouped import encode
from crossdistill.types import Padded


class Counting(nn.Module):
    """An encoder that keeps the sizes of the batches it was given."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.sizes = encoder, []

    def forward(self, x: Padded | torch.Tensor) -> torch.Tensor:
        self.sizes.append(tuple((x.values if isinstance(x, Padded) else x).shape[:2]))
        return self.encoder(x)


def batch(*lengths: int, features: int = 3) -> Padded:
    """Noise in the samples' own steps, NaN in the padding, which nothing may read."""
    torch.manual_seed(0)
    values = torch.full((len(lengths), max(lengths), features), torch.nan)
    for row, length in enumerate(lengths):
        values[row, :length] = torch.randn(length, features)
    return Padded(values.nan_to_num(0.0), torch.tensor(lengths))


LENGTHS = [*[8, 3, 5, 7] * 5, 1500, *[8, 2, 9] * 4]


@pytest.mark.parametrize("encoder", [Conv(3, 8), RNN(3, 8)], ids=lambda encoder: type(encoder).__name__)
def test_one_long_sample_among_short_ones_changes_no_features_and_no_gradients(encoder: nn.Module) -> None:
    encoder.eval()
    counting, x = Counting(encoder).eval(), batch(*LENGTHS)
    grouped = encode(counting, x)
    assert sum(rows for rows, _ in counting.sizes) == len(LENGTHS)
    assert sum(rows * steps for rows, steps in counting.sizes) < sum(LENGTHS) + (1 << 14)
    grouped.pow(2).sum().backward()
    gradients = [parameter.grad.clone() for parameter in encoder.parameters()]
    encoder.zero_grad()
    whole = encoder(x)
    whole.pow(2).sum().backward()
    torch.testing.assert_close(grouped, whole)
    for parameter, gradient in zip(encoder.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=5e-5)


def test_without_gradients_no_group_is_large_and_none_has_less_than_four_samples_for_it() -> None:
    counting, x = Counting(Conv(3, 8)).eval(), batch(*[2000] * 50)
    with torch.no_grad():
        torch.testing.assert_close(encode(counting, x), counting.encoder(x))
    assert all(rows * steps <= 1 << 15 for rows, steps in counting.sizes)
    assert sum(rows for rows, _ in counting.sizes) == 50
    counting.sizes.clear()
    with torch.no_grad():
        torch.testing.assert_close(encode(counting, x.values), counting.encoder(x))
    assert all(rows * steps <= 1 << 15 and rows >= 4 for rows, steps in counting.sizes[:-1])
    counting.sizes.clear()
    with torch.no_grad():
        encode(counting, batch(*[12_000] * 8))
    assert counting.sizes == [(4, 12_000), (4, 12_000)]


def test_what_costs_little_and_what_looks_across_samples_is_encoded_at_once() -> None:
    counting = Counting(Conv(3, 8))
    encode(counting, batch(*[8, 100] * 20))
    normalised = Counting(nn.Sequential(Conv(3, 8), nn.BatchNorm1d(8)))
    encode(normalised, batch(*LENGTHS))
    assert len(counting.sizes) == len(normalised.sizes) == 1
    with torch.no_grad():
        encode(normalised.eval(), batch(*LENGTHS))
    assert len(normalised.sizes) == 3


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(8), nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())])
def test_a_sample_alone_takes_the_statistics_that_batch_normalisation_has(norm: nn.Module) -> None:
    """PyTorch refuses to make some of one value; those of all other samples are as they were."""
    encoder = nn.Sequential(nn.Linear(3, 8), norm).train()
    for _ in range(3):
        encode(encoder, 1 + torch.randn(16, 3))
    x, before = torch.randn(1, 3), {key: value.clone() for key, value in encoder.state_dict().items()}
    made = encode(encoder, x)
    assert all(module.training for module in encoder.modules())
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    torch.testing.assert_close(made, encoder.eval()(x))


def test_a_sample_alone_of_many_numbers_a_channel_has_statistics_of_its_own() -> None:
    """As with chunks of one clip; what it teaches batch normalisation is kept."""
    encoder = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    encoder.append(nn.BatchNorm1d(8)).train()
    x = torch.randn(1, 3, 20)
    steps = encoder[0](x)
    expected = (steps - steps.mean(2, keepdim=True)) / (steps.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    seen: list[torch.Tensor] = []
    encoder[1].register_forward_hook(lambda module, given, made: seen.append(made))
    encode(encoder, x)
    torch.testing.assert_close(seen[0], expected)
    assert encoder[1].num_batches_tracked == 1
    assert encoder[4].num_batches_tracked == 0
