"""DenseNet-121: torchvision's keys, its outputs against plain convolutions, and features frame by frame."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossdistill.encoders.densenet import DenseNet
from crossdistill.types import InputError, Padded
from tests.encoders.published import keys_and_shapes, parameters_in, random_state, seeded

PUBLISHED = keys_and_shapes("densenet121_keys.txt")
HEAD = {"classifier.weight", "classifier.bias"}


def tiny(activation: str = "relu") -> DenseNet:
    network = seeded(DenseNet((2, 1, 2), growth=4, channels=6, activation=activation))  # type: ignore[arg-type]
    assert isinstance(network, DenseNet)
    return network


def test_keys_and_shapes_are_torchvision_s_but_for_the_classifier() -> None:
    assert parameters_in(PUBLISHED) == 7_978_856
    network = DenseNet()
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == {
        key: shape for key, shape in PUBLISHED.items() if key not in HEAD
    }
    assert sum(p.numel() for p in network.parameters()) == 6_953_856
    assert network.width == 1024


@pytest.mark.parametrize("old_names", [False, True])
def test_the_imagenet_checkpoint_loads_by_its_new_and_its_old_names(old_names: bool, tmp_path: Path) -> None:
    """The file that torchvision downloads is of 2017: norm.1 for norm1, and no counters of batches."""
    state = random_state(PUBLISHED)
    given = {
        re.sub(r"(denselayer\d+\.\w+)([12])\.", r"\1.\2.", key): value
        for key, value in state.items()
        if "num_batches" not in key
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in given
    torch.save(given if old_names else state, tmp_path / "densenet121.pth")
    network = DenseNet()
    network.load_weights(tmp_path / "densenet121.pth")
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded if "num_batches" not in key)


def test_another_densenet_s_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(tiny().state_dict(), tmp_path / "small.pt")
    with pytest.raises(InputError, match=r"small\.pt: features\.conv0\.weight: expected shape \(64, 3, 7, 7\), found"):
        DenseNet().load_weights(tmp_path / "small.pt")


def functional(state: dict[str, Tensor], x: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """The network of Huang et al. 2017 (Table 1, DenseNet-BC) from torchvision's keys and plain convolutions, ReLU."""

    def activated(x: Tensor, key: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{key}.{name}"] for name in names)).relu()

    x = F.conv2d(x, state["features.conv0.weight"], stride=2, padding=3)
    x = F.max_pool2d(activated(x, "features.norm0"), 3, 2, 1)
    for block, layers in enumerate(blocks, start=1):
        maps = [x]
        for layer in range(1, layers + 1):
            key = f"features.denseblock{block}.denselayer{layer}"
            inner = F.conv2d(activated(torch.cat(maps, dim=1), f"{key}.norm1"), state[f"{key}.conv1.weight"])
            maps.append(F.conv2d(activated(inner, f"{key}.norm2"), state[f"{key}.conv2.weight"], padding=1))
        x = torch.cat(maps, dim=1)
        if block < len(blocks):
            key = f"features.transition{block}"
            x = F.avg_pool2d(F.conv2d(activated(x, f"{key}.norm"), state[f"{key}.conv.weight"]), 2)
    return activated(x, "features.norm5").mean(dim=(2, 3))


def test_the_network_is_what_plain_convolutions_make_of_its_weights() -> None:
    network, x = tiny().double(), torch.randn(2, 3, 40, 33, dtype=torch.float64)
    out, expected = network(x), functional(network.state_dict(keep_vars=True), x, (2, 1, 2))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(made.square().sum(), list(network.parameters())) for made in (out, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)


def test_leaky_relu_differs_from_relu_by_little() -> None:
    x = torch.randn(2, 3, 32, 32)
    relu, leaky = tiny("relu")(x), tiny("leaky_relu")(x)
    assert not torch.equal(relu, leaky)
    assert (relu - leaky).norm() < 0.2 * relu.norm()


def test_a_video_s_features_are_those_of_its_frames() -> None:
    network, video = tiny(), torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        frames, lengths = network.sequence(video)
        assert lengths.tolist() == [4, 4]
        for clip in range(2):
            for t in range(4):
                picture = network(video[clip : clip + 1, :, t])[0]
                torch.testing.assert_close(frames[clip, t], picture, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(video), frames.mean(dim=1))


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (3, 3, 2, 32, 32)])
def test_shape_and_gradients(shape: tuple[int, ...]) -> None:
    network = tiny("leaky_relu").train()
    out = network(torch.randn(shape))
    assert out.shape == (3, network.width)
    out.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("x", [torch.zeros(2, 32, 32, 3), torch.zeros(2, 4, 3, 32, 32), torch.zeros(2, 3)])
def test_other_layouts_are_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected pictures \(B, 3, H, W\) or videos \(B, 3, T, H, W\), got \(2,"):
        tiny()(x)


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="got sequences of different length"):
        tiny()(Padded(torch.zeros(2, 4, 3), torch.tensor([4, 2])))
