"""Further forward passes: mixing by pairs, a quiet teacher; the same on one process as on several."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import MLP, RNN, Conv, Signal
from crossdistill.encoders.make import make_encoder, resolved
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS
from crossdistill.models import CrossModalModel
from crossdistill.training.passes import forward, mixed, mixing_of, select_mixing, with_mixing
from crossdistill.types import Batch, Padded


def chance(count: int) -> torch.Tensor:
    return torch.linspace(0.001, 0.999, count, dtype=torch.float64)


def everyone(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.bool)


def test_neighbours_are_partners() -> None:
    assert mixing_of(chance(6), everyone(6), 0.4).partners.tolist() == [1, 0, 3, 2, 5, 4]
    assert mixing_of(chance(5), everyone(5), 0.4).partners.tolist() == [1, 0, 3, 2, 4], "an odd last one is its own"
    lacking = torch.tensor([True, False, True, True])
    assert mixing_of(chance(4), lacking, 0.4).whole.tolist() == [False, False, True, True]


@pytest.mark.parametrize("concentration", [0.2, 0.4, 1.0, 3.0, 20.0])
def test_weights_follow_the_beta_distribution(concentration: float) -> None:
    from scipy import stats

    weights = mixing_of(chance(20_000), everyone(20_000), concentration).weights.double().numpy()
    distance, _ = stats.kstest(weights, stats.beta(concentration, concentration).cdf)
    assert distance < 0.02
    assert 0 <= weights.min() <= weights.max() <= 1


def test_mixtures_of_arrays_and_of_sequences() -> None:
    mixing = mixing_of(chance(4), everyone(4), 1.0)
    x = torch.randn(4, 3, 2)
    for row in range(4):
        w, other = mixing.weights[row], x[row ^ 1]
        torch.testing.assert_close(mixed(x, mixing)[row], w * x[row] + (1 - w) * other)  # type: ignore[index]
    lengths = torch.tensor([1, 3, 2, 2])
    values = x * (torch.arange(3)[None, :, None] < lengths[:, None, None])
    made = mixed(Padded(values, lengths), mixing)
    assert isinstance(made, Padded)
    assert made.lengths.tolist() == [3, 3, 2, 2]
    w = mixing.weights[:, None]
    torch.testing.assert_close(made.values[0, 0], w[0] * values[0, 0] + (1 - w[0]) * values[1, 0])
    torch.testing.assert_close(
        made.values[0, 1:], values[1, 1:]
    )  # where the shorter has ended, the longer goes on alone
    torch.testing.assert_close(made.values[1, 1:], values[1, 1:])
    torch.testing.assert_close(made.values[2:, :2], mixed(values, mixing)[2:, :2])  # type: ignore[index]
    assert not made.values[2:, 2:].any(), "and beyond both there is nothing"
    shifted = mixed(Padded(torch.where(values != 0, values + 5, 0.0), lengths), mixing)
    own = torch.arange(3)[None, :, None] < made.lengths[:, None, None]
    torch.testing.assert_close(shifted.values, torch.where(own, made.values + 5, 0.0))  # type: ignore[union-attr]


def test_selected_pairs() -> None:
    mixing = mixing_of(chance(6), everyone(6), 1.0)
    chosen = select_mixing(mixing, torch.tensor([0, 1, 3, 4, 5]))
    assert chosen.partners.tolist() == [1, 0, 0, 4, 3]
    assert chosen.whole.tolist() == [True, True, False, True, True]
    assert torch.equal(chosen.weights, mixing.weights[[0, 1, 3, 4, 5]])


def test_which_pairs_are_whole_stays_on_the_cpu() -> None:
    """Where it is read without waiting for a device, as `Batch.present` is."""
    lacking = torch.tensor([True, False, True, True])
    moved = Batch({}, torch.zeros(4), torch.arange(4), {}, mixing=mixing_of(chance(4), lacking, 1.0)).to("meta").mixing
    assert moved is not None
    assert moved.partners.is_meta
    assert moved.weights.is_meta
    assert moved.whole.tolist() == [False, False, True, True]


def small() -> tuple[CrossModalModel, Batch]:
    torch.manual_seed(0)
    model = CrossModalModel({"a": MLP(3, 4, dropout=0.5), "b": MLP(2, 4, dropout=0.5)}, ("a",), ("b",), 4, 3, 0.5)
    inputs = {"a": torch.randn(8, 3), "b": torch.randn(8, 2)}
    return model, Batch(inputs, torch.arange(8) % 3, torch.arange(8), {}, chance=chance(8))


def test_the_quiet_pass_has_no_dropout_and_no_gradient_and_leaves_the_mode() -> None:
    model, batch = small()
    method = METHODS["amid_u"](model)
    made = [forward(method, with_mixing(method, batch)) for _ in range(2)]
    assert model.training
    quiet = [representations.passes["quiet"] for representations in made]
    assert torch.equal(quiet[0].full_logits, quiet[1].full_logits)
    assert not quiet[0].full_logits.requires_grad
    assert not torch.equal(made[0].full_logits, made[1].full_logits), "dropout elsewhere"
    expected = model.eval()(batch.modalities, ("full",)).full_logits
    torch.testing.assert_close(quiet[0].full_logits, expected)


def test_methods_without_further_passes_get_none() -> None:
    model, batch = small()
    method = METHODS["kd"](model)
    assert with_mixing(method, batch) is batch
    assert forward(method, batch).passes == {}


def test_a_batch_keeps_the_pairs_that_it_has() -> None:
    model, batch = small()
    method = METHODS["amid_u"](model)
    first = with_mixing(method, batch)
    assert with_mixing(method, first) is first
    moved = first.to("cpu")
    assert moved.mixing is not None
    assert torch.equal(moved.mixing.weights, first.mixing.weights)  # type: ignore[union-attr]
    by_hand = replace(batch, chance=torch.zeros(0, dtype=torch.float64))
    torch.manual_seed(1)
    drawn = with_mixing(method, by_hand).mixing
    assert drawn is not None
    assert len(set(drawn.weights.tolist())) > 1


@pytest.mark.parametrize(
    ("encoder", "kind", "shape", "mixes"),
    [
        ("mlp", "array", (6,), True),
        ("resnet", "picture", (3, 32, 32), True),
        ("r2plus1d", "array", (3, 4, 16, 16), True),
        ("mlp", "array", (20, 6), False),
        ("conv", "array", (-1, 6), False),
        ("rnn", "array", (20, 6), False),
        ("signal", "array", (50, 6), False),
        ("mlp", "text", (1024,), True),
    ],
)
def test_windows_and_sequences_are_not_mixed(
    encoder: str, kind: Literal["array", "picture", "text"], shape: tuple[int, ...], mixes: bool
) -> None:
    spec = InputSpec(kind, shape)
    chosen = resolved("a", spec, EncoderSettings(encoder))
    made = {"a": make_encoder("a", spec, chosen), "b": MLP(2, 4)}
    model = CrossModalModel(made, ("a",), ("b",), 4, 3, 0.0)
    assert model.can_mix is mixes
    assert any(asked.mixed for asked in METHODS["amid_u"](model).passes) is mixes
    assert any(asked.mixed for asked in METHODS["self_training"](model).passes) is mixes


@pytest.mark.parametrize("says", [None, False, True])
def test_an_encoder_of_ones_own_is_believed_and_not_what_it_holds(says: bool | None) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.width = 4
            self.encoder: nn.Module = MLP(10, 4) if says is not True else Conv(2, 4)
            if says is not None:
                self.mixes = says

    for spec, unless_said in ((InputSpec("array", (5, 2)), False), (InputSpec("array", (10,)), True)):
        made = {"a": make_encoder("a", spec, EncoderSettings("mlp"), given=Own()), "b": MLP(2, 4)}
        can_mix = CrossModalModel(made, ("a",), ("b",), 4, 3, 0.0).can_mix
        assert can_mix is (unless_said if says is None else says)
    by_hand = CrossModalModel({"a": Own(), "b": MLP(2, 4)}, ("a",), ("b",), 4, 3, 0.0)
    assert by_hand.can_mix is (says is not False)


@pytest.mark.parametrize("says", [None, True])
def test_token_ids_are_never_mixed(says: bool | None) -> None:
    own = MLP(10, 4)
    if says is not None:
        own.mixes = says  # type: ignore[assignment]
    spec = InputSpec("text", (10,), dtype="int64")
    made = {"a": make_encoder("a", spec, EncoderSettings("mlp"), given=own), "b": MLP(2, 4)}
    assert not CrossModalModel(made, ("a",), ("b",), 4, 3, 0.0).can_mix


def test_a_model_made_by_hand_does_not_mix_sequences_either() -> None:
    for encoder in (Conv(2, 4), RNN(2, 4), Signal(2, 4)):
        assert not CrossModalModel({"a": encoder, "b": MLP(2, 4)}, ("a",), ("b",), 4, 3, 0.0).can_mix
