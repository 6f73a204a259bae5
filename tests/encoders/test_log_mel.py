"""The log-mel spectrogram: librosa's on speech, slow loops of its formulas, and each waveform's own ends."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdistill.encoders.log_mel import LogMel, as_waveforms, mel_filters, mirrored
from crossdistill.encoders.sequences import time_mask
from crossdistill.types import Padded
from tests.encoders.batches import padded
from tests.encoders.published import DATA

Array = npt.NDArray[np.float64]
SPEECH = np.load(DATA / "speech.npz")
WAVEFORM = SPEECH["samples"].astype(np.float32) / 32768


def hertz_of(mel: float) -> float:
    """Slaney's Auditory Toolbox: 200/3 Hz for each mel up to 1 kHz, 27 mel for each factor of 6.4 above."""
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp(math.log(6.4) / 27 * (mel - 15))


def mel_of(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def slow_filters() -> Array:
    """(513, 64): triangles over the frequencies, each of height 2 / width."""
    low, high = mel_of(50), mel_of(14000)
    corners = [hertz_of(low + (high - low) * step / 65) for step in range(66)]
    filters = np.zeros((513, 64))
    for k in range(513):
        hertz = k * 32000 / 1024
        for b in range(64):
            left, top, right = corners[b : b + 3]
            height = min((hertz - left) / (top - left), (right - hertz) / (right - top))
            filters[k, b] = max(0.0, height) * 2 / (right - left)
    return filters


def slow_log_mel(waveform: Array, frames: list[int]) -> Array:
    """(len(frames), 64) in dB, in float64, by the discrete Fourier transform's sum."""
    mirrored_ends = np.pad(waveform, 512, mode="reflect")
    n = np.arange(1024)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 1024)
    waves = np.exp(-2j * np.pi * (np.outer(np.arange(513), n) % 1024) / 1024)
    filters, out = slow_filters(), np.zeros((len(frames), 64))
    for row, frame in enumerate(frames):
        spectrum = waves @ (mirrored_ends[320 * frame : 320 * frame + 1024] * window)
        for b in range(64):
            power = sum(abs(spectrum[k]) ** 2 * filters[k, b] for k in range(513))
            out[row, b] = 10 * math.log10(max(power, 1e-10))
    return out


def test_the_spectrogram_of_speech_is_librosa_s_within_a_ten_thousandth_of_a_decibel() -> None:
    """The largest difference in dB of any frame and bin, from the loudest vowel (18 dB) to digital silence (-100)."""
    values, lengths = LogMel()(torch.from_numpy(WAVEFORM)[None])
    assert values.dtype == torch.float32
    assert lengths.tolist() == [101]
    expected = SPEECH["log_mel"]
    assert expected.max() > 15
    assert expected.min() < -99.9
    np.testing.assert_allclose(values[0].numpy(), expected, rtol=0, atol=1e-4)


def test_the_filters_are_librosa_s_and_the_slow_ones() -> None:
    np.testing.assert_allclose(mel_filters().numpy(), slow_filters(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(mel_filters().numpy(), SPEECH["mel"], rtol=0, atol=1e-8)


def test_the_spectrogram_is_what_slow_loops_make() -> None:
    frames = [0, 1, 2, 40, 41, 73, 99, 100]  # both ends, vowels, hisses, pauses
    found = LogMel()(torch.from_numpy(WAVEFORM)[None]).values[0, frames]
    np.testing.assert_allclose(found.numpy(), slow_log_mel(WAVEFORM.astype(np.float64), frames), rtol=0, atol=1e-4)


@pytest.mark.parametrize("amplitude", [0.0, 1e-6, 1e3])
def test_silence_and_thunder_are_finite(amplitude: float) -> None:
    values = LogMel()(amplitude * torch.from_numpy(WAVEFORM)[None]).values
    assert torch.isfinite(values).all()
    assert values.min() >= -100 - 1e-4


def test_twice_the_amplitude_is_6_decibels_more() -> None:
    noise = torch.randn(1, 5000, generator=torch.Generator().manual_seed(0))
    louder = LogMel()(2 * noise).values - LogMel()(noise).values
    torch.testing.assert_close(louder, torch.full_like(louder, 20 * math.log10(2)), atol=1e-4, rtol=0)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.integers(0, 2000), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_a_waveform_s_frames_do_not_depend_on_its_batch(lengths: list[int], more: int, least: int) -> None:
    front = LogMel(least)
    alone = [torch.from_numpy(WAVEFORM[5000 * row + 3000 :][:length]) for row, length in enumerate(lengths)]
    together = front(padded([w[:, None] for w in alone], more, garbage=float("nan")))
    for row, waveform in enumerate(alone):
        single = front(waveform[None])
        frames = max(1 + len(waveform) // 320, least)
        assert single.lengths.tolist() == [frames]
        assert together.lengths[row] == frames
        assert single.values.shape == (1, frames, 64)
        torch.testing.assert_close(together.values[row, :frames], single.values[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("margin", [0, 1, 20])
def test_ends_are_mirrored_as_numpy_does(length: int, margin: int) -> None:
    row = torch.arange(1.0, length + 1)
    batch = torch.stack([torch.nn.functional.pad(row, (0, 5), value=float("nan")), torch.randn(length + 5)])
    out = mirrored(batch, torch.tensor([length, length + 5]), length, margin)
    np.testing.assert_array_equal(out[0], np.pad(row.numpy(), margin, mode="reflect"))


def test_a_short_waveform_goes_on_as_its_mirror_image() -> None:
    out = mirrored(torch.tensor([[1.0, 2.0, 3.0, 0.0]]), torch.tensor([3]), longest=9, margin=1)
    assert out.tolist() == [[2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_spectrogram(dtype: torch.dtype) -> None:
    x = torch.from_numpy(WAVEFORM)[None]
    with torch.autocast("cpu", dtype):
        inside = LogMel()(x).values
    assert torch.equal(inside, LogMel()(x).values)


def test_all_layouts_are_the_same_waveforms() -> None:
    x = torch.randn(2, 900)
    for given_x in (
        x,
        x[:, :, None],
        Padded(x, torch.tensor([900, 900])),
        Padded(x[:, :, None], torch.tensor([900] * 2)),
    ):
        values, lengths = as_waveforms(given_x)
        assert torch.equal(values, x)
        assert lengths.tolist() == [900, 900]


@pytest.mark.parametrize("shape", [(900,), (2, 900, 2), (2, 1, 900, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected waveforms of shape \(B, T\) or \(B, T, 1\)"):
        LogMel()(torch.zeros(shape))


def test_its_constants_are_no_part_of_a_state_dict() -> None:
    assert not LogMel().state_dict()


def test_frames_beyond_a_length_are_told_by_the_lengths() -> None:
    values, lengths = LogMel()(padded([torch.randn(700, 1), torch.randn(3000, 1)]))
    assert lengths.tolist() == [3, 10]
    assert time_mask(lengths, values.shape[1]).sum() == 13
