"""What every backbone of raw media keeps: frozen it does not move, it works under autocast, and it repeats itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from crossdistill.encoders import RNN, Cnn14, DenseNet, Encoder, R2Plus1D
from crossdistill.models import CrossModalModel
from crossdistill.types import Modality, Padded, View
from tests.encoders.batches import padded, sequences

SOUNDS = Padded(
    0.1 * torch.randn(3, 12_000, generator=torch.Generator().manual_seed(0)), torch.tensor([12_000, 500, 9])
)
VIDEOS = torch.randn(3, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
BACKBONES: dict[str, tuple[Callable[[], nn.Module], Modality]] = {
    "r2plus1d": (lambda: R2Plus1D((1, 1, 1, 1), 2), VIDEOS),
    "r2plus1d by the formula": (lambda: R2Plus1D((1, 1, 1, 1), 2, midplanes="formula", activation="relu"), VIDEOS),
    "cnn14": (lambda: Cnn14(width=6, channels=2, dropout=0.2), SOUNDS),
    "densenet": (lambda: DenseNet((1, 2), growth=4, channels=6), VIDEOS),
    "rnn": (lambda: RNN(3, 6, hidden=4, cell="lstm", pooling="max", dropout=0.2), padded(sequences([4, 2, 7]))),
}
ALL: tuple[View, ...] = ("target", "auxiliary", "full")


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return BACKBONES[name][0]()


def state(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def changed(before: Mapping[str, Tensor], module: nn.Module) -> set[str]:
    return {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])}


def train_a_little(model: CrossModalModel, modalities: Mapping[str, Modality]) -> None:
    model.train()
    optimizer = torch.optim.SGD(model.parameters_of(*ALL), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        representations = model(modalities, ALL)
        torch.stack([representations.logits[view].square().mean() for view in ALL]).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("separate_teacher", [False, True])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_frozen_backbone_keeps_parameters_statistics_and_output(name: str, separate_teacher: bool) -> None:
    encoders = {"x": made(name), "y": nn.Sequential(nn.Linear(5, 5))}
    encoders["y"].width = 5  # type: ignore[assignment]
    model = CrossModalModel(encoders, ("y",), ("x",), width=4, classes=3, separate_teacher=separate_teacher)
    model.freeze_encoders(["x"])
    modalities = {"x": BACKBONES[name][1], "y": torch.randn(3, 5)}
    before, output = state(model), model.encoders["x"](modalities["x"])
    train_a_little(model, modalities)
    moved = changed(before, model)
    assert not [key for key in moved if ".x." in key]
    assert "encoders.y.0.weight" in moved
    assert torch.equal(model.encoders["x"](modalities["x"]), output)
    assert not output.requires_grad
    assert not any(module.training for module in model.encoders["x"].modules())
    assert all(p.grad is None for p in model.encoders["x"].parameters())


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "rnn"])
def test_a_trained_backbone_moves_parameters_and_statistics(name: str) -> None:
    """So the test above can fail."""
    backbone, x = made(name).train(), BACKBONES[name][1]
    before = state(backbone)
    backbone(x).square().sum().backward()
    torch.optim.SGD(backbone.parameters(), lr=0.01).step()
    assert changed(before, backbone) == set(before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", BACKBONES)
def test_bfloat16_is_finite_and_close(name: str, training: bool) -> None:
    backbone, x = made(name).train(training), BACKBONES[name][1]
    torch.manual_seed(1)
    exact = backbone(x)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = backbone(x)
    rounded.float().square().sum().backward()
    assert torch.isfinite(rounded).all()
    if not training:  # statistics of three values, in the last layers here, magnify what was rounded
        assert (rounded.float() - exact).norm() < 0.1 * exact.norm()
    for key, parameter in backbone.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.dtype == torch.float32
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", BACKBONES)
def test_the_same_seed_gives_the_same_output_and_gradients(name: str) -> None:
    runs = []
    for _ in range(2):
        backbone = made(name).train()
        torch.manual_seed(1)
        out = backbone(BACKBONES[name][1])
        out.square().sum().backward()
        runs.append([out, *(p.grad for p in backbone.parameters())])
    assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


@pytest.mark.parametrize("name", BACKBONES)
def test_state_dicts_and_copies_carry_the_whole_backbone(name: str) -> None:
    backbone, other, x = made(name), BACKBONES[name][0](), BACKBONES[name][1]
    backbone.train()(x)  # moves the statistics, which belong to it
    other.load_state_dict(backbone.state_dict())
    expected = backbone.eval()(x)
    assert torch.equal(other.eval()(x), expected)
    assert torch.equal(copy.deepcopy(backbone)(x), expected)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_activation_is_leaky_unless_told_otherwise(name: str) -> None:
    kinds = {type(module) for module in made(name).modules()} & {nn.ReLU, nn.LeakyReLU}
    assert kinds == ({nn.ReLU} if "formula" in name else set() if name == "rnn" else {nn.LeakyReLU})


@pytest.mark.parametrize("name", BACKBONES)
def test_the_width_is_that_of_the_output(name: str) -> None:
    backbone: Encoder = made(name)  # type: ignore[assignment]
    assert backbone(BACKBONES[name][1]).shape == (3, backbone.width)
