"""The log-mel spectrogram of PANNs (Kong et al. 2020), as librosa computes it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from crossdistill.encoders.sequences import masked_mean, time_mask
from crossdistill.types import Modality, Padded, values_of

RATE, WINDOW, HOP, BINS = 32_000, 1024, 320, 64
LOWEST, HIGHEST = 50.0, 14_000.0  # Hz
_SMALLEST_POWER = 1e-10


class LogMel(nn.Module):
    """Waveforms at 32 kHz, (B, T) or (B, T, 1) or `Padded` ones -> `Padded` (B, 1 + T // 320, 64) in dB re 1.

    Power spectrum of 1024 samples under a periodic Hann window every 320 samples, summed in 64 triangles of equal area
    on Slaney's mel scale from 50 to 14,000 Hz, 10 log10 of it, not below 1e-10. Frames are centred: before its start
    and beyond its own end, not the padding's, a waveform goes on as its mirror image. One too short for `least_frames`
    goes on so until it fills them. Computed in float64 whatever the autocast: in float32 the rounding of a loud
    frequency would be 0.001 dB of one that is 100 dB below it. (Apple's GPUs have no float64 and must do with that.)
    """

    mel: Tensor

    def __init__(self, least_frames: int = 1) -> None:
        super().__init__()
        self.least_samples = (least_frames - 1) * HOP
        self.register_buffer("mel", mel_filters().float(), persistent=False)

    def forward(self, x: Modality) -> Padded:
        waveforms, own_lengths = as_waveforms(x)
        lengths = own_lengths.clamp_min(max(self.least_samples, 1))
        longest = max(waveforms.shape[1], self.least_samples)
        device = waveforms.device
        precision = torch.float32 if device.type == "mps" else torch.float64
        with torch.autocast(device.type, enabled=False):
            extended = mirrored(waveforms.to(precision), own_lengths, longest, WINDOW // 2)
            window = hann_window().to(device, precision, non_blocking=device.type == "cuda")  # no wait for a GPU
            spectrum = torch.stft(extended, WINDOW, HOP, window=window, center=False, return_complex=True)
            power = (spectrum.real.square() + spectrum.imag.square()).mT @ self.mel.to(precision)
            return Padded(10 * power.clamp_min(_SMALLEST_POWER).log10().to(self.mel.dtype), 1 + lengths // HOP)


@dataclass(frozen=True)
class LogMelSettings:
    """No settings: there is one such spectrogram."""

    def check(self, place: str) -> None:
        """There is no number to check."""


class LogMelMean(nn.Module):
    """Waveforms at 32 kHz -> (B, 64), the mean over time of their `LogMel` spectrograms, of which `sequence` gives each
    step; no parameters.

    To make spectrograms of sounds once (`crossdistill extract --encoder log_mel --sequence true`), which a `ResNet`
    then sees as pictures: on a CPU, making them in every step costs more than all the rest.

    >>> import torch
    >>> from crossdistill.encoders import LogMelMean
    >>> LogMelMean()(torch.randn(2, 3200)).shape, LogMelMean().sequence(torch.randn(2, 3200)).values.shape
    (torch.Size([2, 64]), torch.Size([2, 11, 64]))
    """

    sample_rate = RATE
    width = BINS

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(least_frames=2)  # one frame is a size that an exported program would fix

    def forward(self, x: Modality) -> Tensor:
        values, lengths = self.sequence(x)
        return masked_mean(values, time_mask(lengths, values.shape[1]))

    def sequence(self, x: Modality) -> Padded:
        """The spectrograms: values (B, T', 64) and lengths.

        Args:
            x: sounds (B, T), or `Padded` ones of different length
        """
        made: Padded = self.log_mel(x)
        return made


def as_waveforms(x: Modality) -> Padded:
    """Values (B, T) and lengths of (B, T), (B, T, 1) or `Padded` waveforms. Raises ValueError on any other shape."""
    values = values_of(x)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim != 2:
        raise ValueError(f"expected waveforms of shape (B, T) or (B, T, 1), got {tuple(values.shape)}")
    full = torch.full((values.shape[0],), values.shape[1], dtype=torch.int64, device=values.device)
    return Padded(values, x.lengths if isinstance(x, Padded) else full)


def mirrored(
    x: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"], longest: int, margin: int
) -> Float[Tensor, "batch time+2*margin"]:
    """Steps -margin to longest + margin of each row, which goes on as its mirror image on both sides of its own
    0 to length - 1 (numpy's padding mode "reflect"), again and again where it is short."""
    last = (lengths.clamp_min(1) - 1)[:, None]
    position = torch.arange(-margin, longest + margin, device=x.device)[None, :]
    there_and_back = position % (2 * last).clamp_min(1)
    return x.gather(1, torch.minimum(there_and_back, 2 * last - there_and_back).clamp_min(0))


def hann_window() -> Float[Tensor, " window"]:
    """Periodic, float64."""
    return torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)


def mel_filters() -> Float[Tensor, "frequencies bins"]:
    """(513, 64) float64: what each frequency of the spectrum adds to each mel bin. Every triangle has area 1 over Hz
    (Slaney's normalisation)."""
    frequencies = torch.linspace(0, RATE / 2, WINDOW // 2 + 1, dtype=torch.float64)[:, None]
    limits = _mel(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64))
    steps = torch.linspace(0, 1, BINS + 2, dtype=torch.float64)
    corners = _hertz(limits[0] + (limits[1] - limits[0]) * steps)
    left, top, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (frequencies - left) / (top - left), (right - frequencies) / (right - top)
    return torch.minimum(rising, falling).clamp_min(0) * 2 / (right - left)


_LINEAR_HERTZ, _LINEAR_MEL, _STEP = 1000.0, 15.0, torch.tensor(6.4, dtype=torch.float64).log() / 27


def _mel(hertz: Tensor) -> Tensor:
    """Slaney's scale: 3 mel for 200 Hz below 1 kHz, logarithmic above, 27 mel for a factor of 6.4."""
    above = _LINEAR_MEL + (hertz / _LINEAR_HERTZ).clamp_min(1).log() / _STEP
    return torch.where(hertz < _LINEAR_HERTZ, hertz * _LINEAR_MEL / _LINEAR_HERTZ, above)


def _hertz(mel: Tensor) -> Tensor:
    above = _LINEAR_HERTZ * (_STEP * (mel - _LINEAR_MEL)).exp()
    return torch.where(mel < _LINEAR_MEL, mel * _LINEAR_HERTZ / _LINEAR_MEL, above)
