"""Standard units: by the training samples' mean and standard deviation, whatever the input's units."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from crossdistill import DataSettings, build, own
from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.columns import Column, Rows
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import Features, Standardized
from crossdistill.encoders.make import make_encoder
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.models.spec import model_to_load
from crossdistill.runs.statistics import feature_statistics
from crossdistill.types import Modality, Padded
from tests.encoders.batches import padded, sequences


class Seen(nn.Module):
    """Hands on what it is given."""

    width = 3

    def forward(self, x: Modality) -> Modality:
        return x


class Counted:
    """Another column, and which rows have been read."""

    def __init__(self, column: Column) -> None:
        self.column, self.shape, self.rows = column, column.shape, list[int]()

    def __len__(self) -> int:
        return len(self.column)

    def fetch(self, rows: Rows) -> Modality:
        self.rows += rows.tolist()
        return self.column.fetch(rows)


def dataset(values: object, train: int) -> MultimodalDataset:
    count = len(values)  # type: ignore[arg-type]
    splits = ["train"] * train + ["test"] * (count - train)
    return from_arrays({"x": values}, [0] * count, splits=splits)  # type: ignore[dict-item]


def seen(values: Modality, mean: Tensor, std: Tensor, center: bool = False) -> Modality:
    return cast(Modality, Standardized(Seen(), mean, std, center)(values))


def test_training_samples_get_mean_0_and_deviation_1_and_test_samples_do_not_count() -> None:
    train, test = torch.randn(200, 3) * torch.tensor([0.01, 1.0, 50.0]) + torch.tensor([5.0, 0.0, -900.0]), 1e6
    data = dataset(torch.cat([train, torch.full((50, 3), test)]).numpy(), 200)
    out = seen(train, *feature_statistics(data, "x", center=False))
    assert isinstance(out, Tensor)
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_a_feature_that_is_constant_in_each_sequence_is_nothing_once_it_is_centred() -> None:
    """Rounding is left of it, which would be noise of deviation 1, and another feature's tiny changes stay."""
    generator = torch.Generator().manual_seed(0)
    constant = (1 + 10 * torch.rand(60, 1, 1, generator=generator)).expand(60, 50, 1)
    changing = 9.81 + 1e-4 * torch.randn(60, 50, 2, generator=generator)
    values = torch.cat([constant, changing], dim=2)
    statistics = feature_statistics(dataset(values.numpy(), 60), "x", center=True)
    out = seen(values, *statistics, center=True)
    assert isinstance(out, Tensor)
    assert not out[..., 0].any()
    torch.testing.assert_close(out[..., 1:].std(dim=(0, 1)), torch.ones(2), rtol=0.05, atol=0)


@pytest.mark.parametrize("center", [False, True])
def test_sequences_are_standardised_over_their_own_steps(center: bool) -> None:
    alone = [7 * sequence + 40 * torch.randn(3) for sequence in sequences([1, 5, 9, 30, 12])]
    mean, std = feature_statistics(dataset([s.numpy() for s in alone], 5), "x", center, chunk=2)
    out = seen(padded(alone, more=3), mean, std, center)
    assert isinstance(out, Padded)
    steps = torch.cat([sequence[:length] for sequence, length in zip(*out, strict=True)])
    assert len(steps) == 57
    torch.testing.assert_close(steps.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(steps.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert (out.values[0, 1:] == 0).all(), "padding stays 0"


def test_centring_takes_a_sequence_s_own_offset_away() -> None:
    alone = sequences([4, 7])
    shifted = [sequence + 100 * (row + 1) for row, sequence in enumerate(alone)]
    first, second = (seen(padded(given), torch.zeros(3), torch.ones(3), True) for given in (alone, shifted))
    torch.testing.assert_close(first[0], second[0], atol=1e-4, rtol=0)


def test_the_size_of_the_chunks_does_not_matter() -> None:
    data = dataset(torch.randn(100, 4, 3).numpy(), 90)
    whole, parts = (feature_statistics(data, "x", False, chunk) for chunk in (512, 7))
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize("center", [False, True])
def test_each_training_sample_is_read_twice(center: bool) -> None:
    """Once for the means and once for the deviations: to read a clip is to decode it."""
    data = dataset(torch.randn(60, 4, 3).numpy(), 40)
    counted = Counted(data.columns["x"])
    feature_statistics(replace(data, columns={"x": counted}), "x", center, chunk=7)
    assert sorted(counted.rows) == sorted([*range(40), *range(40)])


@pytest.mark.parametrize("constant", [0.0, -7.25, 0.1, 1234.567, 1e5 / 3])
def test_a_feature_without_spread_becomes_0_even_where_a_test_sample_differs(constant: float) -> None:
    values = torch.randn(333, 3)
    values[:, 1] = constant
    mean, std = feature_statistics(dataset(values.numpy(), 333), "x", center=False)
    values[0, 1] += 1
    out = seen(values, mean, std)
    assert isinstance(out, Tensor)
    assert (out[:, 1] == 0).all()
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_the_input_s_unit_does_not_matter(unit: float) -> None:
    """Metres or nanometres: the encoder sees the same."""
    values = torch.randn(300, 3) + 0.5
    scaled = values * unit
    expected, found = (
        seen(given, *feature_statistics(dataset(given.numpy(), 300), "x", center=False)) for given in (values, scaled)
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_statistics_are_kept_in_float32_and_move_with_the_module(dtype: torch.dtype) -> None:
    module = Standardized(Seen(), torch.tensor([1.0, 2.0, 3.0], dtype=dtype), torch.ones(3, dtype=dtype))
    assert module.mean.dtype == module.inverse_std.dtype == torch.float32
    assert module(torch.zeros(2, 3)).dtype == torch.float32
    assert module.double()(torch.zeros(2, 3, dtype=torch.float64)).dtype == torch.float64
    assert set(module.state_dict()) == {"mean", "inverse_std"}
    assert not list(module.parameters())


@pytest.mark.parametrize("center", [False, True])
def test_the_bound_holds_on_both_sides_and_leaves_the_rest(center: bool) -> None:
    mean, std = torch.tensor([5.0, 0.0, -900.0]), torch.tensor([0.01, 1.0, 50.0])
    for values in (torch.randn(40, 3) * 100, padded(sequences([3, 9, 4]), more=2)):
        if center and isinstance(values, Tensor):
            continue
        free, bounded = (Standardized(Seen(), mean, std, center, bound)(values) for bound in (0.0, 4.0))
        free, bounded = (x.values if isinstance(x, Padded) else x for x in (free, bounded))
        assert bool((free.abs() > 4).any())
        torch.testing.assert_close(bounded, free.clamp(-4, 4), atol=0, rtol=0)


def test_a_recipe_bounds_inputs_in_training_and_prediction_alike() -> None:
    """A test sample a thousand deviations away is one that is four away, in the model that ships, too."""
    random = torch.Generator().manual_seed(0)
    data = dataset(torch.randn(60, 3, generator=random).numpy(), 60)
    recipe = replace(own(("x",), ()), method="baseline", data=DataSettings("", ("x",), (), evaluate_on="none"))
    mean, std = feature_statistics(data, "x", center=False)
    far, near = (mean + factor * std for factor in (1000.0, 4.0))
    for bound, same in ((4.0, True), (0.0, False)):
        bounded = replace(recipe, model=replace(recipe.model, input_bound=bound))
        built = build(bounded, data)
        assert built.spec.input_bound == bound
        shipped = model_to_load(built.spec.of_student()).eval()
        shipped.load_state_dict(built.model.student_state())
        for model in (built.model.eval(), shipped):
            outputs = [model.predict({"x": x[None].float()}) for x in (far, near)]
            assert torch.allclose(*outputs, atol=1e-4) == same


def test_a_spread_that_float32_cannot_divide_by_is_none() -> None:
    """1 / 1e-42 is infinite, and infinity times 0 no number."""
    x = torch.tensor([[0.0, 1.0], [1e-42, 2.0], [2e-42, 3.0]])
    made = Standardized(Features(2), x.double().mean(0), x.double().std(0, correction=0))(x)
    assert made[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert made[2, 1] == pytest.approx(1.5**0.5)


def test_an_encoder_of_ones_own_gets_counts_of_letters_in_standard_units_and_tokens_as_they_are() -> None:
    settings = EncoderSettings("mlp")
    counts = make_encoder("said", InputSpec("text", (1024,)), settings, given=Seen())
    tokens = make_encoder("said", InputSpec("text", (-1, 1), "int64"), EncoderSettings(f"{__name__}:Seen"))
    own = make_encoder("said", InputSpec("text", (1024,)), EncoderSettings(f"{__name__}:Seen"))
    assert isinstance(counts, Standardized)
    assert isinstance(own, Standardized)
    assert isinstance(tokens, Seen)
