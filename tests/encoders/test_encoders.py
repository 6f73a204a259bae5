"""What every encoder keeps: the shape, finite gradients, and a sequence's output whatever its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, signature

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crossdistill.encoders import ENCODERS, MLP, RNN, Cnn14, Conv, Features, R2Plus1D, ResNet, Signal, Standardized
from crossdistill.types import Modality
from tests.encoders.batches import padded, sequences

STEPS, WIDTH = 4, 5
OVER_TIME: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Conv(3, WIDTH, layers=3, hidden=8),
    "conv of one layer": lambda: Conv(3, WIDTH, layers=1, hidden=3),
    "rnn": lambda: RNN(3, WIDTH, layers=1, hidden=6),
    "rnn of two layers": lambda: RNN(3, WIDTH, layers=2, hidden=4),
    "lstm": lambda: RNN(3, WIDTH, hidden=6, cell="lstm", pooling="max"),
    "lstm, forwards": lambda: RNN(3, WIDTH, hidden=6, cell="lstm", bidirectional=False, pooling="mean"),
    "signal": lambda: Signal(3, WIDTH, layers=2, hidden=4, bins=6, steps=3),
    "mlp": lambda: MLP(STEPS * 3, WIDTH, layers=2, hidden=8, steps=STEPS),
}
INPUTS: dict[str, tuple[Callable[[], nn.Module], Modality]] = {
    "mlp on vectors": (lambda: MLP(6, WIDTH), torch.randn(4, 6)),
    "mlp of one layer": (lambda: MLP(6, WIDTH, layers=1), torch.randn(4, 6)),
    "mlp of four layers": (lambda: MLP(6, WIDTH, layers=4, hidden=7, dropout=0.5), torch.randn(4, 6)),
    "mlp on arrays": (lambda: MLP(2 * 3 * 4, WIDTH), torch.randn(4, 2, 3, 4)),
    "conv on equal lengths": (lambda: Conv(3, WIDTH, dropout=0.5), torch.randn(4, 9, 3)),
    "rnn on equal lengths": (lambda: RNN(3, WIDTH, layers=2, dropout=0.5), torch.randn(4, 9, 3)),
    "conv on one step": (lambda: Conv(3, WIDTH), torch.randn(4, 1, 3)),
    "signal on equal lengths": (lambda: Signal(3, WIDTH, dropout=0.5), torch.randn(4, 9, 3)),
    "signal on one step": (lambda: Signal(3, WIDTH), torch.randn(4, 1, 3)),
    "rnn on one step": (lambda: RNN(3, WIDTH), torch.randn(4, 1, 3)),
    **{f"{name}, padded": (make, padded(sequences([1, 7, 2, 4]))) for name, make in OVER_TIME.items()},
}


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


@pytest.mark.parametrize("case", INPUTS)
def test_shape_and_finite_gradients(case: str) -> None:
    make, x = INPUTS[case]
    encoder = seeded(make)
    out = encoder(x)
    assert out.shape == (4, encoder.width) == (4, WIDTH)
    assert out.dtype == torch.float32
    out.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert any(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())  # type: ignore[union-attr]


KINDS = {"mlp": MLP, "conv": Conv, "rnn": RNN, "signal": Signal, "resnet": ResNet, "r2plus1d": R2Plus1D, "cnn14": Cnn14}
BY_THE_SAMPLES = ("stride", "colours", "activation")
"""Settings that are no number yet before data and weights are known."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_a_recipe_and_its_class_have_the_same_defaults(kind: str) -> None:
    of_recipe = {field.name: field.default for field in fields(ENCODERS[kind].settings)}
    of_class = {name: argument.default for name, argument in signature(KINDS[kind]).parameters.items()}
    assert of_recipe.keys() <= of_class.keys()
    own = {name: value for name, value in of_class.items() if value is not Parameter.empty}
    own = {name: value for name, value in own.items() if name not in BY_THE_SAMPLES}
    assert own == {name: of_recipe[name] for name in own}


@pytest.mark.parametrize(("layers", "linear"), [(1, 1), (2, 2), (5, 5)])
def test_an_mlp_has_as_many_linear_layers_as_it_says(layers: int, linear: int) -> None:
    assert sum(isinstance(module, nn.Linear) for module in MLP(6, WIDTH, layers=layers).modules()) == linear


@pytest.mark.parametrize("standardized", [False, True], ids=["raw", "standardised"])
@pytest.mark.parametrize("kind", OVER_TIME)
@given(lengths=st.lists(st.integers(1, 11), min_size=1, max_size=4), more=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_a_sequence_is_encoded_as_if_it_were_alone(
    kind: str, standardized: bool, lengths: list[int], more: int
) -> None:
    encoder = seeded(OVER_TIME[kind]).eval()
    garbage = 0.0
    if standardized:  # which turns padding into -mean / std, or worse where a caller left something there
        encoder, garbage = Standardized(encoder, torch.tensor([5.0, -3.0, 0.5]), torch.tensor([2.0, 0.1, 1.0])), 1e4
    alone = sequences(lengths)
    together = encoder(padded(alone, more, garbage))
    for row, sequence in enumerate(alone):
        torch.testing.assert_close(together[row], encoder(padded([sequence]))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", OVER_TIME)
@pytest.mark.parametrize("center", [False, True])
def test_nan_in_the_padding_reaches_neither_output_nor_gradient(kind: str, center: bool) -> None:
    encoder = Standardized(seeded(OVER_TIME[kind]), torch.ones(3), torch.ones(3), center)
    alone = sequences([1, 6, 3])
    out = encoder(padded(alone, 2, garbage=float("nan")))
    torch.testing.assert_close(out, encoder(padded(alone)), rtol=1e-4, atol=1e-5)
    out.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", ["conv", "signal", "rnn"])
def test_equal_lengths_are_encoded_alike_as_tensor_and_padded(kind: str) -> None:
    encoder = seeded(OVER_TIME[kind])
    x = torch.randn(3, 8, 3)
    torch.testing.assert_close(encoder(x), encoder(padded(list(x), more=5)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["conv", "signal", "rnn"])
def test_the_order_of_steps_matters(kind: str) -> None:
    encoder = seeded(OVER_TIME[kind])
    x = torch.randn(2, 8, 3)
    assert not torch.allclose(encoder(x), encoder(x.flip(1)), atol=1e-3)


def test_features_are_taken_as_they_are() -> None:
    encoder, x = Features(6), torch.randn(3, 6)
    assert encoder.width == 6
    assert torch.equal(encoder(x), x)
    assert not list(encoder.parameters())


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 6), padded(sequences([2, 3]))], ids=["tensor", "padded"])
def test_features_refuse_sequences(x: Modality) -> None:
    with pytest.raises(ValueError, match=r"shape \(B, F\); encode sequences with 'conv' or 'rnn'"):
        Features(6)(x)


@pytest.mark.parametrize(
    "make", [lambda: Conv(3, WIDTH), lambda: Signal(3, WIDTH), lambda: RNN(3, WIDTH)], ids=["conv", "signal", "rnn"]
)
def test_encoders_over_time_refuse_vectors(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"expected sequences of shape \(B, T, F\), got \(4, 3\)"):
        make()(torch.zeros(4, 3))
