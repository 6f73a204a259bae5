"""Cnn14: PANNs' keys, front end and outputs, and sounds that do not see the padding of their batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossdistill.encoders.cnn14 import Cnn14
from crossdistill.encoders.log_mel import LogMel, hann_window, mel_filters
from crossdistill.types import InputError, Padded
from tests.encoders.batches import padded
from tests.encoders.published import keys_and_shapes, parameters_in, random_state, seeded
from tests.encoders.test_log_mel import WAVEFORM

PUBLISHED = keys_and_shapes("cnn14_emb512_keys.txt")
LEFT_OUT = ("fc_audioset.", "spectrogram_extractor.", "logmel_extractor.")
SPEECH = torch.from_numpy(WAVEFORM)


def tiny(activation: str = "leaky_relu") -> Cnn14:
    network = seeded(Cnn14(width=6, channels=2, activation=activation))  # type: ignore[arg-type]
    with torch.no_grad():  # as after training: dB of sound, which are about -40 and spread by 20
        network.bn0.running_mean.sub_(40)  # type: ignore[union-attr, operator]
        network.bn0.running_var.mul_(400)  # type: ignore[union-attr, operator]
    assert isinstance(network, Cnn14)
    return network


def front_end() -> dict[str, Tensor]:
    """The constants of the published checkpoint: windowed cosines and sines, and mel filters."""
    turns = torch.outer(torch.arange(513), torch.arange(1024)) % 1024 / 1024 * 2 * torch.pi
    wave = torch.polar(hann_window().float().expand(513, 1024), -turns)
    names = ("spectrogram_extractor.stft.conv_real.weight", "spectrogram_extractor.stft.conv_imag.weight")
    return dict(zip(names, (wave.real[:, None], wave.imag[:, None]), strict=True)) | {
        "logmel_extractor.melW": mel_filters().float()
    }


def test_keys_and_shapes_are_panns_but_for_the_classifier_and_the_front_end() -> None:
    assert parameters_in(PUBLISHED) == 76_526_528 + 527 * 513
    network = Cnn14()
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == {
        key: shape for key, shape in PUBLISHED.items() if not key.startswith(LEFT_OUT)
    }
    assert sum(p.numel() for p in network.parameters()) == 76_526_528
    assert network.width == 512
    assert network.sample_rate == 32_000


def small_checkpoint() -> dict[str, Tensor]:
    return tiny().state_dict() | front_end() | {"fc_audioset.weight": torch.ones(527, 6)}


@pytest.mark.parametrize("with_front_end", [True, False])
def test_a_checkpoint_loads_with_or_without_its_front_end(with_front_end: bool, tmp_path: Path) -> None:
    state = small_checkpoint()
    if not with_front_end:
        state = {key: value for key, value in state.items() if not key.startswith(LEFT_OUT)}
    torch.save({"iteration": 1, "model": state}, tmp_path / "Cnn14.pth")
    network = Cnn14(width=6, channels=2)
    network.load_weights(tmp_path / "Cnn14.pth")
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_the_published_shapes_load(tmp_path: Path) -> None:
    state = random_state({key: shape for key, shape in PUBLISHED.items() if key not in front_end()}) | front_end()
    assert {key: tuple(value.shape) for key, value in state.items()} == PUBLISHED
    torch.save({"model": state}, tmp_path / "Cnn14_emb512.pth")
    network = Cnn14()
    network.load_weights(tmp_path / "Cnn14_emb512.pth")
    assert torch.equal(network.fc1.weight, state["fc1.weight"])


CHANGES = {
    "another window": ("spectrogram_extractor.stft.conv_real.weight", lambda w: w * 1.01),
    "no minus": ("spectrogram_extractor.stft.conv_imag.weight", lambda w: -w),
    "other mel filters": ("logmel_extractor.melW", lambda w: w.roll(1, 0)),
    "not a number": ("logmel_extractor.melW", lambda w: w * float("nan")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_were_trained_on_another_spectrogram_are_refused(change: str, tmp_path: Path) -> None:
    key, change_of = CHANGES[change]
    state = small_checkpoint()
    state[key] = change_of(state[key])
    torch.save({"model": state}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=rf"other\.pth: {key}: expected the spectrogram of 32000 Hz"):
        Cnn14(width=6, channels=2).load_weights(tmp_path / "other.pth")


def test_weights_for_16_khz_are_refused_by_the_shape(tmp_path: Path) -> None:
    state = small_checkpoint() | {"logmel_extractor.melW": torch.ones(257, 64)}
    torch.save({"model": state}, tmp_path / "Cnn14_16k.pth")
    with pytest.raises(InputError, match=r"melW: expected shape \(513, 64\), found \(257, 64\)"):
        Cnn14(width=6, channels=2).load_weights(tmp_path / "Cnn14_16k.pth")


def functional(state: dict[str, Tensor], spectrogram: Tensor) -> Tensor:
    """The published forward pass (Kong et al. 2020, Table II) from its keys, without padding, ReLU: (B, T, 64)."""

    def normalisation(x: Tensor, key: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{key}.{name}"] for name in names))

    x = normalisation(spectrogram[:, None].transpose(1, 3), "bn0").transpose(1, 3)
    for block in range(1, 7):
        for number in (1, 2):
            x = F.conv2d(x, state[f"conv_block{block}.conv{number}.weight"], padding=1)
            x = normalisation(x, f"conv_block{block}.bn{number}").relu()
        x = F.avg_pool2d(x, 2) if block < 6 else x
    x = x.mean(dim=3)
    return F.linear(x.amax(dim=2) + x.mean(dim=2), state["fc1.weight"], state["fc1.bias"]).relu()


@pytest.mark.parametrize("length", [9920, 10_240, 20_000, 32_000])
def test_the_network_is_what_plain_convolutions_make_of_its_weights(length: int) -> None:
    network = tiny("relu").double()
    x = torch.stack([SPEECH[:length], SPEECH.flip(0)[:length]])
    out, expected = network(x), functional(network.state_dict(keep_vars=True), LogMel().double()(x).values)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(made.square().sum(), list(network.parameters())) for made in (out, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=4), st.integers(0, 12_000))
@settings(max_examples=25, deadline=None)
def test_a_sound_is_encoded_as_if_it_were_alone(lengths: list[int], more: int) -> None:
    network = tiny()
    alone = [SPEECH.roll(7000 * row)[:length] for row, length in enumerate(lengths)]
    with torch.no_grad():
        together = network(padded([sound[:, None] for sound in alone], more, garbage=float("nan")))
        for row, sound in enumerate(alone):
            torch.testing.assert_close(together[row], network(sound[None])[0], rtol=1e-4, atol=1e-4)


def test_different_sounds_differ() -> None:
    with torch.no_grad():
        out = tiny()(torch.stack([SPEECH, SPEECH.flip(0), torch.zeros_like(SPEECH)]))
    assert (out[0] - out[1]).abs().max() > 1e-3
    assert (out[0] - out[2]).abs().max() > 1e-2


@pytest.mark.parametrize("length", [1, 2, 500, 9919])
def test_sounds_too_short_for_the_poolings_are_encoded(length: int) -> None:
    out = tiny()(SPEECH[None, 4000 : 4000 + length])
    assert out.shape == (1, 6)
    assert torch.isfinite(out).all()


def test_shape_and_gradients() -> None:
    torch.manual_seed(0)
    network = Cnn14(width=6, channels=2, dropout=0.2)
    out = network(Padded(torch.stack([SPEECH, SPEECH.flip(0)]), torch.tensor([32_000, 12_000])))
    assert out.shape == (2, 6)
    out.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_padding_changes_no_gradient_in_evaluation_mode() -> None:
    sounds = [SPEECH[:15_000, None], SPEECH[:11_000, None]]
    gradients = []
    for more in (0, 9000):
        network = tiny().double()
        network(padded(sounds, more, garbage=float("nan"))).square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)
