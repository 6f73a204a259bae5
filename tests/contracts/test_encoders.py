"""The contract that every encoder keeps, and that the public suite tells an encoder that breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crossdistill.encoders import (
    MLP,
    RNN,
    Cnn14,
    Conv,
    DenseNet,
    Features,
    LogMelMean,
    R2Plus1D,
    ResNet,
    Signal,
    Standardized,
)
from crossdistill.testing import ENCODER_PROPERTIES, check_encoder
from crossdistill.types import Modality, Padded

Factory = Callable[[], nn.Module]
Case = tuple[Factory, tuple[int, ...]]

WIDTH = 5
ENCODERS: dict[str, Case] = {
    "mlp": (lambda: MLP(6, WIDTH, dropout=0.5), (6,)),
    "mlp on arrays": (lambda: MLP(24, WIDTH), (2, 3, 4)),
    "mlp on sequences": (lambda: MLP(12, WIDTH, steps=4), (-1, 3)),
    "conv": (lambda: Conv(3, WIDTH, hidden=8, dropout=0.5), (-1, 3)),
    "conv on windows": (lambda: Conv(3, WIDTH, hidden=8), (20, 3)),
    "signal": (lambda: Signal(3, WIDTH, layers=2, hidden=8, dropout=0.5, bins=5, steps=4), (-1, 3)),
    "rnn": (lambda: RNN(3, WIDTH, layers=2, hidden=6, dropout=0.5), (-1, 3)),
    "lstm": (lambda: RNN(3, WIDTH, hidden=6, cell="lstm", pooling="max"), (-1, 3)),
    "features": (lambda: Features(6), (6,)),
    "standardised": (lambda: Standardized(RNN(3, WIDTH), torch.ones(3), torch.ones(3)), (-1, 3)),
    "centred": (lambda: Standardized(Conv(3, WIDTH), torch.ones(3), torch.ones(3), center=True), (-1, 3)),
    "resnet": (lambda: ResNet(3, WIDTH, channels=4, blocks=(1, 2), stride=2, dropout=0.5), (3, 20, 26)),
    "resnet, colours last": (lambda: ResNet(2, WIDTH, channels=4, blocks=(1, 1), colours="last"), (9, 14, 2)),
    "resnet on spectrograms": (lambda: ResNet(1, WIDTH, 4, (1, 1, 1), stride=2, colours="none"), (-1, 7)),
    "pictures standardised": (
        lambda: Standardized(ResNet(3, WIDTH, 4, (1,)), torch.ones(3), torch.ones(3), bound=4.0, axis=-3),
        (3, 9, 9),
    ),
    "r2plus1d": (lambda: R2Plus1D(blocks=(1, 1, 1, 1), channels=4), (3, 4, 16, 16)),
    "densenet": (lambda: DenseNet(blocks=(1, 1), growth=4, channels=4), (3, 32, 32)),
    "log_mel": (LogMelMean, (16000,)),
    "cnn14": (lambda: Cnn14(WIDTH, channels=2), (16000,)),
}


@pytest.mark.parametrize("encoder_property", ENCODER_PROPERTIES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_keeps(name: str, encoder_property: Callable[[Factory, tuple[int, ...]], None]) -> None:
    encoder_property(*ENCODERS[name])


def test_checking_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_encoder(*ENCODERS["mlp"])
    assert torch.equal(torch.rand(2), expected)


class Linear(nn.Linear):
    """A good encoder of vectors, which the classes below spoil."""

    width = WIDTH

    def __init__(self) -> None:
        super().__init__(6, WIDTH)


class WithoutWidth(nn.Linear):
    def __init__(self) -> None:
        super().__init__(6, WIDTH)


class WrongWidth(Linear):
    width = WIDTH + 1


class WidthAsText(Linear):
    width = "5"  # type: ignore[assignment]


class Flat(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten()


class Doubles(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


class Overflows(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 0.0


class Unreached(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Detached(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.zeros(WIDTH)


class SlopeAtZero(Linear):
    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out + (0.0 * out).square().sum(dim=1, keepdim=True).sqrt()


class AlwaysDropout(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, training=True)


class InPlace(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


class MovesABuffer(Linear):
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class BatchStatistics(Linear):
    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return (out - out.mean(dim=0)) / (out.var(dim=0, correction=0) + 1e-5).sqrt()


class Squeezes(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


class RefusesOne(Linear):
    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1:
            raise ValueError("expected more than one sample")
        return super().forward(x)


class SecretScale(Linear):
    """A random number outside the state."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = float(torch.rand(()))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


class LazyState(Linear):
    """Parameters whose names depend on the object."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(f"seed_{int(torch.randint(1000, ()))}", torch.zeros(()))


class HoldsALambda(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.activation = lambda x: x.relu()

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.activation(super().forward(x))
        return activated


class ForgetsWhenCopied(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "scale": 1.0}

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


class MeansOverPadding(nn.Module):
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3, WIDTH)

    def forward(self, x: Modality) -> Tensor:
        assert isinstance(x, Padded)
        out: Tensor = self.project(x.values.mean(dim=1))
        return out


class InATuple(Linear):
    """As PyTorch's recurrent networks give it."""

    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x), x)  # type: ignore[return-value]


class OfOtherFeatures(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :4])


BROKEN: dict[type[nn.Module], str] = {
    InATuple: r"expected a tensor \(B, width\), found tuple",
    OfOtherFeatures: r"a batch of shape \(4, 6\) fails: mat1 and mat2 shapes cannot be multiplied",
    WithoutWidth: r"expected an int \.width of at least 1, found None",
    WidthAsText: r"expected an int \.width of at least 1, found 5",
    WrongWidth: r"expected an output \(B, width\) = \(4, 6\), got \(4, 5\)",
    Flat: r"expected an output \(B, width\) = \(4, 5\), got \(20,\)",
    Doubles: "expected float32 for float32 inputs, got torch.float64",
    Overflows: "the output is not finite",
    Unreached: "no gradient reaches spare.bias, spare.weight",
    Detached: "every gradient is 0",
    SlopeAtZero: "the gradient is not finite of weight, bias",
    InPlace: "it changes its input in place",
    AlwaysDropout: "in evaluation mode the same input has another output the second time",
    MovesABuffer: "encoding in evaluation mode changed calls",
    BatchStatistics: "a sample's output depends on the other samples of its batch",
    MeansOverPadding: "a sequence's output depends on the padding of its batch",
    Squeezes: r"a batch of one sample has the shape \(5,\)",
    RefusesOne: "a batch of one sample fails: expected more than one sample",
    SecretScale: "the output is another one after a state_dict round trip",
    LazyState: "its state_dict does not load into another one",
    HoldsALambda: "pickle fails",
    ForgetsWhenCopied: "after deepcopy the output is another one",
}


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_encoder_is_told_what_it_breaks(cls: type[nn.Module]) -> None:
    shape = (-1, 3) if cls is MeansOverPadding else (6,)
    with pytest.raises(AssertionError, match=f"^{cls.__name__}: {BROKEN[cls]}"):
        check_encoder(cls, shape)


def test_the_encoder_that_the_broken_ones_are_made_of_is_good() -> None:
    check_encoder(Linear, (6,))
