"""Lengths, masks, centring and resampling, against numpy on each sequence alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.encoders.sequences import as_padded, centred, masked_max, masked_mean, resampled, time_mask
from crossdistill.encoders.standardize import centred_like
from crossdistill.types import Padded
from tests.encoders.batches import padded, sequences

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def test_a_plain_tensor_is_a_batch_of_full_lengths() -> None:
    x = torch.randn(3, 7, 2)
    values, found = as_padded(x)
    assert values is x
    assert found.tolist() == [7, 7, 7]
    assert found.dtype == torch.int64


def test_padded_stays_itself() -> None:
    x = padded(sequences([2, 5]))
    assert as_padded(x) is x


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5, 6)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected sequences of shape \(B, T, F\)"):
        as_padded(torch.zeros(shape))


def test_time_mask_by_hand() -> None:
    expected = [[True, False, False], [True, True, True], [True, True, False]]
    assert time_mask(torch.tensor([1, 3, 2]), 3).tolist() == expected


@given(lengths, st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_mean_and_maximum_over_the_sequence_alone(lengths: list[int], more: int) -> None:
    alone = sequences(lengths)
    values, found = padded(alone, more, garbage=1e6)
    mask = time_mask(found, values.shape[1])
    for row, sequence in enumerate(alone):
        np.testing.assert_allclose(masked_mean(values, mask)[row], sequence.numpy().mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(masked_max(values, mask)[row], sequence.numpy().max(0))


@given(lengths, st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_centring_takes_each_sequence_less_its_own_mean(lengths: list[int], more: int) -> None:
    alone = sequences(lengths)
    out = centred(padded(alone, more, garbage=float("nan")))
    assert out.lengths.tolist() == lengths
    for row, sequence in enumerate(alone):
        expected = sequence.numpy() - sequence.numpy().mean(0, keepdims=True)
        np.testing.assert_allclose(out.values[row, : len(sequence)], expected, rtol=1e-5, atol=1e-6)
        assert (out.values[row, len(sequence) :] == 0).all()


def test_centring_a_plain_tensor_gives_a_plain_tensor() -> None:
    x = torch.randn(4, 6, 3) + 10
    out = centred_like(x)
    assert isinstance(out, torch.Tensor)
    torch.testing.assert_close(out, x - x.mean(dim=1, keepdim=True))


@given(lengths, st.integers(1, 20), st.integers(0, 4), st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=60, deadline=None)
def test_resampling_is_linear_interpolation(lengths: list[int], steps: int, more: int, dtype: torch.dtype) -> None:
    alone = [sequence.to(dtype) for sequence in sequences(lengths)]
    out = resampled(padded(alone, more, garbage=1e6), steps)
    assert out.shape == (len(lengths), steps, 3)
    assert out.dtype == dtype
    for row, sequence in enumerate(alone):
        at = np.linspace(0, len(sequence) - 1, steps)
        for feature in range(3):
            expected = np.interp(at, np.arange(len(sequence)), sequence[:, feature].numpy())
            np.testing.assert_allclose(out[row, :, feature], expected, rtol=1e-4, atol=1e-5)


def test_resampling_to_its_own_length_changes_nothing() -> None:
    x = padded(sequences([6, 6]))
    torch.testing.assert_close(resampled(x, 6), x.values)


def test_resampled_gradients_stay_in_the_sequence() -> None:
    values = torch.randn(2, 5, 1, requires_grad=True)
    resampled(Padded(values, torch.tensor([3, 5])), 7).sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert (values.grad[0, 3:] == 0).all()
    torch.testing.assert_close(values.grad.sum(dim=(1, 2)), torch.tensor([7.0, 7.0]))
