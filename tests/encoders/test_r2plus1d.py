"""R(2+1)D: torchvision's keys, the paper's factorisation, and its outputs against plain convolutions."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossdistill.encoders.r2plus1d import R2Plus1D, midplanes_of
from crossdistill.types import InputError, Padded
from tests.encoders.published import keys_and_shapes, parameters_in, random_state, seeded

PUBLISHED = keys_and_shapes("r2plus1d_18_keys.txt")
HEAD = {"fc.weight", "fc.bias"}


def shapes_of(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def test_keys_and_shapes_are_torchvision_s_but_for_the_classifier() -> None:
    assert parameters_in(PUBLISHED) == 31_505_325
    assert shapes_of(R2Plus1D()) == {key: shape for key, shape in PUBLISHED.items() if key not in HEAD}


@pytest.mark.parametrize(
    ("blocks", "midplanes", "parameters"),
    [
        ((2, 2, 2, 2), "shared", 31_505_325 - 400 * 513),
        ((1, 1, 1, 1), "shared", 12_487_005),
        ((1, 1, 1, 1), "formula", 14_391_466 - 51 * 513),  # CCL's network: 14.39 M with a classifier of 51 classes
    ],
)
def test_sizes(blocks: tuple[int, ...], midplanes: str, parameters: int) -> None:
    network = R2Plus1D(blocks, midplanes=midplanes)  # type: ignore[arg-type]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network.width == 512


def counted_by_hand(blocks: tuple[int, ...]) -> int:
    """CCL's network without its classifier: every convolution split, with channels between by Section 3.5."""

    def split(before: int, after: int, time: int, space: int) -> int:
        between = int(time * space**2 * before * after / (space**2 * before + time * after))
        return before * between * space**2 + 2 * between + between * after * time + 2 * after  # with two BatchNorms

    total = split(3, 64, 3, 7)
    for before, after, count in zip((64, 64, 128, 256), (64, 128, 256, 512), blocks, strict=True):
        total += split(before, after, 3, 3) + split(after, after, 3, 3) * (2 * count - 1)
        total += split(before, after, 1, 1) if before != after else 0
    return total


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (2, 2, 2, 2), (1, 2, 3, 1)])
def test_the_formula_s_network_counted_by_hand(blocks: tuple[int, ...]) -> None:
    assert sum(p.numel() for p in R2Plus1D(blocks, midplanes="formula").parameters()) == counted_by_hand(blocks)


@pytest.mark.parametrize(("before", "after"), [(64, 64), (64, 128), (3, 64), (256, 512)])
def test_a_split_convolution_has_about_as_many_weights_as_the_whole_one(before: int, after: int) -> None:
    between = midplanes_of(before, after, 3, 3)
    split = between * (9 * before + 3 * after)
    assert 27 * before * after - (9 * before + 3 * after) < split <= 27 * before * after


def test_the_kinetics_checkpoint_s_keys_load_and_its_classifier_is_left_out(tmp_path: Path) -> None:
    state = random_state(PUBLISHED)
    torch.save(state, tmp_path / "r2plus1d_18.pth")
    network = R2Plus1D()
    network.load_weights(tmp_path / "r2plus1d_18.pth")
    loaded = network.state_dict()
    assert set(state) - set(loaded) == HEAD
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_another_network_s_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(R2Plus1D((1, 1, 1, 1), 8).state_dict(), tmp_path / "small.pt")
    with pytest.raises(
        InputError, match=r"small\.pt: stem\.0\.weight: expected shape \(11, 3, 1, 7, 7\), found \(5, 3"
    ):
        R2Plus1D((1, 1, 1, 1), 16).load_weights(tmp_path / "small.pt")
    with pytest.raises(InputError, match=r"small\.pt: keys do not fit: expected layer1\.1\..* more, not found"):
        R2Plus1D((2, 1, 1, 1), 8).load_weights(tmp_path / "small.pt")


def slow_convolution(x: np.ndarray, weight: np.ndarray, stride: tuple[int, ...]) -> np.ndarray:
    """Correlation of (C, T, H, W) with (O, C, t, h, w), zero-padded to keep the size, in loops."""
    size = weight.shape[2:]
    padded = np.pad(x, [(0, 0), *((k // 2, k // 2) for k in size)])
    counts = [(n + 2 * (k // 2) - k) // s + 1 for n, k, s in zip(x.shape[1:], size, stride, strict=True)]
    out = np.zeros((len(weight), *counts))
    for o, t, h, w in itertools.product(*map(range, out.shape)):
        start = [index * s for index, s in zip((t, h, w), stride, strict=True)]
        window = padded[:, start[0] : start[0] + size[0], start[1] : start[1] + size[1], start[2] : start[2] + size[2]]
        out[o, t, h, w] = np.sum(window * weight[o])
    return out


def slow_normalisation(x: np.ndarray, state: dict[str, np.ndarray], key: str) -> np.ndarray:
    mean, variance, scale, shift = (
        state[f"{key}.{name}"][:, None, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


@pytest.mark.parametrize(("layer", "stride", "activation"), [(1, 1, "relu"), (2, 2, "relu"), (2, 2, "leaky_relu")])
def test_a_block_is_what_slow_loops_make_of_its_weights(layer: int, stride: int, activation: str) -> None:
    network = seeded(R2Plus1D((1, 1, 1, 1), 2, activation=activation)).double()  # type: ignore[arg-type]
    block = network.get_submodule(f"layer{layer}.0")
    state = {key: value.numpy() for key, value in block.state_dict().items()}
    x = torch.randn(2 * max(1, layer - 1), 4, 5, 3, dtype=torch.float64)

    def activate(values: np.ndarray) -> np.ndarray:
        return np.maximum(values, 0) + (0.01 if activation == "leaky_relu" else 0) * np.minimum(values, 0)

    def split(values: np.ndarray, key: str, s: int) -> np.ndarray:
        values = slow_convolution(values, state[f"{key}.0.weight"], (1, s, s))
        values = activate(slow_normalisation(values, state, f"{key}.1"))
        return slow_convolution(values, state[f"{key}.3.weight"], (s, 1, 1))

    inner = activate(slow_normalisation(split(x.numpy(), "conv1.0", stride), state, "conv1.1"))
    inner = slow_normalisation(split(inner, "conv2.0", 1), state, "conv2.1")
    shortcut = x.numpy()
    if stride > 1:
        shortcut = slow_convolution(shortcut, state["downsample.0.weight"], (stride,) * 3)
        shortcut = slow_normalisation(shortcut, state, "downsample.1")
    with torch.no_grad():
        np.testing.assert_allclose(block(x[None])[0].numpy(), activate(inner + shortcut), rtol=1e-10, atol=1e-12)


def functional(state: dict[str, Tensor], x: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """The whole network from torchvision's keys and plain convolutions, ReLU."""

    def convolution(x: Tensor, key: str, stride: tuple[int, int, int]) -> Tensor:
        weight = state[f"{key}.weight"]
        return F.conv3d(x, weight, stride=stride, padding=tuple(k // 2 for k in weight.shape[2:]))  # type: ignore[arg-type]

    def normalisation(x: Tensor, key: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{key}.{name}"] for name in names))

    def split(x: Tensor, key: str, s: int, numbers: tuple[int, int, int] = (0, 1, 3)) -> Tensor:
        space, norm, time = (f"{key}.{number}" for number in numbers)
        return convolution(normalisation(convolution(x, space, (1, s, s)), norm).relu(), time, (s, 1, 1))

    x = convolution(normalisation(convolution(x, "stem.0", (1, 2, 2)), "stem.1").relu(), "stem.3", (1, 1, 1))
    x = normalisation(x, "stem.4").relu()
    for layer, count in enumerate(blocks, start=1):
        for number in range(count):
            key, stride = f"layer{layer}.{number}", 2 if layer > 1 and number == 0 else 1
            inner = normalisation(split(x, f"{key}.conv1.0", stride), f"{key}.conv1.1").relu()
            inner = normalisation(split(inner, f"{key}.conv2.0", 1), f"{key}.conv2.1")
            if stride > 1:
                x = normalisation(convolution(x, f"{key}.downsample.0", (2, 2, 2)), f"{key}.downsample.1")
            x = (inner + x).relu()
    return x.mean(dim=(2, 3, 4))


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (2, 1, 2, 1)])
def test_the_network_is_what_plain_convolutions_make_of_its_weights(blocks: tuple[int, ...]) -> None:
    network = seeded(R2Plus1D(blocks, 4, activation="relu")).double()
    x = torch.randn(2, 3, 5, 18, 16, dtype=torch.float64)
    out, expected = network(x), functional(network.state_dict(keep_vars=True), x, blocks)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(made.square().sum(), list(network.parameters())) for made in (out, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("midplanes", ["shared", "formula"])
@pytest.mark.parametrize("shape", [(2, 3, 8, 32, 32), (2, 3, 1, 16, 24), (1, 3, 3, 5, 7)])
def test_shape_and_gradients(midplanes: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = R2Plus1D((1, 1, 1, 1), 4, midplanes=midplanes)  # type: ignore[arg-type]
    network.eval()  # one pixel of one clip has no batch statistics
    out = network(torch.randn(shape))
    assert out.shape == (shape[0], network.width) == (shape[0], 32)
    out.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_order_of_frames_matters() -> None:
    network, x = seeded(R2Plus1D((1, 1, 1, 1), 4)), torch.randn(1, 3, 8, 16, 16)
    assert not torch.allclose(network(x), network(x.flip(2)), rtol=1e-3)


@pytest.mark.parametrize("x", [torch.zeros(2, 8, 3, 16, 16), torch.zeros(2, 3, 16, 16)])
def test_other_layouts_are_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected videos of shape \(B, 3, T, H, W\), got \(2, "):
        R2Plus1D((1, 1, 1, 1), 2)(x)


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="got sequences of different length"):
        R2Plus1D((1, 1, 1, 1), 2)(Padded(torch.zeros(2, 4, 3), torch.tensor([4, 2])))


@pytest.mark.parametrize("blocks", [(2, 2, 2), (1, 1, 1, 0), ()])
def test_impossible_blocks_are_refused(blocks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected the number of blocks of each of 4 layers"):
        R2Plus1D(blocks)
