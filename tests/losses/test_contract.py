"""What every loss owes its caller: right gradients, float32 in mixed precision, finite extremes, no side effects."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.losses.examples import (
    ALL_LOSSES,
    EXTREMES,
    REPRESENTATION_LOSSES,
    TEMPERATURES,
    LabelledBatch,
    batches,
    normal,
    properties,
    representation_losses,
    value_and_gradients,
)

every_loss = pytest.mark.parametrize("name", ALL_LOSSES)
every_representation_loss = pytest.mark.parametrize("name", REPRESENTATION_LOSSES)


@every_representation_loss
def test_a_loss_can_be_mapped_over_batches(name: str) -> None:
    labels = torch.tensor([0, 1, 1, 2])
    loss, _ = representation_losses(labels, 0.5)[name]
    first, second = normal(3, 4, 3, seed=1), normal(3, 4, 3, seed=2)
    one_by_one = torch.stack([loss(a, b) for a, b in zip(first, second, strict=True)])
    assert_close(torch.func.vmap(loss)(first, second), one_by_one)


@every_loss
def test_gradients_are_the_values_slopes(name: str) -> None:
    loss, inputs = ALL_LOSSES[name]
    assert torch.autograd.gradcheck(loss, [tensor.clone().requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 1, 1]])
@pytest.mark.parametrize("temperature", [0.05, 2.0])
@every_representation_loss
def test_gradients_for_other_labels(name: str, temperature: float, labels: list[int]) -> None:
    loss, _ = representation_losses(torch.tensor(labels), temperature)[name]
    inputs = [normal(4, 3, seed=seed).requires_grad_() for seed in (1, 2)]
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every_loss
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    loss, inputs = ALL_LOSSES[name]
    half = [tensor.to(dtype) for tensor in inputs]
    value, gradients = value_and_gradients(loss, *half)
    expected, expected_gradients = value_and_gradients(loss, *[tensor.float() for tensor in half])
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert torch.equal(gradient, expected_gradient.to(dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@every_loss
def test_autocast_changes_nothing(name: str, dtype: torch.dtype) -> None:
    loss, inputs = ALL_LOSSES[name]
    cast = [tensor.to(dtype) for tensor in inputs]
    expected, expected_gradients = value_and_gradients(loss, *cast)

    def under_autocast(*leaves: Tensor) -> Tensor:  # the forward pass only, as torch recommends
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return loss(*leaves)

    value, gradients = value_and_gradients(under_autocast, *cast)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert all(map(torch.equal, gradients, expected_gradients))


@every_representation_loss
def test_half_precision_mixes_with_float32(name: str) -> None:
    """As when one of the two was computed under autocast and the other was not."""
    loss, inputs = ALL_LOSSES[name]
    half, single = inputs[0].bfloat16(), inputs[1].float()
    assert torch.equal(loss(half, single), loss(half.float(), single))
    assert torch.equal(loss(single, half), loss(single, half.float()))


@every_loss
def test_nan_is_never_hidden(name: str) -> None:
    """A model that diverged must not look like a zero row."""
    loss, inputs = ALL_LOSSES[name]
    for position in range(len(inputs)):
        broken = [tensor.clone() for tensor in inputs]
        broken[position][0] = torch.nan
        assert loss(*broken).isnan()


@every_loss
def test_is_a_pure_function(name: str) -> None:
    """Same value twice, inputs as they were, no random number drawn; the inputs' layout in memory is no matter."""
    loss, inputs = ALL_LOSSES[name]
    before, state = [tensor.clone() for tensor in inputs], torch.get_rng_state()
    value, _ = value_and_gradients(loss, *inputs)
    strided = [torch.stack([tensor, tensor], dim=-1)[..., 0] for tensor in inputs]
    assert torch.equal(loss(*inputs), value)
    assert_close(loss(*strided), value)
    assert all(map(torch.equal, inputs, before))
    assert torch.equal(torch.get_rng_state(), state)


@every_loss
def test_works_without_gradients(name: str) -> None:
    loss, inputs = ALL_LOSSES[name]
    value, _ = value_and_gradients(loss, *inputs)
    with torch.inference_mode():
        assert torch.equal(loss(*inputs), value)


def assert_accurate(name: str, full: Tensor, other: Tensor, labels: Tensor, temperature: float) -> None:
    """A float32 value agrees with the slow equation, and its gradients with those of float64.

    Gradients are compared after multiplication by their rows' norms, which makes them free of the rows' scale.
    """
    loss, slow = representation_losses(labels, temperature)[name]
    value, gradients = value_and_gradients(loss, full, other)
    expected = slow(full.tolist(), other.tolist())
    tolerance = 2e-5 / temperature
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=tolerance)
    _, exact = value_and_gradients(loss, full.double(), other.double())
    for rows, gradient, exact_gradient in zip((full, other), gradients, exact, strict=True):
        norms = rows.double().norm(dim=1, keepdim=True)
        assert gradient.isfinite().all()
        assert (gradient[norms[:, 0] == 0] == 0).all()
        assert_close(gradient.double() * norms, exact_gradient * norms, rtol=1e-4, atol=tolerance / temperature)


@pytest.mark.parametrize("extreme", EXTREMES)
@every_representation_loss
def test_extremes(name: str, extreme: str) -> None:
    assert_accurate(name, *EXTREMES[extreme])


@pytest.mark.parametrize("name", REPRESENTATION_LOSSES)
@properties
@given(batches(scales=(0.0, 1e-30, 1e-3, 1.0, 1e3, 1e30), dtype=torch.float32), TEMPERATURES)
def test_random_float32_batches(name: str, batch: LabelledBatch, temperature: float) -> None:
    assert_accurate(name, *batch, temperature)


@pytest.mark.parametrize("power", [100, -100])
@every_representation_loss
def test_scale_is_no_matter_to_the_last_digits(name: str, power: int) -> None:
    """Powers of two around 1e±30 round nothing."""
    loss, inputs = ALL_LOSSES[name]
    full, other = (tensor.float() for tensor in inputs)
    scale = 2.0**power
    value, gradients = value_and_gradients(loss, full * scale, other * scale)
    expected, expected_gradients = value_and_gradients(loss, full, other)
    assert_close(value, expected, rtol=1e-6, atol=1e-7)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert_close(gradient * scale, expected_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("temperature", [0.01, 0.5])
@every_representation_loss
def test_half_precision_extremes(name: str, temperature: float, dtype: torch.dtype) -> None:
    """Squares of 60000 overflow in float16, and 1 - h underflows in both."""
    labels = torch.arange(4)
    rows = (normal(4, 64, seed=1).sign() * 6e4).to(dtype)
    loss, slow = representation_losses(labels, temperature)[name]
    value, gradients = value_and_gradients(loss, rows, rows.roll(1, 0))
    assert value.item() == pytest.approx(slow(rows.tolist(), rows.roll(1, 0).tolist()), rel=1e-4, abs=1e-4)
    assert all(gradient.isfinite().all() for gradient in gradients)


@properties
@given(st.integers(1, 6), st.integers(0, 6), st.sampled_from([-1e4, -30.0, 0.0, 30.0, 1e4]), st.integers(0, 1000))
def test_random_float32_logits(batch: int, partners: int, offset: float, seed: int) -> None:
    d1, d2 = (normal(size, seed=seed + size, dtype=torch.float32) * 10 + offset for size in (batch, partners))
    for name, inputs in {"student": (d1, d2), "discriminator_expected": (d1, -d1, d2, -d2)}.items():
        value, gradients = value_and_gradients(ALL_LOSSES[name][0], *inputs)
        exact, exact_gradients = value_and_gradients(ALL_LOSSES[name][0], *[logits.double() for logits in inputs])
        assert_close(value.double(), exact, rtol=1e-5, atol=1e-6)
        assert_close([g.double() for g in gradients], list(exact_gradients), rtol=1e-5, atol=1e-6)
